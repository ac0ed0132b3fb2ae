"""What a record is in the words of OpenTelemetry's semantic conventions: the span's name, attributes and status.

It knows nothing of OpenTelemetry's packages.
"""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from serving.errors import Code
from serving.inference.record import RequestRecord

Value = str | int
Attributes = dict[str, Value]

_LONGEST = 1024
"""Characters of a text from outside that an attribute shows."""

_OTHER = "_OTHER"
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"))
_ROUTE = re.compile(
    r"/v1/models(?P<model>/[^/:]+)?(?:/(?P<by>versions|labels)/[^/:]+)?(?P<end>/metadata|:(?:classify|regress|predict))?",
    re.ASCII | re.IGNORECASE,
)
_OPEN_INFERENCE_ROUTE = re.compile(
    r"/v2(?:(?P<model>/models/(?!stats)[^/]+)(?P<version>/versions/[^/]+)?"
    r"(?P<end>/(?:infer|ready|stats|config|trace/setting))?|(?P<loaded>/repository/models/)[^/]+(?P<does>/(?:un)?load)"
    r"|(?P<fixed>/health/(?:live|ready)|/models/stats|/repository/index|/logging|/trace/setting)?)",
    re.ASCII,
)
_BY = {"versions": "/versions/{version}", "labels": "/labels/{label}"}

_PROBES = ("/healthz/", "/grpc.health.v1.Health/", "/metrics", "/monitoring/prometheus/metrics")
"""How the methods of those begin who look after the server, every few seconds."""

_GRPC_ERRORS = frozenset(
    (Code.UNKNOWN, Code.DEADLINE_EXCEEDED, Code.UNIMPLEMENTED, Code.INTERNAL, Code.UNAVAILABLE, Code.DATA_LOSS)
)
"""The codes that are the server's fault; the others leave the status of its span unset, as HTTP's 400 to 499 do."""


class Described(NamedTuple):
    """A span that is to be: ``error`` is the error's type, empty if the server has made none."""

    name: str
    attributes: Attributes
    error: str


class Stage(NamedTuple):
    """A part of a request, in seconds from its arrival; ``waits_for`` is what a queue is for."""

    name: str
    began: float
    ended: float
    waits_for: str = ""


def is_probe(record: RequestRecord) -> bool:
    """Whether a balancer or a scraper has asked, not a client."""
    return record.method.removeprefix("GET ").startswith(_PROBES)


def described(record: RequestRecord, scheme: str) -> Described:
    """The request's span; ``scheme`` is that of its URL over REST."""
    name, attributes, error = _http(record, scheme) if record.door == "REST" else _rpc(record)
    attributes.update(_peer(record.peer))
    attributes.update(_ours(record))
    if error:
        attributes["error.type"] = error
    return Described(name, attributes, error)


def stages(record: RequestRecord) -> Iterator[Stage]:
    """What took time of it, in order: at first it may have waited for a place, later for a thread or a batch."""
    at = 0.0
    queued = record.queue_seconds - record.waited_seconds
    parts = (
        ("queue", record.waited_seconds, "place"),
        ("decode", record.decode_seconds, ""),
        ("queue", queued, "batch" if record.batches else "thread"),
        ("run", record.run_seconds, ""),
        ("encode", record.encode_seconds, ""),
    )
    for name, seconds, waits_for in parts:
        if seconds > 0:
            yield Stage(name, at, at + seconds, waits_for)
            at += seconds


def _http(record: RequestRecord, scheme: str) -> Described:
    verb, _, target = record.method.partition(" ")
    path, _, query = target.partition("?")
    method = verb if verb in _METHODS else _OTHER
    attributes: Attributes = {
        "http.request.method": method,
        "http.response.status_code": record.status,
        "url.scheme": scheme,
        "url.path": path[:_LONGEST],
    }
    if query:
        attributes["url.query"] = query[:_LONGEST]
    if method == _OTHER:
        attributes["http.request.method_original"] = verb[:_LONGEST]
    name = "HTTP" if method == _OTHER else method
    route = _route(path)
    if route:
        attributes["http.route"] = route
        name = f"{name} {route}"
    return Described(name, attributes, str(record.status) if record.status >= 500 else "")


def _route(path: str) -> str:
    """The path with the names of what is in it in place of it; empty for what is no path of an API."""
    if path.startswith("/healthz/"):
        return path if path in ("/healthz/live", "/healthz/ready") else ""
    found = _ROUTE.fullmatch(path)
    if found is None:
        return _open_inference_route(path)
    parts = "/{model}" if found["model"] else "", _BY[found["by"].lower()] if found["by"] else ""
    return f"/v1/models{''.join(parts)}{(found['end'] or '').lower()}"


def _open_inference_route(path: str) -> str:
    found = _OPEN_INFERENCE_ROUTE.fullmatch(path)
    if found is None:
        return ""
    if found["model"]:
        return f"/v2/models/{{model}}{'/versions/{version}' if found['version'] else ''}{found['end'] or ''}"
    return f"/v2/repository/models/{{model}}{found['does']}" if found["loaded"] else f"/v2{found['fixed'] or ''}"


def _rpc(record: RequestRecord) -> Described:
    method = record.method.removeprefix("/")
    known = bool(record.api) or record.code is not Code.UNIMPLEMENTED
    attributes: Attributes = {
        "rpc.system.name": "grpc",
        "rpc.method": method if known else _OTHER,
        "rpc.response.status_code": record.code.name,
    }
    if not known:
        attributes["rpc.method_original"] = method[:_LONGEST]
    return Described(method if known else "grpc", attributes, record.code.name if record.code in _GRPC_ERRORS else "")


def _peer(peer: str) -> Mapping[str, Value]:
    """An address as REST has it, or with the port, as gRPC names it: ``ipv4:127.0.0.1:80``, ``ipv6:[::1]:80``."""
    kind, _, rest = peer.partition(":")
    if kind not in ("ipv4", "ipv6"):
        return {"client.address": peer} if peer else {}
    host, _, port = rest.replace("%5B", "[").replace("%5D", "]").rpartition(":")
    found: Attributes = {"client.address": host.strip("[]")}
    if port.isascii() and port.isdecimal():
        found["client.port"] = int(port)
    return found


def _ours(record: RequestRecord) -> Attributes:
    texts = {
        "serving.request_id": record.request_id,
        "serving.protocol": record.protocol,
        "serving.principal": record.principal,
        "serving.model": record.model,
        "serving.label": record.label,
        "serving.signature": record.signature,
        "serving.engine": record.engine,
    }
    attributes: Attributes = {name: text[:_LONGEST] for name, text in texts.items() if text}
    if record.version is not None:
        attributes["serving.version"] = record.version
    attributes["serving.code"] = record.code.name
    attributes["serving.request_bytes"] = record.request_bytes
    attributes["serving.answer_bytes"] = record.answer_bytes
    return attributes
