"""The page for people at ``/ui/`` and what it is drawn from, at ``/ui/data/``: who may ask, and for what."""

from collections.abc import Callable, Mapping
from functools import cache, partial
from threading import Lock
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from serving.core.model_spec import ModelSpec
from serving.errors import Code, ServingError, invalid_argument
from serving.inference.call import Reply
from serving.inference.context import NO_MODEL, RequestContext
from serving.inference.long_call import LongCall
from serving.inference.principal import Right
from serving.inference.service import Service
from serving.rest import errors, media
from serving.rest.answer import JSON, Answer
from serving.rest.api import tfs_paths
from serving.rest.endpoint import Endpoint

if TYPE_CHECKING:
    from serving.rest.api.ui_answers import UiAnswers
    from serving.rest.api.ui_timed import TimedApi

_ROOT = "/ui"
_DATA = "/ui/data/"
_TIMED = "/ui/data/timed"
_EXPECTED = "expected state, events, example or timed/v1/models/MODEL:predict"
_METHODS = ("GET", "HEAD")

_SECURE = (
    b"Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    b"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n"
    b"X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n"
)
"""Lines of every answer here: names, errors and outputs are whatever a model's author or a client made them."""

_NOT_KEPT = b"Cache-Control: no-store\r\n"
_EVENTS = b"text/event-stream"
_NOT_BUFFERED = b"X-Accel-Buffering: no\r\n"
"""For nginx, which would else hold events back until there are many."""


class UiApi:
    """The API. ``load`` gives what answers, which is imported by the first request for something of it.

    ``timed`` gives the ordinary API with answers that say where their time went.

    The page's files are for everybody, for they say nothing of the server; everything else is as rights have it.
    """

    name = "ui"

    def __init__(self, service: Service, load: "Callable[[], UiAnswers]", timed: "Callable[[], TimedApi]") -> None:
        self._service = service
        self._load = load
        self._loading = Lock()
        self._loaded: UiAnswers | None = None
        self._timed = cache(timed)

    def claims(self, path: str) -> bool:
        """As ``RestApi``."""
        return path.startswith(_ROOT) and path[len(_ROOT) : len(_ROOT) + 1] in ("", "/", "?", "#")

    def model_in(self, method: str, path: str) -> str:
        """As ``RestApi``."""
        route, _, query = path.partition("#")[0].partition("?")
        if route.startswith(_TIMED + "/"):
            return tfs_paths.name_in(method, path.removeprefix(_TIMED))
        return _asked(query).get("model", "") if route == _DATA + "example" else ""

    def endpoint(self, method: str, path: str, headers: Mapping[str, str]) -> Endpoint:
        """As ``RestApi``. INVALID_ARGUMENT for a method that there is not, NOT_FOUND for such a path."""
        route, _, query = path.partition("#")[0].partition("?")
        if route.startswith(_TIMED + "/") and method == "POST":
            return self._timed().endpoint(method, path.removeprefix(_TIMED), headers)
        if method not in _METHODS:
            raise invalid_argument(f"Malformed request: {method} {path}; expected {' or '.join(_METHODS)}")
        if route == _ROOT:
            return self._page(lambda: Answer(302, b"", b"text/plain", extra=b"Location: ui/\r\n" + _SECURE))
        if not route.startswith(_DATA):
            name = route.removeprefix(_ROOT + "/") or "index.html"
            return self._page(lambda: self._file(name, headers))
        match route.removeprefix(_DATA):
            case "state":
                return Endpoint("", self._state, JSON, takes_body=False, answer=_data, early=True)
            case "events":
                return self._events()
            case "example":
                return self._example(_asked(query))
            case _:
                raise ServingError(Code.NOT_FOUND, f"There is nothing at {route[:256]}; {_EXPECTED}")

    def failure(self, error: Exception) -> Answer | None:
        """As ``RestApi``."""
        if not isinstance(error, ServingError):
            return None
        answer = errors.answer(error)
        return answer._replace(extra=answer.extra + _NOT_KEPT + _SECURE)

    def _page(self, answer: Callable[[], Answer]) -> Endpoint:
        """What everybody may see."""

        def call(body: bytes, context: RequestContext) -> Reply:
            context.right = None
            self._service.admit(context, NO_MODEL, 0)
            return self._once_loaded()

        return Endpoint("", call, JSON, takes_body=False, answer=lambda _: answer(), early=True)

    def _file(self, name: str, headers: Mapping[str, str]) -> Answer:
        file = self._answers().files.get(name)
        if file is None:
            raise ServingError(Code.NOT_FOUND, f"The page has no file {name[:256]!r}")
        compressed = media.accepts_gzip(headers.get("Accept-Encoding", ""))
        tag = f'"{file.tag}-gzip"' if compressed else f'"{file.tag}"'
        extra = f"ETag: {tag}\r\nCache-Control: no-cache\r\nVary: Accept-Encoding\r\n".encode()
        if compressed:
            extra += b"Content-Encoding: gzip\r\n"
        known = tag in headers.get("If-None-Match", "")
        content = file.compressed if compressed else file.content
        return Answer(304 if known else 200, content, file.content_type, extra=extra + _SECURE)

    def _state(self, body: bytes, context: RequestContext) -> Reply:
        self._admit_reader(context)
        principal = context.principal
        return LongCall(lambda _: self._answers().state(principal))

    def _events(self) -> Endpoint:
        asked: list[RequestContext] = []

        def call(body: bytes, context: RequestContext) -> Reply:
            self._admit_reader(context)
            asked.append(context)
            return self._once_loaded()

        def answer(_: bytes) -> Answer:
            (context,) = asked
            stream = self._answers().events.stream(context, partial(self._admit_reader, context))
            return Answer(200, b"", _EVENTS, extra=_NOT_KEPT + _NOT_BUFFERED + _SECURE, stream=stream)

        return Endpoint("", call, _EVENTS, takes_body=False, answer=answer, early=True)

    def _example(self, asked: Mapping[str, str]) -> Endpoint:
        address = _address(asked)

        def call(body: bytes, context: RequestContext) -> Reply:
            signature = asked.get("signature", "")
            return self._service.trials(address, lambda trials: self._answers().example(trials, signature), context)

        return Endpoint(address.name, call, JSON, takes_body=False, answer=_data)

    def _admit_reader(self, context: RequestContext) -> None:
        context.right = Right.READ
        self._service.admit(context, NO_MODEL, 0)

    def _once_loaded(self) -> Reply:
        """Nothing, once there is what answers: the first time on a thread that may import and read files."""
        if self._loaded is not None:
            return b""

        def load(_: object) -> bytes:
            self._answers()
            return b""

        return LongCall(load)

    def _answers(self) -> "UiAnswers":
        loaded = self._loaded
        if loaded is None:
            with self._loading:
                loaded = self._loaded = self._loaded or self._load()
        return loaded


def _data(body: bytes) -> Answer:
    return Answer(200, body, JSON, extra=_NOT_KEPT + _SECURE)


def _asked(query: str) -> Mapping[str, str]:
    """What a query asks for, by name; the last counts."""
    found = parse_qs(query, keep_blank_values=True, errors="surrogateescape", max_num_fields=100)
    return {name: values[-1] for name, values in found.items()}


def _address(asked: Mapping[str, str]) -> ModelSpec:
    """The version of which an example is asked for. INVALID_ARGUMENT if the query does not say it."""
    name, version = asked.get("model", ""), asked.get("version", "")
    if not name:
        raise invalid_argument("The query names no model; expected model=NAME, and maybe version, label, signature")
    if version and not (version.isascii() and version.isdecimal() and len(version) < 20):
        raise invalid_argument(f"version is {version[:64]!r}; expected a whole number")
    return ModelSpec(name, int(version) if version else None, asked.get("label") or None)
