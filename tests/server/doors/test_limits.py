"""Limits that a server was started with: sizes of requests and time. Each is named to the client that meets it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.server.doors.clients import Client, GrpcClient, RefusedError, Target, floats, text
from tests.server.doors.conftest import client_of
from tests.support.raw import RawConnection
from tests.support.server_process import ServerProcess, wait_until

LIMIT_BYTES = 1_000_000
LIMIT_MILLISECONDS = 1000
LONG = {"ms": floats(50_000)}
WAIT = Target(model="slow", signature="wait")
LENGTH = Target(model="strings", signature="length")


@pytest.fixture(scope="module")
def limited(door: str, model_config: Path) -> Iterator[ServerProcess]:
    """A server whose limits are low; that of sizes is beyond the native transport, which would give way to grpcio."""
    flags = (
        f"--grpc_transport={'grpcio' if door == 'rest' else door}",
        f"--model_config_file={model_config}",
        "--allow_version_labels_for_unavailable_models",
        *([] if door == "native" else [f"--max_request_bytes={LIMIT_BYTES}"]),
        f"--rest_api_timeout_in_ms={LIMIT_MILLISECONDS}",
        "--rest_api_num_threads=2",
        "--grpc_max_threads=2",
    )
    with ServerProcess(flags) as server:
        yield server
    assert server.process.returncode == 0
    assert "Traceback" not in "".join(server.output)


@pytest.fixture(scope="module")
def client(door: str, limited: ServerProcess) -> Iterator[Client]:
    """A client of the limited server."""
    made = client_of(door, limited)
    yield made
    made.close()


@pytest.mark.parametrize("door", ["rest", "grpcio"], indirect=True)
def test_request_above_the_limit_is_refused(door: str, client: Client) -> None:
    """The text names the limit, and the flag where it is ours; the door goes on to serve."""
    with pytest.raises(RefusedError) as refused:
        client.predict(LENGTH, {"s_bytes": text(b"x" * LIMIT_BYTES)})
    assert refused.value.code in ("HTTP 413", "RESOURCE_EXHAUSTED")
    # grpcio refuses in its core, before there is a message in memory, and words it itself.
    expected = f"vs. {LIMIT_BYTES}" if door == "grpcio" else "--max_request_bytes"
    assert expected in refused.value.text
    assert client.predict(LENGTH, {"s_bytes": text(b"x" * (LIMIT_BYTES // 2))})["n"].tolist() == [LIMIT_BYTES // 2]


@pytest.mark.parametrize("door", ["rest"], indirect=True)
def test_chunked_request_above_the_limit_is_refused(limited: ServerProcess) -> None:
    """A body that does not tell its size beforehand is refused once it is too large."""
    chunk = b"%x\r\n%b\r\n" % (LIMIT_BYTES // 4, b" " * (LIMIT_BYTES // 4))
    with RawConnection(limited.rest_port) as connection:
        connection.send(b"POST /v1/models/slow:predict HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", *[chunk] * 5)
        response = connection.response()
    assert response.status == 413
    assert "--max_request_bytes" in response.json["error"]


def test_call_ends_at_its_deadline(client: Client) -> None:
    """DEADLINE_EXCEEDED, from the client's deadline at gRPC, from the server's flag at REST."""
    timeout = LIMIT_MILLISECONDS / 1000 if isinstance(client, GrpcClient) else 40
    with pytest.raises(RefusedError) as refused:
        client.predict(WAIT, LONG, timeout=timeout)
    assert refused.value.code in ("HTTP 504", "DEADLINE_EXCEEDED")
    if refused.value.code == "HTTP 504":
        assert refused.value.text == "Timed out waiting for notification"


def test_calls_beyond_their_deadline_leave_no_thread_busy(door: str, limited: ServerProcess) -> None:
    """More calls than there are threads run into their deadlines; soon after a call that needs a thread has one."""

    def run(milliseconds: float, timeout: float) -> str:
        client = client_of(door, limited)
        try:
            client.predict(WAIT, {"ms": floats(milliseconds)}, timeout=timeout)
        except RefusedError as error:
            return error.code
        finally:
            client.close()
        return "OK"

    timeout = 40 if door == "rest" else LIMIT_MILLISECONDS / 1000
    with ThreadPoolExecutor(5) as pool:
        codes = set(pool.map(run, [50_000] * 5, [timeout] * 5))
    assert codes & {"HTTP 504", "DEADLINE_EXCEEDED"}
    assert codes <= {"HTTP 504", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"}
    wait_until("a thread is free", lambda: run(50, 40) == "OK", 30)
