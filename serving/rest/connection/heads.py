"""Heads of plain small requests, each read once: clients repeat theirs byte for byte.

Not an HTTP parser: a head that is in any way unusual is left to aiohttp's.
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from serving.inference.call import Reply
from serving.inference.context import RequestContext
from serving.rest import media
from serving.rest.endpoint import Endpoint
from serving.rest.target import path_of

BLANK_LINE = b"\r\n\r\n"
LARGEST_HEAD = 4096
"""In bytes; what most servers allow a head is twice that."""

_MOST_KNOWN = 1024
_START = b"POST /v1/models/"
_FIELDS = rb"(?:[A-Za-z0-9_-]+:[ -~]*\r\n)*"
_HEAD = re.compile(rb"POST (/v1/models/[!-~]+) HTTP/1\.([01])\r\n(" + _FIELDS + rb")\r\n")
_VERSION = [re.escape(b"%c" % byte) for byte in b" HTTP/1."] + [b"[01]", b"\r"]
_ANY_OF_VERSION = b"".join(b"(?:" + byte for byte in _VERSION) + b")?" * len(_VERSION)
_BEGINNING = re.compile(
    rb"POST /v1/models/(?:[!-~]*" + _ANY_OF_VERSION + rb"|[!-~]+ HTTP/1\.[01]\r\n"
    rb"(" + _FIELDS + rb")(?:([A-Za-z0-9_-]*)|([A-Za-z0-9_-]+):([ -~]*)\r?|\r))"
)
_LENGTH = re.compile(rb"0|[1-9][0-9]{0,8}")
_DIGITS = re.compile(rb" *[0-9]* *")

_NOT_PLAIN = frozenset(
    (b"content-encoding", b"expect", b"proxy-connection", b"sec-websocket-key1", b"transfer-encoding", b"upgrade")
)
_CONNECTION = {
    (b"1", b""): True,
    (b"1", b"keep-alive"): True,
    (b"1", b"close"): False,
    (b"0", b""): False,
    (b"0", b"keep-alive"): True,
    (b"0", b"close"): False,
}
"""Whether a connection stays open, by the minor version and what the client says of it."""


class Head(NamedTuple):
    """The path as sent and what answers it, the size of the body in bytes, the fields by lower-case name.

    With ``old_protocol`` the version is HTTP/1.0, as proxies have it by default. ``written`` is all of it; ``lines``
    are those that every answer to it has.
    """

    path: str
    endpoint: Endpoint
    length: int
    keep_alive: bool
    headers: Mapping[str, str]
    old_protocol: bool = False
    written: bytes = b""
    lines: bytes = b""

    @property
    def again(self) -> "Again | None":
        """What answers further requests with this head; None if the connection ends behind each, or by its version."""
        if not self.keep_alive or self.old_protocol:
            return None
        call, content_type = self.endpoint.call, self.endpoint.content_type
        return self.written, len(self.written) + self.length, call, content_type, self.lines, self


Again = tuple[bytes, int, Callable[[bytes, RequestContext], Reply], bytes, bytes, Head]
"""A head as it is written, the size of a request with it, what answers those, with which content type and lines; the
head."""


class Heads:
    """The heads of one door. ``find`` gives what answers a method, path and headers; None leaves it to the road.

    ``lines`` gives the header lines of the answers, for the headers of a request. ``known`` maps the bytes of a head,
    blank line included, to what they mean; it is bounded. ``largest_body`` is in bytes.
    """

    def __init__(
        self,
        find: Callable[[str, str, Mapping[str, str]], Endpoint | None],
        largest_body: int,
        lines: Callable[[Mapping[str, str]], bytes] = lambda _: b"",
    ) -> None:
        self.known: dict[bytes, Head] = {}
        self._find = find
        self._lines = lines
        self._largest_body = largest_body

    def read(self, data: bytes) -> Head | None:
        """A complete head; None if it is not plain."""
        match = _HEAD.fullmatch(data) if len(data) <= LARGEST_HEAD else None
        fields = _plain_fields(match[3]) if match else None
        if match is None or fields is None or b"host" not in fields:
            return None
        length = _length(fields)
        keep_alive = _CONNECTION.get((match[2], fields.get(b"connection", b"").lower()))
        if keep_alive is None or length is None or length > self._largest_body:
            return None
        headers = MappingProxyType({name.decode(): value.decode("latin-1") for name, value in fields.items()})
        endpoint = self._endpoint(match[1].decode(), headers)
        if endpoint is None:
            return None
        if len(self.known) >= _MOST_KNOWN:
            self.known.clear()  # the heads in use are back at once
        old_protocol, lines = match[2] == b"0", self._lines(headers)
        head = Head(match[1].decode(), endpoint, length, keep_alive, headers, old_protocol, data, lines)
        self.known[data] = head
        return head

    def _endpoint(self, target: str, headers: Mapping[str, str]) -> Endpoint | None:
        if "?" in target or "#" in target or path_of(target) != target:
            return None
        return self._find("POST", target, headers)


def may_become_plain(beginning: bytes) -> bool:
    """Whether a plain head may begin so. False also where aiohttp would refuse a head before it is complete."""
    if len(beginning) < len(_START):
        return _START.startswith(beginning)
    match = _BEGINNING.fullmatch(beginning) if len(beginning) < LARGEST_HEAD else None
    if match is None:
        return False
    if match[1] is None:
        return True
    fields = _plain_fields(match[1])
    if fields is None or (b"content-length" in fields and _length(fields) is None):
        return False
    name = (match[3] or b"").lower()
    if name in fields or name in _NOT_PLAIN:
        return False
    return name != b"content-length" or _DIGITS.fullmatch(match[4]) is not None


def _plain_fields(lines: bytes) -> dict[bytes, bytes] | None:
    """Values by names in lower case; None if a field is there twice, or changes how the request is framed or read."""
    pairs = [line.split(b":", 1) for line in lines.split(b"\r\n")[:-1]]
    fields = {name.lower(): value.strip(b" ") for name, value in pairs}
    if len(fields) != len(pairs) or not _NOT_PLAIN.isdisjoint(fields):
        return None
    asked = media.forms(fields.get(b"content-type", b"").decode(), fields.get(b"accept", b"").decode())
    return fields if asked == media.JSON_ONLY else None


def _length(fields: dict[bytes, bytes]) -> int | None:
    digits = fields.get(b"content-length", b"")
    return int(digits) if _LENGTH.fullmatch(digits) else None
