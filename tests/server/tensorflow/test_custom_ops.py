"""Libraries of custom operations, compiled here where a compiler and TensorFlow's headers are."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from serving.errors import Code, ConfigurationError
from serving.servables.custom_ops import load_custom_ops, named_by
from tests.support import plus_seven

ROOT = Path(__file__).parents[3]
LOAD_AND_RUN = """
import json, sys
from pathlib import Path
from serving.errors import ServingError
from serving.servables.custom_ops import load_custom_ops
from tests.support.models import call, floats, loaded
from tests.support.plus_seven import write_model

path = Path(sys.argv[1])
write_model(path)

def answer():
    try:
        with loaded(path) as servable:
            return call(servable, {"x": floats(1, 2)})["y"].array.tolist()
    except ServingError as error:
        return error.message.split(" in binary")[0]

before = answer()
load_custom_ops([Path(name) for name in sys.argv[2:]])
json.dump([before, answer()], sys.stdout)
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shared library with the operation PlusSeven."""
    return plus_seven.compile_library(tmp_path_factory.mktemp("custom_ops"))


def test_models_can_use_the_operations_of_a_library(library: Path, tmp_path: Path) -> None:
    """A graph with a custom operation cannot be loaded before its library, and runs after; loading twice is fine."""
    arguments = [sys.executable, "-c", LOAD_AND_RUN, str(tmp_path), str(library), str(library)]
    result = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == ["Op type not registered 'PlusSeven'", [8.0, 9.0]]


def test_missing_library_is_an_error(tmp_path: Path) -> None:
    """A path that leads to no file is named."""
    with pytest.raises(ConfigurationError) as raised:
        load_custom_ops([tmp_path / "absent.so"])
    assert raised.value.code is Code.NOT_FOUND
    assert raised.value.message == f"Custom operations: {tmp_path}/absent.so is not a file"


def test_a_directory_names_its_libraries(tmp_path: Path) -> None:
    """Files and directories in the order that is given, the libraries of a directory by name."""
    for name in ("b.so", "a.so", "notes.txt"):
        (tmp_path / name).touch()
    named = named_by(f"/first.so,{tmp_path},,/last.so")
    assert named == [Path("/first.so"), tmp_path / "a.so", tmp_path / "b.so", Path("/last.so")]


def test_a_directory_without_libraries_is_an_error(tmp_path: Path) -> None:
    """A mount that is empty is not passed over."""
    with pytest.raises(ConfigurationError) as raised:
        load_custom_ops(named_by(str(tmp_path)))
    assert raised.value.message == f"Custom operations: {tmp_path} is a directory without a file *.so"


def test_other_files_are_refused(tmp_path: Path) -> None:
    """A file that is no shared library is an error with the loader's reason and what was expected."""
    (tmp_path / "text.so").write_text("no library")
    with pytest.raises(ConfigurationError) as raised:
        load_custom_ops([tmp_path / "text.so"])
    assert raised.value.message.startswith(f"Custom operations: {tmp_path}/text.so cannot be loaded: ")
    assert (
        "Expected a shared library of operations and kernels that was built for TensorFlow 2." in raised.value.message
    )
