"""A server serves, and ends with 0, whatever its standard streams are."""

import fcntl
import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.ports import free_port
from tests.support.server_process import REPOSITORY, wait_until

END_SECONDS = 30.0


class Server:
    """A server on a descriptor of the test's choice, of which only the port is known."""

    def __init__(self, flags: list[str], closed: str = "", **options: object) -> None:
        self.port = free_port()
        self.process = subprocess.Popen(
            [
                *("sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-m", "serving"),
                *("--port=-1", f"--rest_api_port={self.port}", *flags),
            ],
            cwd=REPOSITORY,
            **options,  # type: ignore[call-overload]
        )

    def get(self, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """Status and body of one request; 0 while nobody listens."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=END_SECONDS)
        try:
            connection.request("POST" if body else "GET", path, body)
            response = connection.getresponse()
            return response.status, response.read()
        except ConnectionError:
            return 0, b""
        finally:
            connection.close()

    def serves(self, model: str = "default") -> bool:
        """Whether the model answers, once the server is ready."""
        wait_until("ready", lambda: self.process.poll() is not None or self.get("/healthz/ready")[0] == 200)
        status, body = self.get(f"/v1/models/{quote(model)}:predict", b'{"instances": [1.0]}')
        return (status, json.loads(body or b"{}")) == (200, {"predictions": [3.5]})

    def stop(self) -> int:
        """The status after SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        return int(self.process.wait(END_SECONDS))


@contextmanager
def running(flags: list[str], **options: object) -> Iterator[Server]:
    """The server, which does not outlive the test."""
    server = Server(flags, **options)  # type: ignore[arg-type]
    try:
        yield server
    finally:
        server.process.kill()
        server.process.wait()


@pytest.fixture
def flags(models: Path) -> list[str]:
    return [f"--model_base_path={models / 'half_plus_three'}"]


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_at_the_start(flags: list[str], closed: str) -> None:
    """Nothing of the server's own gets one of the three numbers."""
    with running(flags, closed=closed) as server:
        assert server.serves()
        assert server.stop() == 0


def gone() -> int:
    """A pipe whose reader has ended."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


def full() -> int:
    """A file on a full disk."""
    return os.open("/dev/full", os.O_WRONLY)


def unread() -> int:
    """A pipe whose reader is there and reads nothing, full already. It stays open with this process."""
    _, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(writing, False)
    with suppress(BlockingIOError):
        while os.write(writing, b"x" * 4096):
            pass
    os.set_blocking(writing, True)
    return writing


@pytest.mark.parametrize("stream", [gone, full, unread])
def test_cannot_be_written(flags: list[str], stream: Callable[[], int]) -> None:
    """Neither the start nor a call nor the drain waits or fails for what cannot be said."""
    descriptor = stream()
    with running(flags, stdout=descriptor, stderr=descriptor) as server:
        os.close(descriptor)
        assert server.serves()
        assert server.stop() == 0


def test_ends_without_a_reader(models: Path) -> None:
    """The status of a start that fails is the documented one, though nobody learns why."""
    descriptor = gone()
    with running([f"--model_base_path={models.name}"], stdout=descriptor, stderr=descriptor) as server:
        os.close(descriptor)
        assert server.process.wait(END_SECONDS) == 255


def test_narrow_encoding(models: Path, tmp_path: Path) -> None:
    """Names beyond ASCII and paths that are no text are written as UTF-8 and escapes, whatever the locale says."""
    base = tmp_path / os.fsdecode("größe_\ud83d\ude00_".encode(errors="surrogatepass") + b"\xff\n")
    base.symlink_to(models / "half_plus_three")
    narrow = {"LANG": "C", "LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    output = tmp_path / "output"
    with (
        output.open("wb") as file,
        running(
            ["--model_name=größe", f"--model_base_path={base}"],
            stdout=file,
            stderr=file,
            env={**os.environ, **narrow},
        ) as server,
    ):
        assert server.serves("größe")
        assert server.stop() == 0
    said = output.read_bytes().decode()
    assert "Successfully loaded servable version {name: größe version: 1}" in said
    assert r"\xff\n" in said
    assert "Traceback" not in said
