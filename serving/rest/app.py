"""From an HTTP request to its answer: which API it is for, its body, waiting for slow models."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_exceptions import HTTPRequestEntityTooLarge

from serving.codecs.protobuf.wire import STEP, joined
from serving.core.servable import JoiningRun
from serving.errors import Code, ServingError
from serving.inference.call import Call, Reply
from serving.inference.context import RequestContext
from serving.inference.long_call import CANCELLED
from serving.rest import errors
from serving.rest.answer import LIBRARY_DEFAULT, Answer
from serving.rest.connection.road import peer_of
from serving.rest.endpoint import Endpoint, RestApi
from serving.rest.joined_calls import LoopJoinedCalls
from serving.rest.target import path_of
from serving.telemetry.log import logger
from serving.telemetry.serving_metrics import ServingMetrics

_METHODS = frozenset(("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"))
_CORS = (
    b"Access-Control-Allow-Origin: *\r\n"
    b"Access-Control-Allow-Methods: POST, GET\r\n"
    b"Access-Control-Allow-Headers: Content-Type\r\n"
)


class RestApp:
    """Answers requests. ``ready`` says whether every model is available; ``timeout_ms`` is the time limit of each call.

    ``metrics`` counts what does not reach an API, and is shown at ``metrics_path`` unless that is empty.
    """

    def __init__(
        self,
        apis: Sequence[RestApi],
        ready: Callable[[], bool],
        metrics: ServingMetrics,
        *,
        timeout_ms: int = 0,
        cors: bool,
        max_request_bytes: int,
        metrics_path: str = "",
    ) -> None:
        self._apis = apis
        self._ready = ready
        self._metrics = metrics
        self._timeout_ms = timeout_ms
        self.headers = _CORS if cors else b""
        """Complete lines that every answer of an API has."""
        self._max_request_bytes = max_request_bytes
        self.opened = False
        """Whether the APIs are answered."""
        self._joined = LoopJoinedCalls()
        self._metrics_path = metrics_path

    def open(self) -> None:
        """Answer the APIs from now on; until then only probes are answered, and everything else says why not."""
        self.opened = True

    async def answer(self, request: web.BaseRequest) -> Answer:
        """The answer to any request; never raises but for cancellation."""
        method = request.method
        path = path_of(request.raw_path)
        if method not in _METHODS:
            return errors.page(501)
        if path is None:
            return errors.page(400)
        if self._metrics_path and path.startswith(self._metrics_path) and _without_query(path) == self._metrics_path:
            return self._metrics_page(path)
        api = self._api(path)
        if api is None:
            return self._outside(method, path)
        if method == "OPTIONS":
            return self._options(request)
        try:
            answer = await self._answer(api, request, method, path)
        except Exception as error:  # noqa: BLE001 - the door's one net: a bug is an answer and a log line, never a dropped call
            answer = self._failure(api, error, method, path)
        return self._with_headers(answer)

    def small(self, method: str, path: str, headers: Mapping[str, str]) -> Endpoint | None:
        """What answers a small request whose body is all there; None where the road has to say it."""
        api = self._api(path)
        if api is None or (self._metrics_path and path.startswith(self._metrics_path)):
            return None
        try:
            endpoint = api.endpoint(method, path, headers)
        except ServingError:  # the road answers it, and counts
            return None
        return endpoint if endpoint.takes_body else None

    def context(
        self, peer: str, headers: Mapping[str, str] | Iterable[tuple[str, str]], protocol: str = "tfs"
    ) -> RequestContext:
        """The surroundings of a request that came from ``peer`` with these headers."""
        return RequestContext("REST", peer, headers, self._timeout_ms, True, protocol)

    def begin(self, reply: Reply) -> "bytes | asyncio.Future[bytes]":
        """The body: at once from fast models, else as a future. Raises ServingError."""
        if isinstance(reply, Call):
            run = reply.plan.run
            if run.inline_for(reply.tensors):
                if isinstance(run, JoiningRun):
                    return self._joined.begin(reply)
                body = reply.at_once()
                if body is not None:
                    return body
        elif isinstance(reply, bytes):
            return reply
        return asyncio.wrap_future(reply.elsewhere())

    def failed(self, error: Exception, method: str, path: str) -> Answer:
        """The answer to a request of an API that ended with ``error``."""
        api = self._api(path)
        return self._with_headers(self._failure(api, error, method, path))

    def _api(self, path: str) -> RestApi | None:
        for api in self._apis:
            if api.claims(path):
                return api
        return None

    async def _answer(self, api: RestApi, request: web.BaseRequest, method: str, path: str) -> Answer:
        if not self.opened:
            raise self.not_open(api.model_in(method, path))
        try:
            endpoint = api.endpoint(method, path, request.headers)
        except ServingError as error:
            self._metrics.refused(api.model_in(method, path), error.code)
            raise
        body = b""
        if endpoint.takes_body:
            if (request.content_length or 0) > self._max_request_bytes:
                return self._too_large(api, method, path)
            body = await _read(request)
        peer = "" if request.transport is None else peer_of(request.transport)
        context = self.context(peer, request.headers.items(), api.name)
        reply = self.begin(endpoint.call(body, context))
        return Answer(200, reply if isinstance(reply, bytes) else await reply, endpoint.content_type)

    def _too_large(self, api: RestApi, method: str, path: str) -> Answer:
        self._metrics.refused(api.model_in(method, path), Code.RESOURCE_EXHAUSTED)
        return errors.too_large(self._max_request_bytes)

    def not_open(self, name: str) -> ServingError:
        """The error of a request that comes too early."""
        self._metrics.refused(name, Code.UNAVAILABLE)
        return ServingError(
            Code.UNAVAILABLE, "The models are still loading; GET /healthz/ready answers 200 when all are available"
        )

    def _failure(self, api: RestApi | None, error: Exception, method: str, path: str) -> Answer:
        """The answer to a request of an API that ended with ``error``."""
        answer = api.failure(error) if api is not None else None
        if answer is not None:
            return answer
        if isinstance(error, HTTPRequestEntityTooLarge) and api is not None:
            return self._too_large(api, method, path)
        if isinstance(error, HttpProcessingError):  # what framed the body
            return errors.page(error.code)
        if isinstance(error, ConnectionError):  # the client has gone, and with it the rest of the body
            return errors.answer(CANCELLED)
        logger.error("Answering %s %s failed", method, path, exc_info=error)
        return errors.answer(ServingError(Code.INTERNAL, "Internal error; the server's log has the details"))

    def _with_headers(self, answer: Answer) -> Answer:
        return answer._replace(headers=self.headers) if self.headers else answer

    def _outside(self, method: str, path: str) -> Answer:
        """Paths that are not the API's: our probes, and TensorFlow Serving's page for all others."""
        if method in ("GET", "HEAD"):
            if path == "/healthz/live":
                return Answer(200, b"live\n", b"text/plain")
            if path == "/healthz/ready":
                ready = self.opened and self._ready()
                return Answer(200 if ready else 503, b"ready\n" if ready else b"not ready\n", b"text/plain")
        return errors.page(404)

    def _metrics_page(self, path: str) -> Answer:
        if path != self._metrics_path:
            return Answer(400, f"Unexpected path: {path}. Should be {self._metrics_path}".encode(), b"text/plain")
        return Answer(200, self._metrics.page(), b"text/plain")

    def _options(self, request: web.BaseRequest) -> Answer:
        origin = request.headers.get("Origin", "")
        allowed = "http://" in origin or "https://" in origin
        if allowed:
            series = self._metrics.series("REST", "", "")
            series.succeeded(series.clock())
        else:
            self._metrics.refused("", Code.FAILED_PRECONDITION)
        return Answer(200 if allowed else 400, b"", LIBRARY_DEFAULT, self.headers)


def _without_query(path: str) -> str:
    return path.partition("#")[0].partition("?")[0]


async def _read(request: web.BaseRequest) -> bytes:
    if "Expect" in request.headers and not request.content.is_eof():
        with contextlib.suppress(ConnectionError):  # of a client that has gone the wait is cancelled
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    return await _body(request)


async def _body(request: web.BaseRequest) -> bytes:
    """The body as it came. HTTPRequestEntityTooLarge if it is larger than allowed, though it did not say so before."""
    content = request.content
    if not content.is_eof():
        return await _joined(request)
    body = content.read_nowait()  # all of it came with the head
    if len(body) > request.client_max_size:
        raise HTTPRequestEntityTooLarge(request.client_max_size)
    return body


async def _joined(request: web.BaseRequest) -> bytes:
    """The same for a body that comes in pieces, copied once; aiohttp's own ``read`` copies it twice more."""
    pieces, size = [], 0
    while piece := await request.content.readany():
        size += len(piece)
        if size > request.client_max_size:
            raise HTTPRequestEntityTooLarge(request.client_max_size)
        pieces.append(piece)
    if size <= STEP:
        return b"".join(pieces)
    return await asyncio.get_running_loop().run_in_executor(None, joined, pieces)
