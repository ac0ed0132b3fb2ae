"""Which Python makes the environment: the script with real Pythons, and with slower and unsuitable ones around them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "build" / "choose-python.sh"
BASE = Path(getattr(sys, "_base_executable", sys.executable))

SLOWED = """#!/bin/sh
# A Python that says it has another path and takes three times as long.
exec "{python}" -I -c '
import io, os, sys
from contextlib import redirect_stdout
with redirect_stdout(io.StringIO()) as said: exec(sys.argv[1])
time, release, path = said.getvalue().split()
print(int(time) * {times}, release, "{path}")' "$3"
"""


def choose(*candidates: str | Path) -> "subprocess.CompletedProcess[str]":
    """Run the script."""
    return subprocess.run(["sh", str(SCRIPT), *map(str, candidates)], capture_output=True, text=True, check=False)


def other(directory: Path, name: str, times: int) -> Path:
    """A Python of another path that takes ``times`` as long as this one."""
    made = directory / name
    made.write_text(SLOWED.format(python=BASE, times=times, path=made))
    made.chmod(0o755)
    return made


def test_the_fastest_is_taken(tmp_path: Path) -> None:
    """A much faster one wins over those before it; the line says which it is and how much it gains."""
    slow = other(tmp_path, "slow", 3)
    done = choose(slow, BASE)
    assert done.stdout == f"{BASE.resolve()}\n"
    assert f"Making .venv with {BASE.resolve()} (Python {sys.version.split()[0]}): " in done.stderr
    assert f" times as fast as {slow} (" in done.stderr


def test_the_first_of_equals_is_taken() -> None:
    """A Python with several names counts once; alone it needs no reason."""
    done = choose("no-such-python", sys.executable, BASE)
    assert done.stdout == f"{BASE.resolve()}\n"
    assert done.stderr.endswith(": the only suitable one\n")


@pytest.mark.parametrize("text", [pytest.param("exit 1", id="fails"), pytest.param("exit 0", id="says-nothing")])
def test_none_is_suitable(tmp_path: Path, text: str) -> None:
    """The error names what was tried, and what to install or to give."""
    python = tmp_path / "python3"
    python.write_text(f"#!/bin/sh\n{text}\n")
    python.chmod(0o755)
    done = choose(python, "no-such-python")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"3.11, 3.12 or 3.13 with the venv module: {python} no-such-python\n" in done.stderr
    assert "apt-get install python3-venv" in done.stderr
    assert "PYTHON=/path/to/python3.12" in done.stderr


def test_the_makefile_asks_it(tmp_path: Path) -> None:
    """`make install` hands on what PYTHON names, and fails as it does."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    command = ["make", "--no-print-directory", "-C", str(SCRIPT.parents[1]), "install"]
    command += [f"VENV={tmp_path / 'venv'}", "PYTHON=no-such-python"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "with the venv module: no-such-python" in done.stderr
    assert not (tmp_path / "venv").exists()
