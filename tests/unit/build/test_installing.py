"""The one line of an install, with real programs in the installer's place."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROGRAM = [sys.executable, "-m", "build.installing", "--what=Installing things", "--megabytes=20"]


def install(folder: Path, script: str) -> "subprocess.CompletedProcess[str]":
    """Run a Python script as the installer."""
    command = [*PROGRAM, f"--folder={folder}", sys.executable, "-c", script]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_a_good_install_is_one_line(tmp_path: Path) -> None:
    """What the installer says is left out; how much there is, and how long it took, is told."""
    (tmp_path / "file").write_bytes(os.urandom(3_000_000))
    (tmp_path / "again").hardlink_to(tmp_path / "file")
    done = install(tmp_path, "print('+ numpy')")
    assert re.fullmatch(r"Installing things: 3 MB in \d+ s\n", done.stdout)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_failure_is_shown_in_full(tmp_path: Path) -> None:
    """All that the installer printed comes after the line, and its status is the program's."""
    done = install(
        tmp_path, "import sys; print('Resolved'); print('no such file ' * 500, file=sys.stderr); sys.exit(7)"
    )
    assert done.stdout == "Installing things: failed\n"
    assert "Resolved\n" in done.stderr
    assert done.stderr.count("no such file") == 500
    assert done.returncode == 7


@pytest.mark.parametrize("script", [pytest.param("import os; os.kill(os.getpid(), 15)", id="a signal")])
def test_an_end_by_a_signal_is_a_failure(tmp_path: Path, script: str) -> None:
    """The status is a shell's for the signal."""
    assert install(tmp_path, script).returncode == 128 + 15


def test_a_terminal_is_shown_how_far_it_is(tmp_path: Path) -> None:
    """On a terminal the line grows with what is written, and ends as elsewhere."""
    mine, theirs = pty.openpty()
    script = (
        "import sys, time\n"
        "sys.stdout = open(sys.argv[1], 'wb')\n"
        "sys.stdout.write(b'x' * 7_000_000); sys.stdout.flush()\n"
        "time.sleep(1)\n"
    )
    command = [*PROGRAM, f"--folder={tmp_path}", sys.executable, "-c", script, str(tmp_path / "written")]
    with subprocess.Popen(command, cwd=ROOT, stdout=theirs, stderr=theirs):
        os.close(theirs)
        shown = b""
        # The end of a terminal is an error, when all its processes have gone.
        while piece := _read(mine):
            shown += piece
    os.close(mine)
    assert b"\r\x1b[KInstalling things: 7 of 20 MB" in shown
    assert re.search(rb"\r\x1b\[KInstalling things: 7 MB in \d+ s\r\n$", shown)


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""
