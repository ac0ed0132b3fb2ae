"""OpenTelemetry's SDK set up for this server, by its own environment variables; imported only by who sends traces."""

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter

from serving.errors import invalid_configuration
from serving.telemetry import log
from serving.tracing.quiet import quiet
from serving.tracing.spans import Spans, Traced, TraceIds
from serving.tracing.tracer import Count, EndedSpans, Tracing

_SERVICE = "tensorflow_model_server"
_WORKER = "serving.worker"
_NO_NAME = "unknown_service"
"""How the SDK's name begins for who has none."""


def start(protocol: str, scheme: str, traced: Traced | None, dropped: Count, lost: Count) -> Tracing:
    """What sends traces. Raises ConfigurationError for variables that cannot be used."""
    ids, ended = TraceIds(), EndedSpans()
    try:
        exporter = _exporter(protocol)
        provider = TracerProvider(resource=_resource(), id_generator=ids, shutdown_on_exit=False)
    except (ValueError, OSError, RuntimeError) as error:
        raise invalid_configuration(f"--tracing: OpenTelemetry's environment variables: {error}") from error
    provider.add_span_processor(ended)
    spans = Spans(provider.get_tracer("serving"), ids, scheme, *([traced] if traced is not None else []))
    tracing = Tracing(spans, ended, exporter, dropped, lost)
    quiet(tracing.complained)
    return tracing


def _exporter(protocol: str) -> SpanExporter:
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

        return OTLPSpanExporter()
    return HttpExporter()


def _resource() -> Resource:
    """What the environment says of the server, a name for it if that has none, and which of several workers this is."""
    found = Resource.create()
    if str(found.attributes.get(SERVICE_NAME, "")).startswith(_NO_NAME):
        found = found.merge(Resource({SERVICE_NAME: _SERVICE}))
    worker = log.worker()
    if worker is None:
        return found
    instance = found.attributes.get(SERVICE_INSTANCE_ID, _SERVICE)
    return found.merge(Resource({SERVICE_INSTANCE_ID: f"{instance}/worker-{worker}", _WORKER: worker}))
