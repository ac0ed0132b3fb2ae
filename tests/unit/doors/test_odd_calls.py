"""What the gRPC transports take of calls that are not as they should be (docs/compatibility.md, "gRPC")."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from serving.rpc.server import Transport
from serving.rpc.transports.fronted import FrontedTransport
from serving.rpc.transports.grpcio import GrpcioTransport
from tests.support.frames import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PREDICT,
    RST_STREAM,
    Http2Connection,
    call,
    call_headers,
    frame,
    framed,
    header,
)

ASKED = b"hello"
ONE = framed(ASKED)


def headed(fields: bytes, data: bytes = ONE) -> bytes:
    """A call whose headers are given as they are."""
    return frame(HEADERS, END_HEADERS, 1, fields) + frame(DATA, END_STREAM, 1, data)


@pytest.fixture(scope="module")
def transports() -> Iterator[dict[str, Transport]]:
    """Both, with a handler that gives back what it was asked."""
    handlers = {PREDICT: lambda payload, _: payload}
    addresses = ["127.0.0.1:0"]
    native = FrontedTransport(handlers, addresses, max_threads=1, max_request_bytes=10**9, aside={}, services=())
    grpcio = GrpcioTransport(handlers, addresses, max_threads=1, max_request_bytes=10**9)
    with ExitStack() as stack:
        for transport in (native, grpcio):
            transport.start()
            stack.callback(transport.drain, 0, 0)
        yield {"native": native, "grpcio": grpcio}


def outcome(port: int, data: bytes) -> str:
    """What became of a call on stream 1: ``answered``, ``empty`` (no message or none in it), ``reset`` or ``ended``."""
    message = b""
    with Http2Connection(port) as connection:
        connection.send(data)
        for each in connection.frames():
            if each.kind == GOAWAY:
                return "ended"
            if each.stream == 1:
                message += each.payload if each.kind == DATA else b""
                if each.kind == RST_STREAM:
                    return "reset"
                if each.kind in (DATA, HEADERS) and each.flags & END_STREAM:
                    return "answered" if message[5:] == ASKED else "empty" if not message[5:] else "other"
    return "ended"


CASES = {
    "a call": (call(1, ONE), "answered", "answered"),
    "a deadline": (call(1, ONE, grpc_timeout="5S"), "answered", "answered"),
    "a negative deadline": (call(1, ONE, grpc_timeout="-1S"), "answered", "empty"),
    "a deadline in no unit": (call(1, ONE, grpc_timeout="1s"), "answered", "empty"),
    "a deadline with a point": (call(1, ONE, grpc_timeout="1.5S"), "answered", "empty"),
    "another content type": (call(1, ONE, content_type="text/plain"), "answered", "answered"),
    "no content type": (call(1, ONE, content_type=""), "answered", "answered"),
    "no te": (call(1, ONE, te=""), "answered", "reset"),
    "another te": (call(1, ONE, te="gzip"), "reset", "empty"),
    "GET": (call(1, ONE, **{":method": "GET"}), "answered", "reset"),
    "a query": (call(1, ONE, **{":path": f"{PREDICT}?x=1"}), "answered", "empty"),
    "a path without its slash": (call(1, ONE, **{":path": PREDICT[1:]}), "reset", "empty"),
    "an authority of two": (call(1, ONE, **{":authority": "127.0.0.1:1,127.0.0.1:2"}), "reset", "answered"),
    "no authority": (call(1, ONE, **{":authority": ""}), "answered", "reset"),
    "another scheme": (call(1, ONE, **{":scheme": "ftp"}), "answered", "empty"),
    "two paths": (headed(header(":path", PREDICT) + call_headers()), "reset", "answered"),
    "a hop's header": (headed(call_headers(connection="close")), "reset", "answered"),
    "a wrong content-length": (headed(call_headers(content_length="3")), "reset", "answered"),
    "a name in capitals": (headed(call_headers(Key="v")), "ended", "empty"),
    "metadata that is no base64": (headed(call_headers(key_bin="!!!")), "answered", "empty"),
    "an unknown encoding": (call(1, ONE, grpc_encoding="snappy"), "empty", "empty"),
    "an unknown flag": (call(1, framed(ASKED, 2)), "empty", "empty"),
    "bytes behind the message": (call(1, ONE + b"xy"), "empty", "answered"),
    "several messages": (call(1, ONE + framed(b"again")), "answered", "answered"),
    "no message": (call(1, b""), "empty", "empty"),
    "trailers": (
        frame(HEADERS, END_HEADERS, 1, call_headers())
        + frame(DATA, 0, 1, ONE)
        + frame(HEADERS, END_HEADERS | END_STREAM, 1, header("x", "y")),
        "answered",
        "answered",
    ),
    "CONTINUATION alone": (frame(CONTINUATION, END_HEADERS, 1) + call(1, ONE), "ended", "ended"),
}


@pytest.mark.parametrize("transport", ["native", "grpcio"])
@pytest.mark.parametrize("case", CASES)
def test_odd_calls(transports: dict[str, Transport], case: str, transport: str) -> None:
    """A new version of a library that does otherwise is noticed, and so is a row that is no longer true."""
    data, native, grpcio = CASES[case]
    assert outcome(transports[transport].port, data) == (native if transport == "native" else grpcio)
