"""Connections that break the rules, break off, or are many: the server refuses what it must and answers the others."""

import gzip
import socket
import zlib
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import grpc
import pytest

from serving.protos import PredictResponse
from tests.server.doors.clients import GrpcClient, RefusedError, Target, floats, predict_request
from tests.server.doors.conftest import Servers, carried_by
from tests.support.frames import (
    CANCEL,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    NO_WINDOW,
    PING,
    PREDICT,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Http2Connection,
    call,
    call_headers,
    frame,
    framed,
    header,
)
from tests.support.server_process import ServerProcess, wait_until

TARGET = Target(model="half_plus_three")
ONE = predict_request(TARGET, {"x": floats(1)})
WAIT = Target(model="slow", signature="wait")
IDLE = 500
STALLED = 20
MANY = 1500
OPENED = 3000
MORE_WINDOW = (1_000_000).to_bytes(4, "big")


pytestmark = pytest.mark.usefixtures("others_are_answered")


@pytest.fixture(scope="module", params=["grpcio", "native", "tls"])
def transport(request: pytest.FixtureRequest) -> str:
    """Also the native transport behind TLS."""
    return str(request.param)


@pytest.fixture(scope="module")
def server(transport: str, servers: Servers) -> ServerProcess:
    return servers(transport)


def answer(connection: Http2Connection, stream: int) -> bytes:
    """The message on a stream, empty if the call was refused."""
    return b"".join(each.payload for each in connection.ended(stream) if each.kind == DATA)[5:]


def is_right(data: bytes) -> bool:
    return list(PredictResponse.FromString(data).outputs["y"].float_val) == [3.5]


def descriptors(server: ServerProcess) -> int:
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(PREFACE[:10], id="half a preface"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", id="HTTP/1.1"),
        pytest.param(b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + b"\x11" * 160, id="TLS"),
        pytest.param(b"\xff" * 1000, id="noise"),
        pytest.param(PREFACE + b"\xff" * 1000, id="noise behind a preface"),
    ],
)
def test_what_is_no_http2_ends_the_connection(server: ServerProcess, data: bytes) -> None:
    """The server closes it once its client sends no more, and says nothing but HTTP/2."""
    with socket.create_connection(("127.0.0.1", int(server.grpc_port)), 30) as connection:
        connection.sendall(data)
        try:
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(1 << 16):
                pass
        except OSError:
            pass  # a reset is an end as well


@pytest.mark.parametrize(
    ("data", "others"),
    [
        pytest.param(framed(ONE, 1), {}, id="compressed without saying how"),
        pytest.param(framed(ONE, 1), {"grpc_encoding": "gzip"}, id="not what gzip makes"),
        pytest.param(framed(gzip.compress(ONE)[:-9], 1), {"grpc_encoding": "gzip"}, id="gzip cut off"),
        pytest.param(framed(ONE, 1), {"grpc_encoding": "snappy"}, id="unknown encoding"),
        pytest.param(b"", {}, id="no message"),
        pytest.param(framed(ONE)[:3], {}, id="half a length"),
        pytest.param(framed(ONE)[:-3], {}, id="cut message"),
        pytest.param(b"\0\xff\xff\xff\xff" + ONE, {}, id="4 GB announced"),
        pytest.param(framed(ONE), {"grpc_timeout": "0S"}, id="deadline passed"),
    ],
)
def test_call_framed_wrong_is_refused_alone(server: ServerProcess, data: bytes, others: dict[str, str]) -> None:
    """Its stream ends without an answer, and the next one on the connection is answered."""
    with Http2Connection(server.grpc_port) as connection:
        connection.send(call(1, data, **others))
        assert answer(connection, 1) == b""
        connection.send(call(3, framed(ONE)))
        assert is_right(answer(connection, 3))


def test_compressed_requests(server: ServerProcess) -> None:
    """gzip is understood, as every gRPC server does."""
    with server.channel() as channel:
        data = channel.unary_unary(PREDICT)(ONE, compression=grpc.Compression.Gzip, timeout=30)
    assert is_right(data)


def test_deflate(transport: str, server: ServerProcess) -> None:
    """The native transport does not know it, and says so in a way that clients understand."""
    with Http2Connection(server.grpc_port) as connection:
        connection.send(call(1, framed(zlib.compress(ONE), 1), grpc_encoding="deflate"))
        data = answer(connection, 1)
    assert data == b"" if transport != "grpcio" else is_right(data)


@pytest.mark.parametrize("size", [6_000, 17_000, 40_000, 1_000_000], ids=str)
def test_metadata_without_end_is_refused(server: ServerProcess, size: int) -> None:
    """16 KiB are taken, more is an error of the call, and the channel stays good."""
    with server.channel() as channel:
        predict = channel.unary_unary(PREDICT)
        if size < 16_384:
            assert is_right(predict(ONE, metadata=[("key", "v" * size)], timeout=30))
        else:
            with pytest.raises(grpc.RpcError):
                predict(ONE, metadata=[("key", "v" * size)], timeout=30)

        def is_good() -> bool:
            try:
                return is_right(predict(ONE, timeout=30, wait_for_ready=True))
            except grpc.RpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
                return False  # the client is still closing the other connection

        wait_until("the channel is good again", is_good)


def test_client_that_goes_away_politely(server: ServerProcess) -> None:
    """GOAWAY ends a connection after its calls, which are still answered."""
    with Http2Connection(server.grpc_port) as connection:
        connection.send(call(1, framed(ONE)) + frame(GOAWAY, payload=bytes(8)))
        assert is_right(answer(connection, 1))


def test_idle_connection_answers_pings(server: ServerProcess) -> None:
    """Keepalive of clients finds the server alive."""
    with Http2Connection(server.grpc_port) as connection:
        assert connection.answers_ping()


def _continued_without_end() -> bytes:
    part = frame(CONTINUATION, 0, 1, header("x", "y" * 10_000))
    return frame(HEADERS, 0, 1, call_headers()) + part * 500


FLOODS: dict[str, Callable[[], bytes]] = {
    "settings": lambda: frame(SETTINGS) * 20_000,
    "pings": lambda: frame(PING, payload=b"12345678") * 20_000,
    "data of no call": lambda: frame(DATA, 0, 1, b"x" * 100) * 1000,
    "windows beyond the limit": lambda: frame(WINDOW_UPDATE, payload=b"\x7f\xff\xff\xff") * 1000,
    "a header without end": _continued_without_end,
}


@pytest.mark.parametrize("flood", FLOODS)
def test_flood_disturbs_nobody_else(server: ServerProcess, bystander: GrpcClient, flood: str) -> None:
    """While a client floods its connection others are answered; it may be cut off, or told to slow down."""
    with Http2Connection(server.grpc_port) as connection:
        connection.send(FLOODS[flood]())
        assert bystander.predict(TARGET, {"x": floats(1)})["y"].tolist() == [3.5]


def _reset_at_once(stream: int) -> bytes:
    return call(stream, framed(ONE)) + frame(RST_STREAM, 0, stream, CANCEL)


def _without_a_message(stream: int) -> bytes:
    return frame(HEADERS, END_HEADERS, stream, call_headers())


@pytest.mark.parametrize("transport", ["native", "tls"], indirect=True)
@pytest.mark.parametrize("begin", [_reset_at_once, _without_a_message])
def test_calls_that_are_none(server: ServerProcess, bystander: GrpcClient, begin: Callable[[int], bytes]) -> None:
    """They end in the front. With grpcio each holds a thread until it ends, and others may be refused meanwhile."""
    with Http2Connection(server.grpc_port) as connection:
        connection.send(b"".join(begin(stream) for stream in range(1, 2 * OPENED, 2)))
        assert bystander.predict(TARGET, {"x": floats(1)})["y"].tolist() == [3.5]


def test_clients_that_do_not_read(server: ServerProcess, bystander: GrpcClient) -> None:
    """Their answers wait for them and hold up nobody; each gets its own once it reads."""
    with ExitStack() as stack:
        stalled = [stack.enter_context(Http2Connection(server.grpc_port, NO_WINDOW)) for _ in range(STALLED)]
        for connection in stalled:
            connection.send(call(1, framed(ONE)))
        assert bystander.predict(TARGET, {"x": floats(1)})["y"].tolist() == [3.5]
        for connection in stalled:
            connection.send(frame(WINDOW_UPDATE, 0, 1, MORE_WINDOW))
        assert all(is_right(answer(connection, 1)) for connection in stalled)


def test_many_calls_of_one_client(bystander: GrpcClient) -> None:
    """More than the streams that a connection may have: the others wait for their turn, and all are answered."""
    method = bystander.channel.unary_unary("/tensorflow.serving.ModelService/GetModelStatus")
    calls = [method.future(b"\x0a\x11\x0a\x0fhalf_plus_three", timeout=60) for _ in range(MANY)]
    assert len({bytes(each.result()) for each in calls}) == 1


def test_idle_connections(server: ServerProcess, bystander: GrpcClient) -> None:
    """Hundreds that do nothing cost their descriptors, which are given back when they close."""
    bystander.predict(TARGET, {"x": floats(1)})
    before = descriptors(server)
    with ExitStack() as stack:
        idle = [stack.enter_context(Http2Connection(server.grpc_port)) for _ in range(IDLE)]
        assert all(connection.answers_ping() for connection in idle)
        assert descriptors(server) >= before + IDLE
        assert bystander.predict(TARGET, {"x": floats(1)})["y"].tolist() == [3.5]
    wait_until("the descriptors are given back", lambda: descriptors(server) <= before)


def _reset(connection: Http2Connection) -> None:
    connection.reset()


def _close(connection: Http2Connection) -> None:
    connection.socket.close()


def _half_close(connection: Http2Connection) -> None:
    connection.socket.shutdown(socket.SHUT_WR)


def _cancel(connection: Http2Connection) -> None:
    connection.send(frame(RST_STREAM, 0, 1, CANCEL))


SLOW = framed(predict_request(WAIT, {"ms": floats(300)}))
STARTED = frame(HEADERS, END_HEADERS, 1, call_headers()) + frame(DATA, END_STREAM, 1, SLOW)
CUT = frame(HEADERS, END_HEADERS, 1, call_headers()) + frame(DATA, 0, 1, SLOW[:20])
ENDS = {"reset": _reset, "close": _close, "half close": _half_close, "cancel": _cancel}


def test_lost_calls_do_not_hold_up_a_drain(transport: str, model_config: Path, tmp_path: Path) -> None:
    """However a client went away, in the middle of a message or of its call, the server does not wait for it."""
    carrier, trust = carried_by(transport, tmp_path / "config")
    flags = (
        *carrier,
        f"--model_config_file={model_config}",
        "--allow_version_labels_for_unavailable_models",
        "--drain_grace_seconds=600",
    )
    with ServerProcess(flags, trust=trust) as server, ExitStack() as stack:
        client = GrpcClient(server)
        for data in (STARTED, CUT):
            for end in ENDS.values():
                connection = stack.enter_context(Http2Connection(server.grpc_port))
                connection.send(data)
                assert connection.answers_ping()
                end(connection)
        with pytest.raises(RefusedError):
            client.predict(WAIT, {"ms": floats(2000)}, timeout=0.1)
        client.close()
        stack.close()
        server.terminate()
        assert server.wait(30) == 0
    assert "did not finish" not in "".join(server.output)
    assert "Traceback" not in "".join(server.output)
