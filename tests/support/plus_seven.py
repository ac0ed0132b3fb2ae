"""The operation of examples/custom_ops, y = x + 7: its library and a model that uses it. No tests."""

import importlib.util
import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

from serving.protos import message
from tests.support.server_process import REPOSITORY
from tests.support.shell_blocks import activated, run_block, shell_blocks

EXAMPLE = REPOSITORY / "examples" / "custom_ops"


def compile_library(directory: Path) -> Path:
    """Compile plus_seven.so below ``directory`` by the command of the example's page.

    Skips the test where that is not possible; in CI it fails.
    """
    if not shutil.which("g++"):
        _unavailable("g++ is not installed")
    spec = importlib.util.find_spec("tensorflow")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    tensorflow = Path(spec.submodule_search_locations[0])
    if not (tensorflow / "include" / "tensorflow" / "core" / "framework" / "op.h").exists():
        _unavailable("TensorFlow's headers are not installed")
    shutil.copytree(EXAMPLE, directory / "examples" / "custom_ops", ignore=shutil.ignore_patterns("ops", "*.whl"))
    (command,) = [block for block in shell_blocks((EXAMPLE / "README.md").read_text()) if "g++" in block]
    run_block(command, directory, activated())
    return directory / "examples" / "custom_ops" / "ops" / "plus_seven.so"


def _unavailable(why: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(why, pytrace=False)
    pytest.skip(why)


def write_model(directory: Path) -> None:
    """Write a SavedModel of the operation alone, from x to y, into ``directory``, which is made."""
    saved_model = message("tensorflow.SavedModel")(saved_model_schema_version=1)
    meta_graph = saved_model.meta_graphs.add()
    meta_graph.meta_info_def.tags.append("serve")
    placeholder = meta_graph.graph_def.node.add(name="x", op="Placeholder")
    placeholder.attr["dtype"].type = 1
    placeholder.attr["shape"].shape.unknown_rank = True
    meta_graph.graph_def.node.add(name="y", op="PlusSeven", input=["x"])
    signature = meta_graph.signature_def["serving_default"]
    signature.method_name = "tensorflow/serving/predict"
    for alias, infos in (("x", signature.inputs), ("y", signature.outputs)):
        infos[alias].name, infos[alias].dtype = f"{alias}:0", 1
        infos[alias].tensor_shape.unknown_rank = True
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "saved_model.pb").write_bytes(saved_model.SerializeToString())
