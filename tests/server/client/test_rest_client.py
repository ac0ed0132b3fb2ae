"""The client of the REST API: turns, what it sends again and what it does not, and errors."""

import socket
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Self

import grpc
import numpy as np
import pytest

from serving.client import Client, ServingError
from serving.client.rest import RestClient
from tests.support.server_process import ServerProcess, wait_until

ONE = {"instances": [1.0]}
ANSWER = b'HTTP/1.1 200 OK\r\nContent-Length: 22\r\n\r\n{"predictions": [3.5]}'
BUSY = b'HTTP/1.1 429 Too Many Requests\r\nRetry-After: 0\r\nContent-Length: 17\r\n\r\n{"error": "full"}'
FULL = BUSY.replace(b"Retry-After: 0\r\n", b"")
HALF = ANSWER[:-5]
END = b""


class Scripted:
    """A server on a bare socket: to each request it sends the next text, and then closes unless that is ``ANSWER``."""

    def __init__(self, script: Sequence[bytes]) -> None:
        self._script = list(script)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listening.getsockname()[1]}"
        self.requests = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                with closing(connection), connection.makefile("rb") as stream:
                    while self._answer(connection, stream.readline(), stream):
                        pass

    def _answer(self, connection: socket.socket, first: bytes, stream: object) -> bool:
        if not first:
            return False
        length = 0
        while (line := stream.readline().strip()) != b"":  # type: ignore[attr-defined]
            if line.lower().startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        stream.read(length)  # type: ignore[attr-defined]
        self.requests += 1
        text = self._script.pop(0)
        connection.sendall(text)
        return text == ANSWER

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()


def refusing() -> str:
    """An address at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize(
    ("script", "requests"),
    [
        pytest.param([END, ANSWER], 2, id="closed before the answer"),
        pytest.param([END, END, END, ANSWER], 4, id="as often as it may"),
        pytest.param([BUSY, ANSWER], 2, id="busy, and says until when"),
    ],
)
def test_what_is_sent_again(script: list[bytes], requests: int) -> None:
    """All that had no answer, and what the server wants again."""
    with Scripted(script) as server, RestClient(server.address) as client:
        assert client.predict("m", ONE) == {"predictions": [3.5]}
        assert server.requests == requests


@pytest.mark.parametrize(
    ("script", "code"),
    [
        pytest.param([HALF], grpc.StatusCode.UNAVAILABLE, id="half an answer"),
        pytest.param([FULL], grpc.StatusCode.RESOURCE_EXHAUSTED, id="busy, and says no more"),
        pytest.param([END] * 4, grpc.StatusCode.UNAVAILABLE, id="too often"),
        pytest.param([ANSWER[:-22] + b"x" * 22], grpc.StatusCode.INTERNAL, id="no JSON"),
    ],
)
def test_what_is_not(script: list[bytes], code: grpc.StatusCode) -> None:
    """It is the outcome."""
    with Scripted(script) as server, RestClient(server.address) as client:
        with pytest.raises(ServingError) as raised:
            client.predict("m", ONE)
        assert (raised.value.code, server.requests) == (code, len(script))


def test_connections_that_ended_while_nobody_used_them() -> None:
    """They cost no attempt: who has no retries gets an answer, on another connection."""
    with Scripted([ANSWER, END, ANSWER]) as server, RestClient(server.address, retries=0) as client:
        assert client.predict("m", ONE) == client.predict("m", ONE)
        assert server.requests == 3


def test_the_other_one_answers() -> None:
    """Where nobody listens at one address, it has no turn for a moment; and the time of a request is its own."""
    with Scripted([ANSWER] * 4) as server, RestClient([refusing(), server.address], retries=1) as client:
        for _ in range(4):
            assert client.predict("m", ONE) == {"predictions": [3.5]}
    with RestClient(refusing(), retries=0) as client, pytest.raises(ServingError, match="UNAVAILABLE"):
        client.predict("m", ONE)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with RestClient(address) as client, pytest.raises(ServingError, match="DEADLINE_EXCEEDED"):
            client.get("/", timeout_seconds=0.2)


def test_wrong_use() -> None:
    """Told before anything is sent."""
    with pytest.raises(ValueError, match="got none"):
        RestClient([])
    with pytest.raises(ValueError, match="expected host:port"):
        RestClient("http://a")
    client = RestClient("a:1")
    with pytest.raises(ValueError, match="a version or a label"):
        client.predict("m", ONE, version=1, label="x")
    with pytest.raises(TypeError, match="expected what JSON can hold, got object"):
        client.predict("m", {"instances": object()})
    client.close()
    with pytest.raises(ValueError, match="was closed"):
        client.predict("m", ONE)


@pytest.fixture
def pair(models: Path) -> Iterator[tuple[ServerProcess, ServerProcess]]:
    """Two servers of one model."""
    flags = ("--model_name=m", f"--model_base_path={models / 'half_plus_three'}")
    with ServerProcess(flags) as first, ServerProcess(flags) as second:
        yield first, second


CALLERS, MORE = 2, 20


def test_a_server_that_is_killed_and_none_notices(pair: tuple[ServerProcess, ServerProcess]) -> None:
    """Over REST, and over gRPC with ``retry_lost``: every call is answered, whichever server it was sent to."""
    first, second = pair
    over, answered = threading.Event(), Counter[str]()
    with ExitStack() as stack, ThreadPoolExecutor(2 * CALLERS) as pool:
        stack.callback(over.set)
        rest = stack.enter_context(RestClient([f"127.0.0.1:{each.rest_port}" for each in pair]))
        addresses = [f"127.0.0.1:{each.grpc_port}" for each in pair]
        wire = stack.enter_context(Client(addresses, retry_lost=True))

        def by_rest() -> None:
            while not over.is_set():
                assert rest.predict("m", {"instances": np.array([1], np.float32)}) == {"predictions": [3.5]}
                answered["rest"] += 1

        def by_grpc() -> None:
            while not over.is_set():
                assert wire.predict("m", {"x": [1.0]})["y"].tolist() == [3.5]
                answered["grpc"] += 1

        asking = [pool.submit(each) for each in (by_rest, by_grpc) for _ in range(CALLERS)]

        def more() -> None:
            least = {each: answered[each] + MORE for each in ("rest", "grpc")}
            wait_until(
                "both are answered",
                lambda: (
                    all(answered[each] >= count for each, count in least.items()) or any(each.done() for each in asking)
                ),
            )

        more()
        first.kill()
        more()
        over.set()
        for each in asking:
            each.result(60)
    assert second.process.poll() is None
