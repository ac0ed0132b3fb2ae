"""A collector of OpenTelemetry traces that takes OTLP over HTTP, for servers that send them; it keeps every span."""

import asyncio
import gzip
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Message

from tests.support.server_process import wait_until


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One span as it came; ids are hexadecimal, times are Unix time in nanoseconds, ``links`` are ids of spans."""

    name: str
    kind: str
    trace: str
    id: str
    parent: str
    began: int
    ended: int
    status: str
    text: str
    state: str
    attributes: Mapping[str, Any]
    links: Sequence[str]
    resource: Mapping[str, Any]


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}


def spans_in(request: ExportTraceServiceRequest) -> list[Span]:
    """Every span of a message."""
    return [
        Span(
            name=span.name,
            kind=Message.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
            trace=span.trace_id.hex(),
            id=span.span_id.hex(),
            parent=span.parent_span_id.hex(),
            began=span.start_time_unix_nano,
            ended=span.end_time_unix_nano,
            status=span.status.StatusCode.Name(span.status.code).removeprefix("STATUS_CODE_"),
            text=span.status.message,
            state=span.trace_state,
            attributes=_values(span.attributes),
            links=[link.span_id.hex() for link in span.links],
            resource=_values(part.resource.attributes),
        )
        for part in request.resource_spans
        for scope in part.scope_spans
        for span in scope.spans
    ]


class Collector:
    """Listens on ``port`` of 127.0.0.1 while it is entered. ``headers`` are those of the last message.

    With ``takes`` False it reads what is sent and never answers.
    """

    def __init__(self, *, takes: bool = True) -> None:
        self.spans: list[Span] = []
        self.headers: Mapping[str, str] = {}
        self.port = 0
        self._takes = takes
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=[self._serve()], daemon=True)

    def __enter__(self) -> "Collector":
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(10)
        self._loop.close()

    @property
    def environment(self) -> dict[str, str]:
        """What sends traces here."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.port}"}

    def of(self, trace: str) -> list[Span]:
        """The spans of one trace, so far."""
        return [span for span in self.spans if span.trace == trace]

    def request(self, trace: str, **attributes: Any) -> Span:
        """The span of the one request in a trace with these attributes, once it has come."""

        def found() -> list[Span]:
            return [
                span
                for span in self.of(trace)
                if span.kind == "SERVER" and attributes.items() <= span.attributes.items()
            ]

        wait_until(f"a span of {trace} with {attributes}", lambda: bool(found()), 20)
        (span,) = found()
        return span

    def below(self, parent: Span) -> list[Span]:
        """The spans directly below another, in order."""
        return sorted((span for span in self.spans if span.parent == parent.id), key=lambda span: span.began)

    async def _serve(self) -> None:
        app = web.Application(client_max_size=2**26)
        app.router.add_post("/v1/traces", self._take)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        self._ready.set()
        await self._stopping.wait()
        await runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        if request.headers.get("Content-Encoding") == "gzip" and body.startswith(b"\x1f\x8b"):
            body = gzip.decompress(body)
        self.headers = dict(request.headers)
        self.spans += spans_in(ExportTraceServiceRequest.FromString(body))
        if not self._takes:
            await self._stopping.wait()
        return web.Response(body=b"", content_type="application/x-protobuf")
