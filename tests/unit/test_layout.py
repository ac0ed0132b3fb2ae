"""The shape of the source: sizes of files and functions, and modules that can each be imported first."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLACES = ("serving", "build", "examples")

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60


def oversized(text: str) -> Iterator[str]:
    """What is over the limits in one source file."""
    length = len(text.splitlines())
    if length > MAX_FILE_LINES:
        yield f"{length} lines"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            if length > MAX_FUNCTION_LINES:
                yield f"{node.name}: {length} lines"


def sources() -> list[Path]:
    """The project's own Python files, tests apart."""
    return sorted(path for place in PLACES for path in (ROOT / place).rglob("*.py"))


def test_source_keeps_the_sizes() -> None:
    """No file is over 400 lines, no function over 60."""
    paths = sources()
    assert ROOT / "serving" / "core" / "servable.py" in paths
    assert {f"{path}: {what}" for path in paths for what in oversized(path.read_text())} == set()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("\n" * 400, [], id="file"),
        pytest.param("\n" * 401, ["401 lines"], id="long file"),
        pytest.param("def f():\n" + "  1\n" * 59, [], id="function"),
        pytest.param("def f():\n" + "  1\n" * 60, ["f: 61 lines"], id="long function"),
        pytest.param("class A:\n async def f():\n" + "  1\n" * 60, ["f: 61 lines"], id="long method"),
    ],
)
def test_limits(text: str, expected: list[str]) -> None:
    """A file or function at the limit is accepted, one line more is not."""
    assert list(oversized(text)) == expected


IMPORT_EACH = """
import importlib, sys
failed = []
for name in sys.argv[1:]:
    for loaded in [m for m in sys.modules if m.split(".")[0] == "serving"]:
        del sys.modules[loaded]
    try:
        importlib.import_module(name)
    except ImportError as error:
        failed.append(f"{name}: {error}")
    if "tensorflow" in sys.modules:
        failed.append(f"{name}: imports tensorflow")
        break
print("\\n".join(failed), end="")
"""


def import_each(root: Path) -> str:
    """What goes wrong when each module of ``serving`` below ``root`` is the first one imported; ``__main__`` runs."""
    paths = [path.relative_to(root).with_suffix("") for path in sorted((root / "serving").rglob("*.py"))]
    names = [".".join(path.parts).removesuffix(".__init__") for path in paths if path.stem != "__main__"]
    command = [sys.executable, "-c", IMPORT_EACH, *names]
    return subprocess.run(command, cwd=root, stdout=subprocess.PIPE, text=True, check=True).stdout


def test_each_module_imports_alone() -> None:
    """Each module of serving can be the first one imported, and none of them brings TensorFlow along."""
    assert import_each(ROOT) == ""


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param(
            {"a": "from serving.b import x", "b": "from serving.a import y\nx = 1"}, "cannot import", id="cycle"
        ),
        pytest.param({"a": "import serving.missing"}, "No module named 'serving.missing'", id="missing"),
        pytest.param({"a": "import sys\nsys.modules['tensorflow'] = sys"}, "imports tensorflow", id="tensorflow"),
    ],
)
def test_import_problems_are_found(tmp_path: Path, files: dict[str, str], expected: str) -> None:
    """A module that cannot be imported first, or that brings TensorFlow along, is reported."""
    (tmp_path / "serving").mkdir()
    for name, text in {"__init__": "", **files}.items():
        (tmp_path / "serving" / f"{name}.py").write_text(text)
    assert expected in import_each(tmp_path)
