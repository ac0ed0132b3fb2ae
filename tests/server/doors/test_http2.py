"""HTTP/2 as RFC 9113 has it, at both transports: a table of cases by section, flow control, and floods.

After each the server answers the next client. ``docs/http2.md`` shows the table.
"""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from serving.protos import PredictResponse
from tests.server.doors import http2_table
from tests.server.doors.clients import Target, floats, predict_request
from tests.server.doors.conftest import Servers
from tests.server.doors.http2_sends import CALL, FRAME_SIZE, ONE, WINDOW_SIZE
from tests.server.doors.http2_table import CASES, Case
from tests.support.frames import framed
from tests.support.http2 import Peer
from tests.support.server_process import ServerProcess

TARGET = Target(model="half_plus_three")
MANY = 60_000
"""Floats of a large answer, which has four bytes of each."""
LARGEST_FRAME = 2**14
DEFAULT_WINDOW = 2**16 - 1
MOST_GROWTH = 200 * 2**20
"""Bytes of memory that a flood of a few megabytes may leave behind."""


pytestmark = pytest.mark.usefixtures("others_are_answered")


@pytest.fixture(scope="module")
def server(transport: str, servers: Servers) -> ServerProcess:
    return servers(transport)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.section} {case.name}")
def test_case(transport: str, server: ServerProcess, case: Case) -> None:
    """What comes of it is what the table says."""
    with Peer(server.grpc_port, preface=case.preface) as peer:
        case.send(peer)
        found = http2_table.outcome(peer, case)
    # Which of two frames a library reads first may differ; what the RFC demands is always right.
    assert found == case.rfc or http2_table.is_as_expected(found, case.does(transport)), found


def test_settings_are_acknowledged(server: ServerProcess) -> None:
    """Section 6.5.3: each SETTINGS frame gets an ACK, maybe behind what came after it; the server's own come first."""
    with Peer(server.grpc_port) as peer:
        peer.send(SettingsFrame(0, {WINDOW_SIZE: 1000}))
        assert peer.read_until_ping()
        while len(acknowledgements(peer)) < 2:
            assert peer.next_frame() is not None
        assert peer.read_until_ping()
    settings = [frame for frame in peer.seen if isinstance(frame, SettingsFrame)]
    assert "ACK" not in settings[0].flags
    assert len(acknowledgements(peer)) == 2


def acknowledgements(peer: Peer) -> list[Frame]:
    """Those of SETTINGS that have come."""
    return [frame for frame in peer.seen if isinstance(frame, SettingsFrame) and "ACK" in frame.flags]


def test_pings_are_echoed(server: ServerProcess) -> None:
    """Section 6.7: with an ACK and the same bytes."""
    with Peer(server.grpc_port) as peer:
        peer.send(PingFrame(0, b"\0\xffany-by"))
        assert peer.read_until_ping()
    echoed = [frame.opaque_data for frame in peer.seen if isinstance(frame, PingFrame) and "ACK" in frame.flags]
    assert b"\0\xffany-by" in echoed


def large_call(peer: Peer, stream: int = 1) -> None:
    """A call whose answer has a quarter of a megabyte."""
    message = framed(predict_request(TARGET, {"x": floats(*[1.0] * MANY)}))
    parts = [message[at : at + LARGEST_FRAME] for at in range(0, len(message), LARGEST_FRAME)]
    peer.send(peer.request(stream, CALL))
    sent = 0
    for part in parts:
        while sent + len(part) > room(peer, stream):
            assert peer.next_frame() is not None
        peer.send(DataFrame(stream, part, flags=["END_STREAM"] if part is parts[-1] else []))
        sent += len(part)


def room(peer: Peer, stream: int) -> int:
    """Bytes of DATA that a client may have sent on its only stream."""
    return min(DEFAULT_WINDOW + granted(peer, 0), start_window(peer) + granted(peer, stream))


def granted(peer: Peer, stream: int) -> int:
    """Bytes by which the server has enlarged a window."""
    return sum(
        frame.window_increment
        for frame in peer.seen
        if isinstance(frame, WindowUpdateFrame) and frame.stream_id == stream
    )


def start_window(peer: Peer) -> int:
    """The server's window for each stream, as its last settings have it."""
    windows = [frame.settings.get(WINDOW_SIZE) for frame in peer.seen if isinstance(frame, SettingsFrame)]
    return next((window for window in reversed(windows) if window is not None), DEFAULT_WINDOW)


def is_large_answer(data: bytes) -> bool:
    return len(PredictResponse.FromString(data[5:]).outputs["y"].float_val) == MANY


def test_window_of_a_stream_is_respected(server: ServerProcess) -> None:
    """Section 6.9: no more DATA than the client has allowed, and the rest once it allows more."""
    with Peer(server.grpc_port, settings={WINDOW_SIZE: 1000}) as peer:
        large_call(peer)
        read_data(peer, 1, 1000)
        assert peer.read_until_ping()
        assert len(peer.data(1)) == 1000
        peer.send(WindowUpdateFrame(1, 5000), WindowUpdateFrame(0, 10**6))
        read_data(peer, 1, 6000)
        assert peer.read_until_ping()
        assert len(peer.data(1)) == 6000
        peer.send(WindowUpdateFrame(1, 10**6))
        peer.read_until_end(1)
    assert is_large_answer(peer.data(1))


def test_window_of_the_connection_is_respected(server: ServerProcess) -> None:
    """Section 6.9.1: whatever the windows of its streams are."""
    with Peer(server.grpc_port, settings={WINDOW_SIZE: 10**6}) as peer:
        large_call(peer)
        read_data(peer, 1, DEFAULT_WINDOW)
        assert peer.read_until_ping()
        assert len(peer.data(1)) == DEFAULT_WINDOW
        peer.send(WindowUpdateFrame(0, 10**6))
        peer.read_until_end(1)
    assert is_large_answer(peer.data(1))


def test_smaller_window_in_the_middle(server: ServerProcess) -> None:
    """Section 6.9.2: a setting takes a window below zero, and nothing comes before it is above again."""
    with Peer(server.grpc_port, settings={WINDOW_SIZE: 20_000}) as peer:
        large_call(peer)
        read_data(peer, 1, 20_000)
        peer.send(SettingsFrame(0, {WINDOW_SIZE: 5000}), WindowUpdateFrame(1, 10_000))
        assert peer.read_until_ping()
        assert len(peer.data(1)) == 20_000
        peer.send(WindowUpdateFrame(1, 6000))
        read_data(peer, 1, 21_000)
        assert peer.read_until_ping()
        assert len(peer.data(1)) == 21_000


@pytest.mark.parametrize("size", [0, 2**15], ids=["the default", "larger"])
def test_frames_are_no_larger_than_allowed(server: ServerProcess, size: int) -> None:
    """Section 4.2: of the server's DATA, whose size the client's setting bounds."""
    settings = {WINDOW_SIZE: 2**30} | ({FRAME_SIZE: size} if size else {})
    with Peer(server.grpc_port, settings=settings) as peer:
        peer.send(WindowUpdateFrame(0, 2**30))
        large_call(peer)
        peer.read_until_end(1)
    assert is_large_answer(peer.data(1))
    sizes = [len(frame.data) for frame in peer.seen if isinstance(frame, DataFrame)]
    assert max(sizes) <= (size or LARGEST_FRAME)


def read_data(peer: Peer, stream: int, size: int) -> None:
    """Read until so much has come on a stream."""
    while len(peer.data(stream)) < size:
        assert peer.next_frame() is not None


def _reset_at_once(peer: Peer) -> list[Frame]:
    return [
        frame
        for stream in range(1, 4000, 2)
        for frame in (
            peer.request(stream, CALL),
            DataFrame(stream, ONE, flags=["END_STREAM"]),
            RstStreamFrame(stream, 8),
        )
    ]


def _headers_without_end(peer: Peer) -> list[Frame]:
    block = peer.encoder.encode([("x-any", "v" * 8000)])
    return [HeadersFrame(1, block), *[ContinuationFrame(1, block)] * 1000]


def _continuations_of_nothing(peer: Peer) -> list[Frame]:
    return [HeadersFrame(1, b""), *[ContinuationFrame(1, b"")] * 100_000]


FLOODS: dict[str, Callable[[Peer], list[Frame]]] = {
    "rapid reset": _reset_at_once,
    "a header block without end": _headers_without_end,
    "empty continuations": _continuations_of_nothing,
    "settings": lambda peer: [SettingsFrame(0, {WINDOW_SIZE: 1000})] * 50_000,
    "pings": lambda peer: [PingFrame(0, b"12345678")] * 50_000,
    "windows of a byte": lambda peer: [WindowUpdateFrame(0, 1)] * 50_000,
    "empty data": lambda peer: [peer.request(1, CALL), *[DataFrame(1, b"")] * 50_000],
    "one header again and again": lambda peer: [
        peer.request(stream, [*CALL, ("x-any", "v" * 4000)], "END_STREAM") for stream in range(1, 4000, 2)
    ],
}


def resident(server: ServerProcess) -> int:
    """The server's memory in bytes."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024


@pytest.mark.parametrize("flood", FLOODS)
def test_flood_is_bounded(server: ServerProcess, flood: str) -> None:
    """Sections 10.5 and 10.5.1: its connection may go on or end, the memory does not grow, and others are answered."""
    before = resident(server)
    with Peer(server.grpc_port) as peer:
        peer.send(*FLOODS[flood](peer))
        peer.read_until_ping()
        assert resident(server) - before < MOST_GROWTH
