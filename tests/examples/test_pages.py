"""What holds for every example: it is listed, its page is walked through, and its clients need no TensorFlow."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.examples.walk import EXAMPLES, SERVER
from tests.shell_blocks import shell_blocks

HERE = Path(__file__).parent
PAGES = sorted(page for page in EXAMPLES.rglob("README.md") if page.parent != EXAMPLES)
CLIENTS = sorted(
    script
    for script in EXAMPLES.rglob("*.py")
    if (text := script.read_text()) and "__main__" in text and ("--server" in text or "client" in script.stem)
)

WITHOUT_TENSORFLOW = """
import runpy, sys
for name in ("tensorflow", "keras", "tensorflow_serving"):
    sys.modules[name] = None
sys.argv = [sys.argv[1], "--help"]
sys.path[0] = sys.argv[0].rpartition("/")[0]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    ours = {name for name in sys.modules if name.split(".")[0] == "serving"} - {"serving", "serving.client"}
    print("also imported:", *sorted(name for name in ours if not name.startswith("serving.client.")))
"""


def name(page: Path) -> str:
    """A page's folder below ``examples``."""
    return str(page.parent.relative_to(EXAMPLES))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_page_is_listed(page: Path) -> None:
    """The index of its folder leads to it."""
    index = page.parents[1] / "README.md"
    assert f"({page.parent.name}/README.md)" in index.read_text()


@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(SERVER in block for block in shell_blocks(page.read_text()))], ids=name
)
def test_page_is_walked_through(page: Path) -> None:
    """A page that starts a server has a test that does all that it says."""
    assert any(f'Walk("{name(page)}"' in test.read_text() for test in HERE.glob("test_*.py"))


@pytest.mark.parametrize("script", CLIENTS, ids=lambda script: str(script.relative_to(EXAMPLES)))
def test_clients_need_no_tensorflow(script: Path) -> None:
    """A script that asks a server starts without TensorFlow, Keras, and all of ours but the client."""
    command = [sys.executable, "-c", WITHOUT_TENSORFLOW, str(script)]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^usage: .*--server", done.stdout, re.DOTALL)
    assert done.stdout.endswith("also imported:\n")
