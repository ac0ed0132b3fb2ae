"""From an HTTP request to its answer: which part of the server it is for, its body, waiting for slow models."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor

from aiohttp import web
from aiohttp.web_exceptions import HTTPRequestEntityTooLarge

from serving.errors import Code, ServingError
from serving.inference.work import Work
from serving.rest import errors, routes
from serving.rest.answer import JSON, LIBRARY_DEFAULT, Answer
from serving.rest.encoding import inflate
from serving.rest.handlers import Handlers
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
        except ServingError as error:
            answer = errors.answer(error)
        except routes.VersionTooLargeError:
            answer = Answer(400, b"", JSON)
        except HTTPRequestEntityTooLarge:
            answer = self._too_large(method, path)
        except Exception:  # noqa: BLE001 - the door's one net: a bug is an answer and a log line, never a dropped call
            logger.exception("Answering %s %s failed", method, path)
            answer = errors.answer(ServingError(Code.INTERNAL, "Internal error; the server's log has the details"))
        return answer._replace(headers=self._headers) if self._headers else answer

    async def _api(self, request: web.BaseRequest, method: str, path: str) -> Answer:
        if not self._open:
            self._metrics.refused(routes.name_in(method, path), Code.UNAVAILABLE)
            raise ServingError(
                Code.UNAVAILABLE, "The models are still loading; GET /healthz/ready answers 200 when all are available"
            )
        if method == "GET" and path.lower() == "/v1/models":
            return Answer(200, self._handlers.models(), JSON)
        route = self._route(method, path)
        if method == "GET":
            return Answer(200, self._handlers.get(route), JSON)
        if (request.content_length or 0) > self._max_request_bytes:
            return self._too_large(method, path)
        body = await _read(request)
        if len(body) >= LARGE_BODY_BYTES:
            return Answer(200, await self._elsewhere(route, body), JSON)
        reply = self._handlers.post(route, body)
        if isinstance(reply, Work):
            reply = reply.here() if reply.inline else await asyncio.wrap_future(reply.elsewhere())
        return Answer(200, reply, JSON)

    def _route(self, method: str, path: str) -> routes.Route:
        try:
            return routes.match(method, path)
        except (ServingError, routes.VersionTooLargeError):
            self._metrics.refused(routes.name_in(method, path), Code.INVALID_ARGUMENT)
            raise

    def _too_large(self, method: str, path: str) -> Answer:
        self._metrics.refused(routes.name_in(method, path), Code.RESOURCE_EXHAUSTED)
        return errors.too_large(self._max_request_bytes)

    async def _elsewhere(self, route: routes.Route, body: bytes) -> bytes:
        """Everything off the event loop, for bodies whose decoding would hold it up."""

        def whole() -> bytes:
            reply = self._handlers.post(route, body)
            return reply.here() if isinstance(reply, Work) else reply

        return await asyncio.wrap_future(self._executor.submit(whole))

    def _outside(self, method: str, path: str) -> Answer:
        """Paths that are not the API's: our probes, and TensorFlow Serving's page for all others."""
        if method in ("GET", "HEAD"):
            if path == "/healthz/live":
                return Answer(200, b"live\n", b"text/plain")
            if path == "/healthz/ready":
                ready = self._ready()
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


async def _read(request: web.BaseRequest) -> bytes:
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = await request.read()
    return inflate(body) if "gzip" in request.headers.get("Content-Encoding", "") else body
