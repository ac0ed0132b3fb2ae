"""What holds for every example: it is listed, its page is walked through, and its clients need no TensorFlow."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.shell_blocks import shell_blocks
from tests.walks.walk import EXAMPLES, SERVER

HERE = Path(__file__).parent
PAGES = sorted(page for page in EXAMPLES.rglob("README.md") if page.parent != EXAMPLES)
SCRIPTS = sorted(EXAMPLES.rglob("*.py"))
CLIENTS = [
    script
    for script in SCRIPTS
    if (text := script.read_text()) and "__main__" in text and ("--server" in text or "client" in script.stem)
]

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
    "page",
    [page for page in PAGES if re.search(rf"{SERVER}|localhost:", "\n".join(shell_blocks(page.read_text())))],
    ids=name,
)
def test_page_is_walked_through(page: Path) -> None:
    """A page that starts a server, or asks one, has a test that does all that it says."""
    assert any(f'Walk("{name(page)}"' in test.read_text() for test in HERE.parent.rglob("test_*.py"))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_waits_have_an_end(page: Path) -> None:
    """No command loops for ever while the server is down; curl --retry gives up and says why."""
    assert re.findall(r"\b(?:until|while)\b", "\n".join(shell_blocks(page.read_text()))) == []


@pytest.mark.parametrize("page", [EXAMPLES / "README.md", *PAGES], ids=name)
def test_containers_are_prepared(page: Path) -> None:
    """A page that runs the image says before that it has to be made, and that the server has to end."""
    text = page.read_text()
    for block in shell_blocks(text):
        if "-p 8500:8500" in block and "tensorflow-serving-appliance:cpu" in block:
            before = text.partition(block)[0]
            assert "`make image`" in before
            assert "Ctrl-C" in before
    assert re.findall(r"`docker run[^`]*serving-appliance:cpu", text) == []


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: str(script.relative_to(EXAMPLES)))
def test_scripts_keep_the_readers_environment(script: Path) -> None:
    """What the reader has set, such as TensorFlow's level of logging, is not set otherwise."""
    assert re.findall(r"os\.environ(?:\.update|\[[^]]*\] *=).*", script.read_text()) == []


@pytest.mark.parametrize("script", CLIENTS, ids=lambda script: str(script.relative_to(EXAMPLES)))
def test_clients_need_no_tensorflow(script: Path) -> None:
    """A script that asks a server starts without TensorFlow, Keras, and all of ours but the client."""
    command = [sys.executable, "-c", WITHOUT_TENSORFLOW, str(script)]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^usage: .*--server", done.stdout, re.DOTALL)
    assert done.stdout.endswith("also imported:\n")
