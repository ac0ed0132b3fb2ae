"""The real server as a child process, for tests that talk to it as clients do."""

import http.client
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import grpc

from tests.support.secure import channel, secure_port

REPOSITORY = Path(__file__).parents[2]
START_SECONDS = 60.0
AT_ONCE = ("--version_settle_seconds=0", "--drain_grace_seconds=1")
"""Tests write models just before they are served, and end servers with connections open; what they pass comes later."""
_LOOK_AGAIN_SECONDS = 0.01

_GRPC_PORT = re.compile(r"Running gRPC ModelServer at 0\.0\.0\.0:(\d+) \.\.\.")
_REST_PORT = re.compile(r"Exporting HTTP/REST API at:localhost:(\d+) \.\.\.")


def wait_until(what: str, predicate: Callable[[], bool], timeout: float = START_SECONDS) -> None:
    """Return once ``predicate`` holds; AssertionError naming ``what`` if it does not within ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    pause = threading.Event()
    while not predicate():
        assert time.monotonic() < deadline, f"not within {timeout} s: {what}"
        pause.wait(_LOOK_AGAIN_SECONDS)


def write_model_config(
    path: Path, base_paths: Mapping[str, Path], *, labels: Mapping[str, Mapping[str, int]] | None = None
) -> Path:
    """Write a model configuration that serves all versions below each base path; ``labels`` are by model."""
    models = []
    for name, base_path in base_paths.items():
        given = (labels or {}).get(name, {}).items()
        text = "".join(f' version_labels {{ key: "{label}" value: {version} }}' for label, version in given)
        models.append(
            f'config {{ name: "{name}" base_path: "{base_path}" model_platform: "tensorflow" '
            f"model_version_policy {{ all {{}} }}{text} }}"
        )
    path.write_text("model_config_list {\n" + "\n".join(models) + "\n}\n")
    return path


class ServerProcess:
    """A server with ``flags``, on free ports. A context manager; ``output`` has all it printed.

    ``command`` starts it, with flags of its own if it likes; those for the ports follow, and then ``flags``.
    ``trust`` is the authority of its certificate where ``flags`` say that gRPC has TLS.
    Tests write models just before they start servers: unless ``flags`` say otherwise, none waits for their files.
    """

    def __init__(
        self,
        flags: Sequence[str],
        *,
        wait: bool = True,
        command: Sequence[str] = (sys.executable, "-m", "serving"),
        directory: Path = REPOSITORY,
        environment: Mapping[str, str] | None = None,
        trust: bytes = b"",
    ) -> None:
        self._trust = trust
        self.output: list[str] = []
        self._printed = threading.Condition()
        self.process = subprocess.Popen(
            [*command, "--port=-1", "--rest_api_port=-1", *AT_ONCE, *flags],
            cwd=directory,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="surrogateescape",
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.grpc_port = self.rest_port = 0
        if wait:
            self.wait_until_serving()

    def wait_until_serving(self, timeout: float = START_SECONDS) -> None:
        """Block until both doors are announced, and learn their ports; AssertionError after ``timeout`` seconds."""
        try:
            port = int(self.wait_for(_GRPC_PORT, timeout)[1])
            self.grpc_port = secure_port(port, self._trust) if self._trust else port
            self.rest_port = int(self.wait_for(_REST_PORT, timeout)[1])
        except BaseException:
            self.kill()
            raise

    def wait_for(self, pattern: "re.Pattern[str] | str", timeout: float = START_SECONDS) -> "re.Match[str]":
        """The first match of ``pattern`` in a printed line within ``timeout`` seconds; AssertionError if none."""
        compiled = re.compile(pattern)
        found: list[re.Match[str]] = []

        def look() -> bool:
            found.extend(match for line in self.output if (match := compiled.search(line)))
            return bool(found) or not self._reader.is_alive()

        with self._printed:
            self._printed.wait_for(look, timeout)
        if not found:
            raise AssertionError(f"no line matches {compiled.pattern!r} in:\n" + "".join(self.output))
        return found[0]

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._printed:
                self.output.append(line)
                self._printed.notify_all()
        with self._printed:
            self._printed.notify_all()

    def rest(
        self,
        method: str,
        target: str,
        body: bytes | str | None = None,
        headers: dict[str, str] | None = None,
        *,
        timeout: float = START_SECONDS,
    ) -> tuple[int, bytes]:
        """One REST exchange on a connection of its own: status and body. ``timeout`` bounds each wait."""
        connection = http.client.HTTPConnection("127.0.0.1", self.rest_port, timeout=timeout)
        try:
            connection.request(method, target, body, headers or {})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def channel(self) -> grpc.Channel:
        """A gRPC channel without limits on message sizes and without retries."""
        return channel(
            f"127.0.0.1:{self.grpc_port}",
            self.grpc_port,
            (
                ("grpc.max_receive_message_length", -1),
                ("grpc.max_send_message_length", -1),
                ("grpc.enable_retries", 0),
            ),
        )

    def threads(self) -> list[str]:
        """The names of its threads; the system cuts them to 15 characters."""
        names = []
        for thread in Path(f"/proc/{self.process.pid}/task").iterdir():
            with suppress(FileNotFoundError):  # it has just ended
                names.append((thread / "comm").read_text().strip())
        return names

    def terminate(self) -> None:
        """Ask for a drain, as ``docker stop`` does."""
        self.process.send_signal(signal.SIGTERM)

    def wait(self, timeout: float = 30.0) -> int:
        """The exit status, once the process has ended and its output was read."""
        status = self.process.wait(timeout)
        self._reader.join(timeout)
        if self.process.stdout is not None and not self._reader.is_alive():
            self.process.stdout.close()
        return status

    def kill(self) -> None:
        """End it at once."""
        if self.process.poll() is None:
            self.process.kill()
        self.wait()

    def stop(self) -> None:
        """End it by a drain, if it has not ended yet."""
        if self.process.poll() is None:
            self.terminate()
            try:
                self.wait()
            except subprocess.TimeoutExpired:
                self.kill()
                raise
        else:
            self.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
