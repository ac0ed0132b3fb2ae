"""SIGTERM and SIGINT while a server starts: from its first line on the status is 0."""

import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic

import pytest

from tests.support.server_process import REPOSITORY, ServerProcess, wait_until

MOMENTS = 50
AT_A_TIME = 3
END_SECONDS = 60.0


def caught(process: subprocess.Popen[bytes] | subprocess.Popen[str], number: int) -> bool:
    """Whether the process has a handler for the signal, or has ended."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    return "SigCgt" not in fields or bool(int(fields["SigCgt"], 16) & 1 << number - 1)


def start(base: Path, *prefix: str) -> subprocess.Popen[bytes]:
    flags = ("--port=-1", "--rest_api_port=-1", f"--model_base_path={base}")
    return subprocess.Popen(
        [*prefix, sys.executable, "-m", "serving", *flags],
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def status(process: subprocess.Popen[bytes]) -> int:
    """Its exit status, which comes soon."""
    try:
        return process.wait(END_SECONDS)
    finally:
        process.kill()


@pytest.fixture(scope="module")
def seconds(models: Path) -> float:
    """How long a start takes from its first line on, on this machine and as many at a time as below."""

    def once(_: int) -> float:
        with ServerProcess([f"--model_base_path={models / 'half_plus_three'}"], wait=False) as server:
            wait_until("a handler", lambda: caught(server.process, signal.SIGTERM))
            began = monotonic()
            server.wait_until_serving()
            return monotonic() - began

    with ThreadPoolExecutor(AT_A_TIME) as starters:
        return max(starters.map(once, range(AT_A_TIME)))


def test_at_any_moment(models: Path, seconds: float) -> None:
    """Fifty moments from the first line to a little after the start is complete, SIGTERM and SIGINT in turn."""

    def ended(moment: int) -> int:
        number = (signal.SIGTERM, signal.SIGINT)[moment % 2]
        process = start(models / "half_plus_three")
        wait_until("a handler", lambda: caught(process, signal.SIGTERM))
        threading.Event().wait(1.1 * seconds * moment / MOMENTS)
        process.send_signal(number)
        return status(process)

    with ThreadPoolExecutor(AT_A_TIME) as starters:
        statuses = list(starters.map(ended, range(MOMENTS)))
    assert {moment: status for moment, status in enumerate(statuses) if status} == {}


def test_before_the_first_line(models: Path) -> None:
    """A signal that whoever starts the server has blocked, as the image's entrypoint does, waits for that line."""
    process = start(models / "half_plus_three", "env", "--block-signal=TERM,INT")
    wait_until("blocked", lambda: "SigBlk:\t0000000000004002" in Path(f"/proc/{process.pid}/status").read_text())
    process.send_signal(signal.SIGTERM)
    assert status(process) == 0


def test_while_the_main_thread_is_elsewhere() -> None:
    """A call in C that takes long, as loading a library from a cold disk does, does not hold the end up."""
    program = "\n".join(
        [
            "import ctypes, sys",
            "from serving.host import stop_signals",
            "stop_signals.before_the_end(lambda: (print('last act'), sys.stdout.flush()))",
            "stop_signals.end_the_start()",
            "print('here', flush=True)",
            "while True: ctypes.CDLL(None).sleep(1000)",
        ]
    )
    with subprocess.Popen([sys.executable, "-c", program], cwd=REPOSITORY, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"here\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == b"last act\n"
        assert status(process) == 0


def test_while_models_are_awaited(tmp_path: Path) -> None:
    """A server without a model to serve ends at once, and with 0."""
    with ServerProcess([f"--model_base_path={tmp_path}"], wait=False) as server:
        server.wait_for("No versions of servable default")
        server.terminate()
        assert server.wait(END_SECONDS) == 0
