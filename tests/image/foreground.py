"""Commands of pages that serve from a container in the foreground, on ports 8500 and 8501 of this machine."""

import os
import signal
import socket
import ssl
import subprocess
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.image.conftest import DEFAULT_IMAGE
from tests.image.containers import http, wait_until

SERVER = "http://localhost:8501"

_START_SECONDS = 120.0
_END_SECONDS = 60.0


def skip_if_taken() -> None:
    """Skip the test if somebody has one of the ports."""
    taken = [port for port in (8500, 8501) if not _is_free(port)]
    if taken:
        pytest.skip(f"something listens on {taken}, which the page uses")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def is_ready(authority: Path | None = None) -> bool:
    """Whether a server answers whose models are available; over TLS if there is an authority to trust."""
    server, context = SERVER, None
    if authority is not None:
        server, context = SERVER.replace("http:", "https:"), ssl.create_default_context(cafile=authority)
    try:
        return http(f"{server}/healthz/ready", timeout_seconds=5, context=context)[0] == 200
    except OSError:
        return False


@contextmanager
def in_foreground(
    block: str,
    image: str,
    directory: Path,
    environment: Mapping[str, str],
    *,
    authority: Path | None = None,
    statuses: Collection[int] = (0,),
) -> Iterator[None]:
    """The block with the image under test, until Ctrl-C; it must end with one of the statuses. See ``is_ready``."""
    process = subprocess.Popen(
        ["bash", "-euc", block.replace(DEFAULT_IMAGE, image)],
        cwd=directory,
        env=dict(environment),
        start_new_session=True,
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_until(f"ready: {block}", lambda: is_ready(authority) or process.poll() is not None, _START_SECONDS)
        assert process.poll() is None, f"ended with {process.returncode}: {block}"
        yield
        assert _end(process) in statuses, block
    finally:
        if process.poll() is None:
            _end(process)


def _end(process: "subprocess.Popen[bytes]") -> int:
    """The status of a command after Ctrl-C, which a terminal sends to all of its processes."""
    os.killpg(process.pid, signal.SIGINT)
    try:
        return process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
