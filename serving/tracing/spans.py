"""Records of requests as spans: one for the request, and below it one for each of its stages; not where they go.

Batches are spans of their own, below the first of their members that is sampled, with links to all of these. It belongs
to one thread.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import Link, Span, SpanKind, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from serving.core.batch_run import BatchRun
from serving.inference.record import RequestRecord, TraceHeaders
from serving.tracing.conventions import Stage, described, is_probe, stages

BATCH_PATIENCE_SECONDS = 5.0
"""How long after its end a batch waits for members that have not ended; some never do so as its members."""

Traced = Callable[[RequestRecord, str, str], object]
"""Is told of a request of which a span is sent: the ids of the trace and of the span, in hexadecimal."""


class TraceIds(RandomIdGenerator):
    """Random ids; but ``first``, if it is not 0, is that of the next trace."""

    first = 0

    def generate_trace_id(self) -> int:
        """128 bits."""
        given, self.first = self.first, 0
        return given or super().generate_trace_id()


@dataclass(slots=True)
class _Batch:
    """A batch some of whose ``missing`` members have not ended; without a span none of the others is sampled."""

    span: Span | None
    missing: int


class Spans:
    """``tracer`` makes them, with trace ids of ``ids``; ``scheme`` is that of REST's URLs."""

    def __init__(
        self, tracer: Tracer, ids: TraceIds, scheme: str = "http", traced: Traced = lambda record, trace, span: None
    ) -> None:
        self._tracer = tracer
        self._ids = ids
        self._scheme = scheme
        self._traced = traced
        self._propagator = CompositePropagator([TraceContextTextMapPropagator(), W3CBaggagePropagator()])
        self._batches: dict[BatchRun, _Batch] = {}

    @property
    def waits(self) -> bool:
        """Whether there are batches of which not all members have ended."""
        return bool(self._batches)

    def make(self, record: RequestRecord) -> None:
        """A request has ended. Probes have traces only if who asks has."""
        if record.trace is None or (is_probe(record) and not record.trace.parent):
            return
        span = self._begin(record, record.trace)
        batches = [batch for each in record.batches if (batch := self._joined(each, span, record)) is not None]
        if not span.is_recording():
            return
        for stage in stages(record):
            self._stage(record, span, stage, batches)
        span.end(_nanoseconds(record.arrived + record.seconds))
        context = span.get_span_context()
        if context.trace_flags.sampled:
            self._traced(record, f"{context.trace_id:032x}", f"{context.span_id:016x}")

    def end_batches(self, before: float) -> None:
        """Wait no longer for members of batches that had ended ``before``, in Unix time."""
        for run in [run for run in self._batches if run.ended < before]:
            self._end(run, self._batches[run])

    def _begin(self, record: RequestRecord, trace: TraceHeaders) -> Span:
        carrier: Mapping[str, str] = {
            name: value
            for name, value in zip(("traceparent", "tracestate", "baggage"), trace[:3], strict=True)
            if value
        }
        self._ids.first = int(trace.new_id, 16) if trace.new_id else 0
        name, attributes, error = described(record, self._scheme)
        span = self._tracer.start_span(
            name,
            self._propagator.extract(carrier, Context()),
            SpanKind.SERVER,
            attributes,
            start_time=_nanoseconds(record.arrived),
        )
        if error:
            span.set_status(StatusCode.ERROR, record.error or None)
        return span

    def _stage(self, record: RequestRecord, request: Span, stage: Stage, batches: list[Span]) -> None:
        attributes = {"serving.waits_for": stage.waits_for} if stage.waits_for else None
        links = [Link(batch.get_span_context()) for batch in batches] if stage.name == "run" else ()
        span = self._tracer.start_span(
            stage.name,
            set_span_in_context(request, Context()),
            attributes=attributes,
            links=links,
            start_time=_nanoseconds(record.arrived + stage.began),
        )
        span.end(_nanoseconds(record.arrived + stage.ended))

    def _joined(self, run: BatchRun, member: Span, record: RequestRecord) -> Span | None:
        """The span of a batch, which ``member`` was in; None if that is not sampled."""
        batch = self._batches.setdefault(run, _Batch(None, run.members))
        batch.missing -= 1
        if member.is_recording():
            if batch.span is None:
                batch.span = self._begin_batch(run, member, record)
            batch.span.add_link(member.get_span_context())
        if batch.missing <= 0:
            self._end(run, batch)
        return batch.span if member.is_recording() else None

    def _begin_batch(self, run: BatchRun, member: Span, record: RequestRecord) -> Span:
        attributes: dict[str, str | int] = {
            "serving.batch.size": run.members,
            "serving.batch.rows": run.rows,
            "serving.model": record.model,
            "serving.version": record.version or 0,
        }
        return self._tracer.start_span(
            "batch",
            set_span_in_context(member, Context()),
            attributes=attributes,
            start_time=_nanoseconds(run.began),
        )

    def _end(self, run: BatchRun, batch: _Batch) -> None:
        del self._batches[run]
        if batch.span is not None:
            batch.span.end(_nanoseconds(run.ended))


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
