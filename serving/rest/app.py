"""From an HTTP request to its answer: which API it is for, its body, waiting for slow models."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_exceptions import HTTPRequestEntityTooLarge

from serving.codecs.protobuf.wire import STEP
from serving.errors import Code, ServingError
from serving.inference.accounts import Accounts, named
from serving.inference.call import Call, Reply
from serving.inference.context import RequestContext, of_event_thread
from serving.inference.long_call import client_gone
from serving.rest import errors, media, outside
from serving.rest.answer import LIBRARY_DEFAULT, Answer
from serving.rest.body import read
from serving.rest.connection.transport import names_of, peer_of
from serving.rest.cors import Cors
from serving.rest.endpoint import Endpoint, RestApi
from serving.rest.joined_calls import LoopJoinedCalls
from serving.rest.target import path_of
from serving.telemetry.log import logger
from serving.telemetry.serving_metrics import ServingMetrics

_METHODS = frozenset(("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"))
_NO_CORS = Cors()

OWN_METRICS_PATH = "/metrics"
"""Where every other server has the page that TensorFlow Serving has elsewhere; a query is passed over here."""
OPENMETRICS = b"application/openmetrics-text; version=1.0.0; charset=utf-8"
"""The type of that page for who asks for it, as Prometheus does."""


class RestApp:
    """Answers requests. ``ready`` says whether every model is available; ``timeout_ms`` is the time limit of each call.

    ``metrics`` counts what does not reach an API. ``metrics_page`` gives the page at ``metrics_path`` and
    ``OWN_METRICS_PATH``, which raises ServingError for those who may not see it; there is none without a path. ``cors``
    says which scripts may read the answers. ``has_page``: one of ``apis`` has the page at ``/ui/``.
    """

    def __init__(
        self,
        apis: Sequence[RestApi],
        ready: Callable[[], bool],
        metrics: ServingMetrics,
        *,
        timeout_ms: int = 0,
        max_request_bytes: int,
        cors: Cors = _NO_CORS,
        metrics_path: str = "",
        metrics_page: Callable[[RequestContext, bool], bytes] | None = None,
        accounts: Accounts | None = None,
        own_contexts: bool = False,
        has_page: bool = False,
    ) -> None:
        self._apis = apis
        self._ready = ready
        self._has_page = has_page
        self._metrics = metrics
        self.limited = metrics.limited
        """Counts a connection that a limit has turned away."""
        self.timeout_ms = timeout_ms
        self._cors = cors
        self.lines = cors.lines
        """Gives the complete header lines that the answer of an API has, for the headers of its request."""
        self._max_request_bytes = max_request_bytes
        self.opened = False
        """Whether the APIs are answered."""
        self.waits_for = ""
        """What they wait for until then, as a sentence."""
        self._joined = LoopJoinedCalls()
        self._metrics_path = metrics_path
        self._page = metrics_page or (lambda _, openmetrics: metrics.openmetrics() if openmetrics else metrics.page())
        self._accounts = accounts
        self.own_contexts = own_contexts or accounts is not None
        """Whether each request needs surroundings of its own, though its head be that of the one before."""

    def open(self) -> None:
        """Answer the APIs from now on; until then only probes are answered, and everything else says why not."""
        self.opened = True

    async def answer(self, request: web.BaseRequest) -> Answer:
        """The answer to any request; never raises but for cancellation."""
        peer = "" if request.transport is None else peer_of(request.transport)
        shown = partial(names_of, request.transport) if request.secure else None
        size = request.content_length or 0
        context = self.begin_request(peer, request.headers.items(), request.method, request.raw_path, size, shown)
        if self._accounts is None:
            return await self._routed(request, context)
        try:
            return self.told(context, await self._routed(request, context))
        except asyncio.CancelledError:
            self.gone(context)
            raise

    async def _routed(self, request: web.BaseRequest, context: RequestContext) -> Answer:
        method = request.method
        path = path_of(request.raw_path)
        if method not in _METHODS:
            return errors.page(501)
        if path is None:
            return errors.page(400)
        if self._metrics_path and path.startswith(self._metrics_path) and _without_query(path) == self._metrics_path:
            return await self._metrics_page(path, context)
        api = self._api(path)
        if api is None:
            if self._metrics_path and _without_query(path) == OWN_METRICS_PATH:
                asked = media.prefers_openmetrics(request.headers.get("Accept", ""))
                return await self._metrics_page(self._metrics_path, context, openmetrics=asked)
            return outside.answer(method, path, request.headers, self._ready_now, page=self._has_page)
        if method == "OPTIONS":
            return self._options(request)
        endpoint = None
        try:
            endpoint = self._endpoint(api, request, method, path)
            answer = await self._answer(api, endpoint, request, context)
        except Exception as error:  # noqa: BLE001 - the door's one net: a bug is an answer and a log line, never a dropped call
            answer = self._failure(api, error, method, path, context, endpoint)
        lines = self.lines(request.headers)
        return answer._replace(headers=lines) if lines else answer

    def small(self, method: str, path: str, headers: Mapping[str, str]) -> Endpoint | None:
        """What answers a small request whose body is all there; None where the road has to say it."""
        api = self._api(path)
        if api is None or (self._metrics_path and path.startswith(self._metrics_path)):
            return None
        try:
            endpoint = api.endpoint(method, path, headers)
        except ServingError:  # the road answers it, and counts
            return None
        plain = endpoint.answer is None and endpoint.failed is None
        return endpoint if endpoint.takes_body and plain else None

    def begin_request(
        self,
        peer: str,
        headers: Mapping[str, str] | Iterable[tuple[str, str]],
        method: str,
        path: str,
        size: int,
        shown: Callable[[], tuple[str, ...]] | None = None,
    ) -> RequestContext:
        """The surroundings of a request from ``peer`` with a body of ``size`` bytes; ``shown`` is its certificate."""
        context = of_event_thread("REST", peer, headers, self.timeout_ms, shown)
        if self._accounts is not None:
            self._accounts.begin(context, f"{method} {path}", size)
        return context

    def told(self, context: RequestContext, answer: Answer) -> Answer:
        """``answer``, with what it says of its request, which is over."""
        if self._accounts is None:
            return answer
        said = self._accounts.end(context, answer.status, len(answer.body), errors.of_status(answer.status))
        lines = [f"{name.title()}: {value}\r\n" for name, value in said]
        return answer._replace(extra=answer.extra + "".join(lines).encode("latin-1"))

    def gone(self, context: RequestContext) -> None:
        """The client of a request waits for no answer any more."""
        if self._accounts is not None:
            self._accounts.end(context, errors.STATUS[Code.CANCELLED], 0, client_gone())

    def begin(self, reply: Reply) -> "bytes | asyncio.Future[bytes]":
        """The body: at once from fast models, else as a future. Raises ServingError."""
        if isinstance(reply, bytes):
            return reply
        if isinstance(reply, Call) and reply.inline:
            if reply.joins:
                return self._joined.begin(reply)
            body = reply.at_once()
            if body is not None:
                return body
        return asyncio.wrap_future(reply.elsewhere())

    def failed(
        self, error: Exception, method: str, path: str, lines: bytes, context: RequestContext | None = None
    ) -> Answer:
        """The answer, with these header lines, to a request of an API that ended with ``error``."""
        return self._failure(self._api(path), error, method, path, context)._replace(headers=lines)

    def _api(self, path: str) -> RestApi | None:
        for api in self._apis:
            if api.claims(path):
                return api
        return None

    def _endpoint(self, api: RestApi, request: web.BaseRequest, method: str, path: str) -> Endpoint:
        """What answers a request. Raises ServingError, which is counted."""
        try:
            endpoint = api.endpoint(method, path, request.headers)
        except ServingError as error:
            if not self.opened:
                raise self.not_open(api.model_in(method, path)) from None
            self._metrics.refused(api.model_in(method, path), error.code)
            raise
        if not (self.opened or endpoint.early):
            raise self.not_open(api.model_in(method, path))
        return endpoint

    async def _answer(
        self, api: RestApi, endpoint: Endpoint, request: web.BaseRequest, context: RequestContext
    ) -> Answer:
        body, record, context.protocol = b"", context.record, api.name
        if record is not None:
            record.protocol = api.name
        if endpoint.takes_body:
            size = request.content_length or 0
            if size > self._max_request_bytes:
                raise HTTPRequestEntityTooLarge(self._max_request_bytes, size)
            body = await read(request)
            if record is not None:
                record.request_bytes = len(body)
        reply = self.begin(endpoint.call(body, context))
        given = reply if isinstance(reply, bytes) else await reply
        if endpoint.answer is None or len(given) <= STEP:
            return endpoint.answered(given)
        return await asyncio.get_running_loop().run_in_executor(None, endpoint.answered, given)

    def _too_large(self, api: RestApi, method: str, path: str) -> ServingError:
        """The error of a body that is larger than allowed."""
        self._metrics.refused(api.model_in(method, path), Code.RESOURCE_EXHAUSTED)
        self._metrics.limited("max_request_bytes")
        return errors.too_large(self._max_request_bytes)

    def not_open(self, name: str) -> ServingError:
        """The error of a request that comes too early."""
        self._metrics.refused(name, Code.UNAVAILABLE)
        text = "The models are still loading; GET /healthz/ready answers 200 when all are available"
        return ServingError(Code.UNAVAILABLE, f"{text}. {self.waits_for}" if self.waits_for else text)

    def _failure(
        self,
        api: RestApi | None,
        error: Exception,
        method: str,
        path: str,
        context: RequestContext | None,
        endpoint: Endpoint | None = None,
    ) -> Answer:
        """The answer to a request of an API, for ``endpoint`` if it has come so far, that ended with ``error``."""
        shape = None if endpoint is None else endpoint.failed
        answer = api.failure(error) if api is not None and shape is None else None
        if answer is not None:
            return answer
        if isinstance(error, HTTPRequestEntityTooLarge) and api is not None:
            large = self._too_large(api, method, path)
            answer = errors.answer(large)._replace(status=413) if shape is None else self._shaped(shape, large, context)
            return answer._replace(close=True)  # what remains of the body is not read
        if isinstance(error, HttpProcessingError):  # what framed the body
            return errors.page(error.code)
        if isinstance(error, ConnectionError):  # the client has gone, and with it the rest of the body
            return errors.answer(client_gone())
        if shape is None or not isinstance(error, ServingError):
            logger.error("Answering %s %s failed", method, path, exc_info=error, extra=named(context))
            error = ServingError(Code.INTERNAL, "Internal error; the server's log has the details")
        return errors.answer(error) if shape is None else self._shaped(shape, error, context)

    def _shaped(
        self, shape: Callable[[ServingError], Answer], error: ServingError, context: RequestContext | None
    ) -> Answer:
        """The answer of an endpoint that has errors of its own, whose HTTP status need not tell that it is one."""
        if context is not None and context.record is not None:
            context.record.failed(error)
        return shape(error)

    async def _metrics_page(self, path: str, context: RequestContext, *, openmetrics: bool = False) -> Answer:
        # Hundreds of models are megabytes of text. Calls of models have threads of their own, so it waits for none.
        try:
            page = await asyncio.to_thread(self._page, context, openmetrics)
        except ServingError as error:
            return errors.answer(error)
        if path != self._metrics_path:
            return Answer(400, f"Unexpected path: {path}. Should be {self._metrics_path}".encode(), b"text/plain")
        return Answer(200, page, OPENMETRICS if openmetrics else b"text/plain")

    def _ready_now(self) -> bool:
        return self.opened and self._ready()

    def _options(self, request: web.BaseRequest) -> Answer:
        origin = request.headers.get("Origin", "")
        allowed = self._cors.allows(origin)
        if allowed:
            series = self._metrics.series("REST", "", "")
            series.succeeded(series.clock())
        else:
            self._metrics.refused("", Code.FAILED_PRECONDITION)
        return Answer(200 if allowed else 400, b"", LIBRARY_DEFAULT, self._cors.preflight(origin))


def _without_query(path: str) -> str:
    return path.partition("#")[0].partition("?")[0]
