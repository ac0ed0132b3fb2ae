"""The costly requests' bytes, the clients on sockets and stand-ins, and the stop-watches; no server is started."""

import gzip
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvloop

from serving.protos import PredictRequest
from tests.bench.asking import Address
from tests.bench.servers import Program, check_flags
from tests.bench.stall import kinds, load, scenario
from tests.bench.stall.exchange import receive
from tests.bench.stall.kinds import KINDS, Kind
from tests.bench.stall.probe import probe
from tests.bench.stall.server import EVENTS, LOOP, WatchedFront, stopwatches, watch_loops

LARGEST_READ_ON_ARRIVAL = 64 * 1024
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"


def test_small_documents_are_small() -> None:
    """Each is as large as it may be without being handed over for its size, and JSON but for NaN."""
    for name in ("json-lists", "json-keys", "json-nan", "json-escapes", "json-objects"):
        body = KINDS[name].body()
        assert 0.95 * LARGEST_READ_ON_ARRIVAL < len(body) < LARGEST_READ_ON_ARRIVAL
        (values,) = json.loads(body).values()
        assert len(values) > 1000


def test_gzip_inflates_to_a_document() -> None:
    """100 KB become 100 MiB with the valid document in it."""
    body = KINDS["gzip-json"].body()
    document = gzip.decompress(body)
    assert len(body) < 110_000
    assert len(document) == kinds.INFLATED_BYTES
    assert document.replace(b" ", b"") == b'{"instances":[1.5]}'


def test_plain_numbers() -> None:
    """The document has about the size that is asked for, and different numbers."""
    body = kinds.plain_numbers(100_000)
    assert 80_000 < len(body) < 100_100
    assert len(set(json.loads(body)["instances"])) > 900


def test_a_few_bytes_declare_millions() -> None:
    """One value fills a tensor of 33 million elements."""
    body = KINDS["grpc-declared"].body()
    tensor = PredictRequest.FromString(body).inputs["x"]
    assert len(body) < 50
    assert (tensor.tensor_shape.dim[0].size, list(tensor.float_val)) == (kinds.DECLARED_COUNT, [1.5])


def test_strings_have_the_declared_count() -> None:
    """The content is a length for each string and then the strings themselves."""
    tensor = PredictRequest.FromString(KINDS["grpc-short"].body()).inputs["x"]
    count = tensor.tensor_shape.dim[0].size
    assert tensor.tensor_content == b"\1" * count + b"a" * count


def test_rest_request() -> None:
    """The head names the model, the form and the length, and leaves the connection open."""
    kind = Kind(title="k", body=lambda: b"{}", model="m", headers={"Content-Type": "application/x-npy"})
    assert kind.request(Address(rest="http://h:1")) == (
        b"POST /v1/models/m:predict HTTP/1.1\r\n"
        b"Host: h:1\r\nContent-Type: application/x-npy\r\nContent-Length: 2\r\n\r\n{}"
    )


def test_flags_exist() -> None:
    """The server has every flag that it is started with; it would pass over others."""
    check_flags(Program(name="ours", arguments=("serving", *scenario.FLAGS)))


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a connection."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(ANSWER, (200, True), id="stays"),
        pytest.param(b"HTTP/1.1 429 Slow\r\ncontent-length: 0\r\nConnection: close\r\n\r\n", (429, False), id="closes"),
        pytest.param(b"HTTP/1.1 400 Bad\r\n\r\n", (400, False), id="without a length"),
    ],
)
def test_answers(pair: tuple[socket.socket, socket.socket], answer: bytes, expected: tuple[int, bool]) -> None:
    """The status is read, and whether another request may follow; the body is taken in, in however small pieces."""
    ours, theirs = pair
    for _ in range(2 if expected[1] else 1):
        theirs.sendall(answer)
        assert receive(ours, bytearray(3)) == expected


@pytest.mark.parametrize("sent", [pytest.param(b"", id="nothing"), pytest.param(ANSWER[:-1], id="cut off")])
def test_no_answer(pair: tuple[socket.socket, socket.socket], sent: bytes) -> None:
    """A connection that ends before the answer does is an error."""
    ours, theirs = pair
    theirs.sendall(sent)
    theirs.close()
    with pytest.raises(ConnectionError):
        receive(ours, bytearray(100))


def test_a_closed_connection_is_opened_anew() -> None:
    """After a refusal that closes, the next request goes over a new connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = load.RestClient(f"http://127.0.0.1:{listener.getsockname()[1]}", b"request", 30.0)
        first, _ = listener.accept()
        with first:
            first.sendall(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            assert client.ask() == "503"
        second, _ = listener.accept()
        with second:
            second.sendall(ANSWER)
            assert client.ask() == "200"
            assert second.recv(100) == b"request"
        assert client.ask() == load.NO_ANSWER
        client.close()


def test_the_load_counts_by_status() -> None:
    """Each connection sends, and each answer counts."""
    assert load.run([lambda: "200", lambda: "429", lambda: "200"], 0.0) == {"200": 2, "429": 1}


def test_a_probe_that_is_ended_while_it_waits(tmp_path: Path) -> None:
    """The wait so far is in the log, without a good answer."""
    answers = iter([True])

    def ask() -> bool:
        try:
            return next(answers)
        except StopIteration:
            raise SystemExit from None

    with (tmp_path / "log").open("w") as log, pytest.raises(SystemExit):
        probe(ask, 0.001, log)
    assert [line.split()[2] for line in (tmp_path / "log").read_text().splitlines()] == ["1", "0"]


def test_stop_watches_are_shared(tmp_path: Path) -> None:
    """Whoever has the file reads what another wrote, and may set it back."""
    ours, theirs = stopwatches(tmp_path / "waits"), stopwatches(tmp_path / "waits")
    theirs[EVENTS] = 1.5
    assert list(ours) == [0.0, 1.5]
    ours[EVENTS] = 0.0
    assert list(theirs) == [0.0, 0.0]


def test_a_loop_that_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A callback that keeps the loop for 30 ms is seen by the timer that was due behind it."""
    longest = stopwatches(tmp_path / "waits")
    monkeypatch.setattr(uvloop, "new_event_loop", uvloop.new_event_loop)
    watch_loops(longest)
    loop = uvloop.new_event_loop()

    def keep() -> None:
        until = time.monotonic() + 0.03
        while time.monotonic() < until:
            pass
        loop.call_soon(end)

    def end() -> None:
        loop.stop() if longest[LOOP] else loop.call_soon(end)

    loop.call_soon(keep)
    loop.run_forever()
    loop.close()
    assert longest[LOOP] > 0.02


class Front:
    """Stands for native's: events in order, then None."""

    def __init__(self) -> None:
        self._batches: list[list[int] | None] = [[1], [2, 3], None]

    bound_port = 8500

    def recv_batch_details(self, most: int, wait_ms: int) -> list[int] | None:
        return self._batches.pop(0)


def test_a_watched_front_answers_as_the_front(tmp_path: Path) -> None:
    """Everything goes through, and the time between two readings is kept."""
    longest = stopwatches(tmp_path / "waits")
    front = WatchedFront(longest, Front())
    assert front.bound_port == 8500
    assert front.recv_batch_details(64, 1000) == [1]
    assert longest[EVENTS] == 0.0
    assert [front.recv_batch_details(64, 1000) for _ in range(2)] == [[2, 3], None]
    assert longest[EVENTS] > 0.0
