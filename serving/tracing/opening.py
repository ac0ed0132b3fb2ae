"""From --tracing to what sends traces; nothing of OpenTelemetry's packages is imported before it is needed here."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from serving.errors import invalid_configuration
from serving.telemetry.metrics import Registry

if TYPE_CHECKING:
    from serving.tracing.spans import Traced
    from serving.tracing.tracer import Tracing

PROTOCOLS = ("http/protobuf", "grpc")


def open_tracing(protocol: str, registry: Registry, *, rest_tls: bool, traced: "Traced | None" = None) -> "Tracing":
    """What is to be told of requests, to send spans by this ``protocol`` of OTLP, the first of them if it is empty.

    It counts in ``registry``. Raises ConfigurationError if it cannot be.
    """
    protocol = protocol.strip() or PROTOCOLS[0]
    if protocol not in PROTOCOLS:
        raise invalid_configuration(
            f"OTEL_EXPORTER_OTLP_PROTOCOL is {protocol!r}; expected {' or '.join(PROTOCOLS)} for --tracing"
        )
    dropped = registry.counter("/serving/tracing_dropped_requests").child()
    lost = registry.counter("/serving/tracing_lost_spans").child()
    return _imported()(protocol, "https" if rest_tls else "http", traced, dropped.add, lost.add)


def _imported() -> "Callable[..., Tracing]":
    try:
        from serving.tracing.sending import start
    except ImportError as error:
        raise invalid_configuration(
            "--tracing needs OpenTelemetry's packages, which the extra tracing of this distribution has: "
            f"pip install 'tensorflow-serving-appliance[tracing]'. {error}"
        ) from error
    return start
