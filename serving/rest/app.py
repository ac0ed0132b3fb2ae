"""From an HTTP request to its answer: which part of the server it is for, its body, waiting for slow models."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor

from aiohttp import web
from aiohttp.web_exceptions import HTTPRequestEntityTooLarge

from serving.codecs.arrays import npz
from serving.errors import Code, ServingError
from serving.inference.work import Work
from serving.rest import errors, media, routes
from serving.rest.answer import JSON, LIBRARY_DEFAULT, Answer
from serving.rest.encoding import inflate
from serving.rest.handlers import Handlers
from serving.rest.joining import LoopTurn
from serving.rest.media import Forms
from serving.telemetry.log import logger
from serving.telemetry.serving_metrics import ServingMetrics

LARGE_BODY_BYTES = 64 * 1024
"""From this size on decoding, too, leaves the event loop; below it a thread hop costs more."""

_METHODS = frozenset(("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"))
_CORS = (
    b"Access-Control-Allow-Origin: *\r\n"
    b"Access-Control-Allow-Methods: POST, GET\r\n"
    b"Access-Control-Allow-Headers: Content-Type\r\n"
)


class RestApp:
    """Answers requests. ``ready`` says whether every model is available; ``executor`` runs what is slow.

    ``metrics`` counts what does not reach a handler, and is shown at ``metrics_path`` unless that is empty.
    """

    def __init__(
        self,
        handlers: Handlers,
        executor: Executor,
        ready: Callable[[], bool],
        *,
        cors: bool,
        max_request_bytes: int,
        metrics: ServingMetrics | None = None,
        metrics_path: str = "",
    ) -> None:
        self._handlers = handlers
        self._executor = executor
        self._ready = ready
        self._headers = _CORS if cors else b""
        self._max_request_bytes = max_request_bytes
        self._open = False
        self._turn = LoopTurn()
        self._metrics = metrics if metrics is not None else ServingMetrics()
        self._metrics_path = metrics_path

    def open(self) -> None:
        """Answer the API from now on; until then only probes are answered, and everything else says why not."""
        self._open = True

    async def answer(self, request: web.BaseRequest) -> Answer:
        """The answer to any request; never raises but for cancellation."""
        method = request.method
        path = routes.path_of(request.raw_path)
        if method not in _METHODS:
            return errors.page(501)
        if path is None:
            return errors.page(400)
        if self._metrics_path and path.startswith(self._metrics_path) and _without_query(path) == self._metrics_path:
            return self._metrics_page(path)
        if not routes.is_api(path):
            return self._outside(method, path)
        if method == "OPTIONS":
            return self._options(request)
        try:
            answer = await self._api(request, method, path)
        except Exception as error:  # noqa: BLE001 - the door's one net: a bug is an answer and a log line, never a dropped call
            answer = self._failure(error, method, path)
        return self._with_headers(answer)

    def small_route(self, path: str) -> routes.Route | None:
        """The route of an inference request that ``small`` may answer; None for whatever else POST may mean here."""
        if self._metrics_path and path.startswith(self._metrics_path):
            return None
        try:
            return routes.match("POST", path)
        except (ServingError, routes.VersionTooLargeError):
            return None

    def small(self, path: str, route: routes.Route, body: bytes) -> "Answer | asyncio.Future[bytes]":
        """The answer to a POST with a JSON body below ``LARGE_BODY_BYTES``, or the future of its body; never raises.

        What that future comes to is for ``settled``.
        """
        try:
            if not self._open:
                raise self._not_open(route.name)
            reply = self._begin(route, body)
        except Exception as error:  # noqa: BLE001 - as in ``answer``
            return self._with_headers(self._failure(error, "POST", path))
        return Answer(200, reply, JSON, self._headers) if isinstance(reply, bytes) else reply

    def settled(self, path: str, body: "asyncio.Future[bytes]") -> Answer:
        """The answer that a finished future of ``small`` stands for; it was not cancelled."""
        try:
            return Answer(200, body.result(), JSON, self._headers)
        except Exception as error:  # noqa: BLE001 - as in ``answer``
            return self._with_headers(self._failure(error, "POST", path))

    async def _api(self, request: web.BaseRequest, method: str, path: str) -> Answer:
        if not self._open:
            raise self._not_open(routes.name_in(method, path))
        if method == "GET" and path.lower() == "/v1/models":
            return Answer(200, self._handlers.models(), JSON)
        route = self._route(method, path)
        if method == "GET":
            return Answer(200, self._handlers.get(route), JSON)
        if (request.content_length or 0) > self._max_request_bytes:
            return self._too_large(method, path)
        forms = _forms(request) if route.method == "predict" else media.JSON_ONLY
        body = await _read(request)
        if len(body) >= LARGE_BODY_BYTES or _may_grow(body, forms):
            return Answer(200, await self._elsewhere(route, body, forms), forms.answer.value)
        reply = self._begin(route, body, forms)
        return Answer(200, reply if isinstance(reply, bytes) else await reply, forms.answer.value)

    def _begin(
        self, route: routes.Route, body: bytes, forms: Forms = media.JSON_ONLY
    ) -> "bytes | asyncio.Future[bytes]":
        """Begin an inference request of the lane or of the road: fast models answer at once, slow ones elsewhere."""
        reply = self._handlers.post(route, body, forms)
        if isinstance(reply, Work):
            if not reply.inline:
                return asyncio.wrap_future(reply.elsewhere())
            return self._turn.begin(reply) if reply.joins else reply.here()
        return reply

    def _route(self, method: str, path: str) -> routes.Route:
        try:
            return routes.match(method, path)
        except (ServingError, routes.VersionTooLargeError):
            self._metrics.refused(routes.name_in(method, path), Code.INVALID_ARGUMENT)
            raise

    def _too_large(self, method: str, path: str) -> Answer:
        self._metrics.refused(routes.name_in(method, path), Code.RESOURCE_EXHAUSTED)
        return errors.too_large(self._max_request_bytes)

    async def _elsewhere(self, route: routes.Route, body: bytes, forms: Forms) -> bytes:
        """Everything off the event loop, for bodies whose decoding would hold it up."""

        def whole() -> bytes:
            reply = self._handlers.post(route, body, forms)
            return reply.here() if isinstance(reply, Work) else reply

        return await asyncio.wrap_future(self._executor.submit(whole))

    def _not_open(self, name: str) -> ServingError:
        self._metrics.refused(name, Code.UNAVAILABLE)
        return ServingError(
            Code.UNAVAILABLE, "The models are still loading; GET /healthz/ready answers 200 when all are available"
        )

    def _failure(self, error: Exception, method: str, path: str) -> Answer:
        """The answer to a request of the API that ended with ``error``."""
        if isinstance(error, ServingError):
            return errors.answer(error)
        if isinstance(error, routes.VersionTooLargeError):
            return Answer(400, b"", JSON)
        if isinstance(error, HTTPRequestEntityTooLarge):
            return self._too_large(method, path)
        logger.error("Answering %s %s failed", method, path, exc_info=error)
        return errors.answer(ServingError(Code.INTERNAL, "Internal error; the server's log has the details"))

    def _with_headers(self, answer: Answer) -> Answer:
        return answer._replace(headers=self._headers) if self._headers else answer

    def _outside(self, method: str, path: str) -> Answer:
        """Paths that are not the API's: our probes, and TensorFlow Serving's page for all others."""
        if method in ("GET", "HEAD"):
            if path == "/healthz/live":
                return Answer(200, b"live\n", b"text/plain")
            if path == "/healthz/ready":
                ready = self._open and self._ready()
                return Answer(200 if ready else 503, b"ready\n" if ready else b"not ready\n", b"text/plain")
        return errors.page(404)

    def _metrics_page(self, path: str) -> Answer:
        if path != self._metrics_path:
            return Answer(400, f"Unexpected path: {path}. Should be {self._metrics_path}".encode(), b"text/plain")
        return Answer(200, self._metrics.page(), b"text/plain")

    def _options(self, request: web.BaseRequest) -> Answer:
        call = self._metrics.call("REST", "", "")
        origin = request.headers.get("Origin", "")
        allowed = "http://" in origin or "https://" in origin
        if allowed:
            call.answered()
        else:
            self._metrics.refused("", Code.FAILED_PRECONDITION)
        return Answer(200 if allowed else 400, b"", LIBRARY_DEFAULT, self._headers)


def _without_query(path: str) -> str:
    return path.partition("#")[0].partition("?")[0]


def _forms(request: web.BaseRequest) -> Forms:
    return media.forms(request.headers.get("Content-Type", ""), request.headers.get("Accept", ""))


def _may_grow(body: bytes, forms: Forms) -> bool:
    """Whether a body is an archive, whose members may be compressed."""
    return forms is not media.JSON_ONLY and body.startswith(npz.SIGNATURE)


async def _read(request: web.BaseRequest) -> bytes:
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = await _body(request)
    return inflate(body) if "gzip" in request.headers.get("Content-Encoding", "") else body


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
    return b"".join(pieces)
