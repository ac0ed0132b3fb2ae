"""Heads that the lane takes: what aiohttp's parser makes of them is the same, and no other head is taken."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpProcessingError, HttpRequestParser
from hypothesis import given
from hypothesis import strategies as st

from serving.errors import ServingError
from serving.inference.context import RequestContext
from serving.rest.answer import JSON
from serving.rest.api import tfs_paths
from serving.rest.connection.heads import LARGEST_HEAD, Head, Heads, may_become_plain
from serving.rest.endpoint import Endpoint
from tests.support.properties import examples

LARGEST_BODY = 1000
NAMES = (
    "Host",
    "content-length",
    "Content-Type",
    "connection",
    "Accept",
    "X-Any",
    "X_y",
    "Transfer-Encoding",
    "Expect",
)
VALUES = (
    "",
    "x",
    "5",
    "05",
    "1001",
    "close",
    "Keep-Alive",
    "a, b",
    "application/json",
    "application/x-npz",
    "\t",
    "\x7f",
)


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def heads(asked: list[Any] | None = None) -> Heads:
    def find(method: str, path: str, headers: Mapping[str, str]) -> Endpoint | None:
        if asked is not None:
            asked.append((method, path, headers))
        try:
            return Endpoint(tfs_paths.match(method, path).name, echo, JSON)
        except ServingError:
            return None

    return Heads(find, LARGEST_BODY)


def echo(body: bytes, context: RequestContext) -> bytes:
    """What answers every request."""
    return body


FIELDS = st.lists(
    st.builds("{}:{}{}{}\r\n".format, *map(st.sampled_from, (NAMES, ("", " ", "  "), VALUES, ("", " ")))), max_size=4
)
BLANKS = st.sampled_from(("", " ", "  "))
MINOR = st.sampled_from("1110")
TARGETS = st.sampled_from(("/v1/models/m:predict", "/v1/models/%41/versions/3:regress", "/v1/models/a'b:predict"))


@st.composite
def written(draw: st.DrawFn) -> bytes:
    """A head, often a plain one; sometimes some of its bytes are others."""
    fields = "".join([f"Host: h\r\nContent-Length: 5{draw(BLANKS)}\r\n", *draw(FIELDS)])
    data = f"POST {draw(TARGETS)} HTTP/1.{draw(MINOR)}\r\n{fields}\r\n".encode()
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.integers(0, len(data) - 1))
        data = data[:place] + draw(st.binary(max_size=2)) + data[place + draw(st.integers(0, 2)) :]
    return data


@examples(500)
@given(data=written())
def test_aiohttp_reads_the_same(loop: asyncio.AbstractEventLoop, data: bytes) -> None:
    """Target, length, fields and the wish to close are those that aiohttp's parser finds, and it finds one request."""
    head = heads().read(data)
    if head is not None:
        ((message, _),) = parsed(loop, data)
        assert (message.method, message.path, message.version) == (
            "POST",
            head.path,
            (1, 0 if head.old_protocol else 1),
        )
        assert int(message.headers["Content-Length"]) == head.length
        assert {name.lower(): value for name, value in message.headers.items()} == head.headers
        assert (message.should_close, message.chunked, message.upgrade) == (not head.keep_alive, False, False)


@examples(500)
@given(data=written())
def test_beginning_that_cannot_become_plain_is_told(loop: asyncio.AbstractEventLoop, data: bytes) -> None:
    """Every beginning of a plain head may become one; none that aiohttp refuses outright may."""
    plain = heads().read(data) is not None
    for end in range(len(data)):
        if plain:
            assert may_become_plain(data[:end])
        elif may_become_plain(data[:end]):
            parsed(loop, data[:end])


def parsed(loop: asyncio.AbstractEventLoop, data: bytes) -> Any:
    """What aiohttp's parser makes of some bytes. HttpProcessingError if it refuses them."""
    return HttpRequestParser(BaseProtocol(loop), loop, 2**16).feed_data(data)[0]


def test_refused_heads_are_refused_here(loop: asyncio.AbstractEventLoop) -> None:
    """The parser that these tests compare with does refuse."""
    with pytest.raises(HttpProcessingError):
        parsed(loop, b"POST / HTTP/1.1\r\nContent-Length: 5x\r\n\r\n")


@pytest.mark.parametrize(
    ("length", "plain"), [(LARGEST_BODY, True), (LARGEST_BODY + 1, False)], ids=["largest", "larger"]
)
def test_body_up_to_the_limit(length: int, plain: bool) -> None:
    """A body that is too large for the lane is announced by its head."""
    data = b"POST /v1/models/m:predict HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % length
    assert (heads().read(data) is not None) == plain


def test_heads_are_remembered() -> None:
    """The same bytes are not read twice; what answers them is found by method, path and fields."""
    asked: list[Any] = []
    made = heads(asked)
    data = b"POST /v1/models/m/versions/7:predict HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n"
    expected = Head(
        "/v1/models/m/versions/7:predict",
        Endpoint("m", echo, JSON),
        5,
        True,
        {"host": "h", "content-length": "5"},
        written=data,
    )
    assert made.read(data) == expected
    assert made.known == {data: expected}
    assert asked == [("POST", expected.path, expected.headers)]


def test_memory_is_bounded() -> None:
    """Heads that never come back do not pile up, and a long one is not read at all."""
    made = heads()
    for number in range(3000):
        assert made.read(b"POST /v1/models/m%d:predict HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n" % number)
    assert 0 < len(made.known) <= 1024
    filler = b"X: " + b"x" * LARGEST_HEAD
    assert (
        made.read(b"POST /v1/models/m:predict HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n%b\r\n\r\n" % filler) is None
    )
