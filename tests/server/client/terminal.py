"""``serving-client`` as tests run it: in their process, as a program, on a terminal. No tests."""

import io
import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from serving.client.terminal.main import main

ROOT = Path(__file__).parents[3]
SECONDS = 120
NOTHING: Mapping[str, str] = MappingProxyType({})


def run(*given: str, data: bytes = b"", code: int = 0, env: Mapping[str, str] = NOTHING) -> str:
    """What the command prints, output and errors, if it ends with this code. 80 columns hold it, JSON apart.

    In this process, for most of a short program's time is its start; ``process`` is the program itself.
    """
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed), redirect_stderr(printed):
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        patch.setenv("COLUMNS", "80")
        try:
            ended: object = main(given, env)
        except SystemExit as error:
            ended = error.code
    return checked(given, printed.getvalue(), ended, code)


def process(*given: str, data: bytes = b"", code: int = 0, env: Mapping[str, str] = NOTHING) -> str:
    """The same of the program."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("SERVING_", "COLUMNS"))}
    result = subprocess.run(
        [sys.executable, "-m", "serving.client", *given],
        input=data,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=ROOT,
        env={**clean, **env},
        timeout=SECONDS,
        check=False,
    )
    return checked(given, result.stdout.decode(), result.returncode, code)


def checked(given: tuple[str, ...], printed: str, ended: object, code: int) -> str:
    """What was printed, if it is as it has to be."""
    assert ended == code, printed
    assert "Traceback" not in printed
    assert "\x1b" not in printed
    assert "--json" in given or [line for line in printed.splitlines() if len(line) > 80] == []
    return printed


def npy(array: Any) -> bytes:
    """An npy file."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def terminal(*given: str, env: Mapping[str, str]) -> str:
    """What the command writes to a terminal."""
    controller, device = pty.openpty()
    command = [sys.executable, "-m", "serving.client", *given]
    clean = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    with subprocess.Popen(
        command, stdin=device, stdout=device, stderr=device, cwd=ROOT, env={**clean, "TERM": "xterm", **env}
    ) as process:
        os.close(device)
        found = b""
        while True:
            try:
                data = os.read(controller, 65536)
            except OSError:  # Linux says so once nobody has the other side open
                break
            if not data:
                break
            found += data
        assert process.wait(SECONDS) == 0, found
    os.close(controller)
    return found.decode()
