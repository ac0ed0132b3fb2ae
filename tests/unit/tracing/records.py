"""Records of requests that have ended, and spans that are kept."""

from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, Sampler, StaticSampler

from serving.inference.record import RequestRecord, TraceHeaders
from serving.tracing.spans import Spans, TraceIds

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
ARRIVED = 1_000_000_000.0
NOTHING = TraceHeaders("", "", "", "")


def headers(trace: str = TRACE, *, sampled: bool = True, state: str = "") -> TraceHeaders:
    return TraceHeaders(f"00-{trace}-{PARENT}-{'01' if sampled else '00'}", state, "", "")


def record(trace: TraceHeaders | None = NOTHING, **values: Any) -> RequestRecord:
    """A Predict over gRPC that took a second, unless ``values`` say otherwise."""
    made = RequestRecord("GRPC", "/a.B/Predict", "ipv4:10.0.0.1:80", "tfs", "id", ARRIVED, 5.0)
    made.trace, made.api, made.seconds = trace, "Predict", 1.0
    for name, value in values.items():
        setattr(made, name, value)
    return made


class Kept:
    """``spans`` makes them; ``ended`` has those that are to be sent, ``told`` what was said of the requests'."""

    def __init__(self, sampler: Sampler | None = None) -> None:
        self._exporter = InMemorySpanExporter()
        ids = TraceIds()
        provider = TracerProvider(sampler or everything(), id_generator=ids, shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.told: list[tuple[RequestRecord, str, str]] = []
        self.spans = Spans(provider.get_tracer("test"), ids, "http", lambda *said: self.told.append(said))

    @property
    def ended(self) -> list[ReadableSpan]:
        return list(self._exporter.get_finished_spans())

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.ended if span.name == name]


def everything() -> Sampler:
    return ParentBased(StaticSampler(Decision.RECORD_AND_SAMPLE))
