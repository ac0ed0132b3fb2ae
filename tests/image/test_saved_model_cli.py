"""`saved_model_cli` in the container on the ResNet of the examples, by the command on the example's page."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.image.conftest import DEFAULT_IMAGE
from tests.image.containers import ROOT
from tests.support.shell_blocks import run_block, shell_blocks

EXAMPLE = ROOT / "examples" / "resnet"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the page is followed: the model that its script makes is in models/resnet."""
    directory = tmp_path_factory.mktemp("saved_model_cli")
    # The container's user must be able to read what is made here.
    command = [sys.executable, str(EXAMPLE / "export.py"), "models/resnet"]
    subprocess.run(["sh", "-c", 'umask 022; exec "$@"', "sh", *command], cwd=directory, check=True)
    yield directory
    shutil.rmtree(directory / "models")


def test_the_command_of_the_page(image: str, directory: Path) -> None:
    """It prints the one input, the outputs and the method, with the image's TensorFlow."""
    blocks = shell_blocks((EXAMPLE / "README.md").read_text())
    (command,) = [block for block in blocks if block.startswith("docker") and "saved_model_cli" in block]
    environment = {**os.environ, "PWD": str(directory)}
    printed = run_block(command.replace(DEFAULT_IMAGE, image), directory, environment)
    for expected in (
        "inputs['image_bytes'] tensor_info:\n      dtype: DT_STRING\n      shape: (-1)\n",
        "outputs['classes'] tensor_info:\n      dtype: DT_INT64\n      shape: (-1)\n",
        "outputs['probabilities'] tensor_info:\n      dtype: DT_FLOAT\n      shape: (-1, 1000)\n",
        "Method name is: tensorflow/serving/predict\n",
    ):
        assert expected in printed
