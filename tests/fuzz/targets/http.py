"""Heads of requests by both of their readers, bodies in pieces, the path grammar, and headers that name forms."""

import asyncio
import atexit
from collections.abc import Mapping
from random import Random
from typing import Any
from urllib.parse import unquote_to_bytes

from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpRequestParser, RawRequestMessage

from serving.errors import ServingError
from serving.inference.context import RequestContext
from serving.rest import media
from serving.rest.answer import JSON
from serving.rest.api import tfs_paths
from serving.rest.connection.heads import Heads, may_become_plain
from serving.rest.connection.parser import BoundedParser
from serving.rest.endpoint import Endpoint
from serving.rest.target import path_of
from tests.fuzz.drawing import chance, mutated
from tests.fuzz.target import Target, unless_refused

_DAMAGED = 10
"""In a hundred."""
_LARGEST_BODY = 100_000
_LARGEST_HEAD = 2**16
_LOOP = asyncio.new_event_loop()
atexit.register(_LOOP.close)
_NAMES = ("m", "model", "a-b", "%41", "%2F", "a%20b", "%ff", "ü", "x.y", "1")
_METHODS = (*("predict",) * 6, "classify", "regress", "Predict", "metadata", "")
_FIELDS = (
    "Content-Type: application/json",
    "Content-Type: application/x-npy",
    "Accept: */*",
    "Accept: text/html;q=0.3, application/x-protobuf",
    "Connection: keep-alive",
    "Connection: close",
    "User-Agent: python/3",
    "X-Any: ",
    "Expect: 100-continue",
    "Transfer-Encoding: chunked",
    "Content-Encoding: gzip",
    "content-length: 5",
    "Upgrade: h2c",
)


def _path(random: Random) -> str:
    path = f"/v1/models/{random.choice(_NAMES)}"
    match random.randrange(6):
        case 0:
            path += f"/versions/{random.choice((0, 1, 7, 12, 2**63 - 1, 2**63, '007'))}"
        case 1:
            path += f"/labels/{random.choice(_NAMES)}"
        case _:
            pass
    if chance(random, 5):
        return path + random.choice(("/metadata", "/METADATA", "/metadata/", "?a=b", "#x"))
    return f"{path}:{random.choice(_METHODS)}"


def _request(random: Random) -> bytes:
    body = b'{"instances": [1.0]}' * random.choice((0, 1, 1, 3))
    fields = ["Host: localhost", *random.sample(_FIELDS[:8], random.randrange(3))]
    if chance(random, 10):
        fields.append(random.choice(_FIELDS))
    chunked = chance(random, 15)
    fields.append("Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}")
    if chunked:
        pieces = [body[:7], body[7:]]
        body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece) + b"0\r\n\r\n"
    minor = 0 if chance(random, 10) and not chunked else 1
    return f"POST {_path(random)} HTTP/1.{minor}\r\n".encode() + "\r\n".join([*fields, "", ""]).encode() + body


def _connection(random: Random) -> bytes:
    data = b"".join([_request(random) for _ in range(random.choice((1, 1, 1, 2, 3)))])
    if chance(random, 10):
        data = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n" + data
    return mutated(random, data) if chance(random, _DAMAGED) else data


def _head(random: Random) -> bytes:
    data = _request(random).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    return mutated(random, data) if chance(random, _DAMAGED) else data


def _echo(body: bytes, context: RequestContext) -> bytes:
    return body


def _find(method: str, path: str, headers: Mapping[str, str]) -> Endpoint | None:
    try:
        return Endpoint(tfs_paths.match(method, path).name, _echo, JSON)
    except ServingError:
        return None


def _check_head(data: bytes) -> bool:
    """A head that the lane takes is one request for aiohttp's parser, and means the same; so may its beginnings."""
    data = data[:5000]
    head = Heads(_find, _LARGEST_BODY).read(data)
    if head is None:
        for end in range(0, len(data), 7):
            may_become_plain(data[:end])
        return False
    ((message, _),) = HttpRequestParser(BaseProtocol(_LOOP), _LOOP, 2**16).feed_data(data)[0]
    assert (message.method, message.path, message.version) == ("POST", head.path, (1, 0 if head.old_protocol else 1))
    assert int(message.headers["Content-Length"]) == head.length
    assert {name.lower(): value for name, value in message.headers.items()} == head.headers
    assert (message.should_close, message.chunked, message.upgrade) == (not head.keep_alive, False, False)
    assert all(may_become_plain(data[:end]) for end in range(0, len(data), 5))
    return True


def _check_connection(data: bytes) -> bool:
    """Requests on a connection are the same however the bytes come in pieces; what is refused is refused as HTTP is."""
    whole, is_refused = _parsed([data])
    sizes = Random(len(data))
    pieces, at = [], 0
    while at < len(data):
        size = sizes.choice((1, 2, 7, 100, 1000))
        pieces.append(data[at : at + size])
        at += size
    in_pieces, refused_in_pieces = _parsed(pieces)
    if not is_refused and len(data) <= _LARGEST_HEAD:  # beyond, blank lines that come by and by are a head without end
        assert not refused_in_pieces
        assert in_pieces == whole
    return not is_refused and bool(whole)


def _parsed(pieces: list[bytes]) -> tuple[list[tuple[object, ...]], bool]:
    """What is found, and whether something is refused."""
    parser = BoundedParser(HttpRequestParser(BaseProtocol(_LOOP), _LOOP, 2**16), _LARGEST_HEAD)
    found: list[tuple[Any, Any]] = []
    try:
        for piece in pieces:
            messages, upgraded, _ = parser.feed_data(piece)
            found.extend(messages)
            if upgraded:
                break
    except HttpProcessingError:
        return [], True
    if any(not isinstance(message, RawRequestMessage) or payload.exception() for message, payload in found):
        return [], True
    return [_shown(message, payload) for message, payload in found], False


def _shown(message: Any, payload: Any) -> tuple[object, ...]:
    head = (message.method, message.path, message.version, message.raw_headers, message.should_close, message.upgrade)
    return *head, payload.read_nowait(), payload.is_eof()


def _route(random: Random) -> bytes:
    method = random.choice(("POST", "POST", "POST", "GET", "GET", "PUT"))
    path = _path(random)
    if method == "GET":
        path = random.choice(("/v1/models", path.rpartition(":")[0] + random.choice(("", "/metadata"))))
    data = f"{method} {path}".encode("utf-8", "surrogateescape")
    return mutated(random, data) if chance(random, _DAMAGED) else data


def _check_route(data: bytes) -> bool:
    method, _, target = data.decode("latin-1").partition(" ")
    path = path_of(target)
    assert path is None or target.endswith(path)
    route = unless_refused(lambda: tfs_paths.match(method, path or ""))
    name = tfs_paths.name_in(method, path or "")
    if route is None:
        return False
    assert route.name == name
    assert tfs_paths.is_api(path or "")
    if name:  # which the grammar of TensorFlow Serving can do without
        written = (path or "").split("/")[3].split(":")[0]
        assert name.encode("utf-8", "surrogateescape") == unquote_to_bytes(written)
    assert route.version is None or 0 <= route.version < 2**63
    assert route.method in ("", "predict", "classify", "regress", "metadata")
    return True


def _forms(random: Random) -> bytes:
    types = (
        "application/json",
        "application/x-npz",
        "application/x-protobuf; a=b",
        "*/*",
        "application/*",
        "text/html",
    )
    ranges = [
        random.choice(types) + random.choice(("", ";q=0.5", "; q=1.000", ";q=0", ";q=x"))
        for _ in range(random.choice((0, 1, 1, 3, 100)))
    ]
    data = f"{random.choice(types)}\n{','.join(ranges)}".encode()
    return mutated(random, data) if chance(random, _DAMAGED) else data


def _check_forms(data: bytes) -> bool:
    content_type, _, accept = data.decode("latin-1").partition("\n")
    asked = media.forms(content_type, accept)
    assert asked.request in media.Form
    assert asked.answer in media.Form
    assert media.forms(content_type, "").answer is asked.request
    return True


TARGETS = (
    Target(
        name="http.head",
        promise="a head that the lane takes is what aiohttp's parser makes of it",
        make=_head,
        check=_check_head,
        seeds=(b"POST /v1/models/m:predict HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n",),
    ),
    Target(
        name="http.connection",
        promise="the same requests in pieces as at once, or an HTTP status",
        make=_connection,
        check=_check_connection,
        seeds=(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",),
    ),
    Target(
        name="http.path",
        promise="a model, and what is asked of it, or INVALID_ARGUMENT",
        make=_route,
        check=_check_route,
        seeds=(b"POST /v1/models/m/versions/1:predict", b"GET /v1/models/m/labels/stable/metadata"),
    ),
    Target(
        name="http.forms",
        promise="one of the known forms for a body and for its answer",
        make=_forms,
        check=_check_forms,
        seeds=(b"application/x-npy\napplication/json;q=0.5, */*;q=0.1",),
    ),
)
