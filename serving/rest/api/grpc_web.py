"""gRPC-Web: the gRPC API's unary methods for scripts in browsers, which cannot speak HTTP/2's trailers.

The methods are those that the gRPC door has, by the same table; nothing here knows what they do.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from math import ceil
from typing import NamedTuple

from serving.codecs import grpc_web
from serving.errors import Code, LimitError, ServingError, cut
from serving.inference.call import Reply
from serving.inference.context import RequestContext
from serving.inference.long_call import Gone, LongCall, Submits
from serving.inference.placement import INLINE_SECONDS
from serving.inference.requests import elsewhere
from serving.rest import errors
from serving.rest.answer import Answer
from serving.rest.endpoint import Endpoint

Handler = Callable[[bytes, RequestContext], Reply]
"""What answers a method: takes the serialised request and who sent it. Raises ServingError."""


class _Kind(NamedTuple):
    """How frames are written: as they are or as base64, and the content type that says so."""

    text: bool
    content_type: bytes


_BINARY, _TEXT = _Kind(False, b"application/grpc-web+proto"), _Kind(True, b"application/grpc-web-text+proto")
_KINDS = {
    "application/grpc-web": _BINARY,
    "application/grpc-web+proto": _BINARY,
    "application/grpc-web-text": _TEXT,
    "application/grpc-web-text+proto": _TEXT,
}


class _AnsweredError(ServingError):
    """What is no call: the answer is HTTP's."""

    def __init__(self, code: Code, message: str, answer: Answer) -> None:
        super().__init__(code, message)
        self.answer = answer


class GrpcWebApi:
    """The API; ``handlers`` are by full method path. What is long to read is read by ``workers``.

    It claims the paths of the services that have handlers. Their calls count as REST's, for that is the door.
    """

    name = "grpc-web"

    def __init__(self, handlers: Mapping[str, Handler], workers: Submits) -> None:
        self._handlers = handlers
        self._services = frozenset(path[: path.rindex("/") + 1] for path in handlers)
        self._workers = workers

    def claims(self, path: str) -> bool:
        """As ``RestApi``."""
        return path[: path.find("/", 1) + 1] in self._services

    def model_in(self, method: str, path: str) -> str:
        """As ``RestApi``; the messages name the models."""
        return ""

    def endpoint(self, method: str, path: str, headers: Mapping[str, str]) -> Endpoint:
        """As ``RestApi``. What is no POST with a content type of gRPC-Web's is answered as HTTP has it."""
        if method != "POST":
            raise _AnsweredError(Code.NOT_FOUND, "", errors.page(404))
        given = headers.get("content-type", "")
        sent = _kind(given)
        if sent is None:
            raise _unsupported(given)
        wanted = _kind(headers.get("accept", "")) or sent
        call = partial(self._call, path, sent, headers.get("grpc-timeout", ""))
        return Endpoint("", call, wanted.content_type, answer=partial(_answer, wanted), failed=partial(_failed, wanted))

    def failure(self, error: Exception) -> Answer | None:
        """As ``RestApi``: before a call has begun its status is in the headers, for there is nothing to frame."""
        if isinstance(error, _AnsweredError):
            return error.answer
        return (
            Answer(200, b"", _BINARY.content_type, extra=_trailers(error)) if isinstance(error, ServingError) else None
        )

    def _call(self, path: str, sent: _Kind, timeout: str, body: bytes, context: RequestContext) -> Reply:
        handler = self._handlers.get(path)
        if handler is None:
            raise ServingError(Code.UNIMPLEMENTED, f"{path} is no unary method, and others are not there over gRPC-Web")
        if timeout:
            _bound(context, grpc_web.timeout_ms(timeout))
        if context.in_event_thread and grpc_web.reading_seconds(body, text=sent.text) > INLINE_SECONDS:
            return LongCall(partial(_read_and_call, handler, sent, body, context), self._workers)
        return handler(grpc_web.message(body, text=sent.text), context)


def _read_and_call(
    handler: Handler, sent: _Kind, body: bytes, context: RequestContext, gone: Gone
) -> bytes | Future[bytes]:
    return elsewhere(handler(grpc_web.message(body, text=sent.text), context))


def _kind(media_type: str) -> _Kind | None:
    return _KINDS.get(media_type.partition(";")[0].strip().lower())


def _bound(context: RequestContext, timeout_ms: float) -> None:
    """Let the call have the client's time limit, if that of the door is not shorter."""
    if timeout_ms <= 0:
        raise ServingError(Code.DEADLINE_EXCEEDED, "Deadline Exceeded")
    limit = ceil(timeout_ms)
    context.timeout_ms = min(limit, context.timeout_ms) if context.timeout_ms > 0 else limit


def _unsupported(given: str) -> ServingError:
    error = ServingError(
        Code.INVALID_ARGUMENT, f"Content-Type is {given!r}; expected one of {', '.join(_KINDS)} at this path"
    )
    return _AnsweredError(error.code, error.message, errors.answer(error)._replace(status=415))


def _answer(wanted: _Kind, payload: bytes) -> Answer:
    return Answer(200, grpc_web.answer(payload, text=wanted.text), wanted.content_type)


def _failed(wanted: _Kind, error: ServingError) -> Answer:
    return Answer(200, grpc_web.failure(_trailers(error), text=wanted.text), wanted.content_type)


def _trailers(error: ServingError) -> bytes:
    again = error.retry_seconds if isinstance(error, LimitError) else 0.0
    more = [("retry-after", str(ceil(again)))] if again else []
    return grpc_web.trailers(error.code, cut(error.text), more)
