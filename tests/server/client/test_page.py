"""docs/client.md: its Python, run from the first block to the last, prints what the page says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.server_process import ServerProcess

pytestmark = pytest.mark.timeout(300)

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "client.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
(CONSOLE,) = re.findall(r"^```console\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
SAID = re.findall(r"^ *print\(.*\)  # (.*)$", "".join(BLOCKS), re.MULTILINE)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where models/ is, as the page of half plus two makes it."""
    made: Path = tmp_path_factory.mktemp("clone")
    script = ROOT / "examples" / "half_plus" / "make_models.py"
    result = subprocess.run([sys.executable, script, "models"], cwd=made, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return made


@pytest.fixture(scope="module")
def printed(directory: Path) -> list[str]:
    """What the page's program prints, with the server's own ports in it."""
    with ServerProcess([f"--model_config_file={directory}/models/half_plus.config"]) as server:
        program = "".join(BLOCKS).replace("localhost:8500", f"localhost:{server.grpc_port}")
        program = program.replace("localhost:8501", f"localhost:{server.rest_port}")
        result = subprocess.run(
            [sys.executable, "-c", program], cwd=directory, capture_output=True, text=True, check=False
        )
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def test_page_prints_what_it_says(printed: list[str]) -> None:
    """Each ``print`` of the page has what it prints behind it."""
    assert printed == SAID


def test_every_print_is_held() -> None:
    """No line of the page prints without saying what."""
    assert len(SAID) == "".join(BLOCKS).count("print(")
    assert len(SAID) > 10


def test_terminal_prints_what_it_says(directory: Path, tmp_path: Path) -> None:
    """What stands below each command."""
    (tmp_path / "serving-client").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m serving.client "$@"\n')
    (tmp_path / "serving-client").chmod(0o755)
    commands = re.findall(r"^\$ (.*)$", CONSOLE, re.MULTILINE)
    with ServerProcess([f"--model_config_file={directory}/models/half_plus.config"]) as server:
        environment = {
            **os.environ,
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "SERVING_ADDRESS": f"localhost:{server.grpc_port}",
        }
        printed = ""
        for command in commands:
            result = subprocess.run(
                command, shell=True, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
            )
            printed += f"$ {command}\n{result.stdout}{result.stderr}"
    assert printed == CONSOLE
