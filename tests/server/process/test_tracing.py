"""What --tracing needs, what it costs a server without it, and what becomes of spans when nobody takes them."""

import socket
import sys
from collections.abc import Iterator, Mapping
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.collector import Collector, Span, spans_in
from tests.support.server_process import ServerProcess, wait_until

PATH = "/v1/models/half_plus_two:predict"
BODY = '{"instances": [1.0]}'
BLOCKED = "import sys; sys.modules['opentelemetry'] = None; from serving.cli import main; sys.exit(main(sys.argv[1:]))"


@pytest.fixture
def flags(models: Path) -> list[str]:
    return ["--model_name=half_plus_two", f"--model_base_path={models / 'half_plus_two'}", "--optimize=off"]


def ask(server: ServerProcess, **headers: str) -> str:
    """Send one request that begins a trace; its id."""
    trace = uuid4().hex
    status, _ = server.rest("POST", PATH, BODY, {"traceparent": f"00-{trace}-b7ad6b7169203331-01", **headers})
    assert status == 200
    return trace


@pytest.mark.parametrize(
    ("flag", "environment", "text"),
    [
        ("--tracing=jaeger", {}, "--tracing is 'jaeger'; expected otlp, or nothing for none"),
        (
            "--tracing=otlp",
            {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"},
            "OTEL_EXPORTER_OTLP_PROTOCOL is 'http/json'; expected http/protobuf or grpc for --tracing",
        ),
    ],
)
def test_what_cannot_be_ends_the_start(flags: list[str], flag: str, environment: Mapping[str, str], text: str) -> None:
    """With what was given and what is expected."""
    server = ServerProcess([*flags, flag], wait=False, environment=environment)
    assert server.wait() == 255
    assert text in "".join(server.output)


def test_packages_that_are_not_there_end_the_start(flags: list[str]) -> None:
    """With the extra that has them."""
    server = ServerProcess([*flags, "--tracing=otlp"], wait=False, command=(sys.executable, "-c", BLOCKED))
    assert server.wait() == 255
    assert "the extra tracing" in "".join(server.output)
    assert "pip install 'tensorflow-serving-appliance[tracing]'" in "".join(server.output)


def test_who_traces_nothing_does_without_the_packages(flags: list[str]) -> None:
    """They are not imported, and the server starts where they are not."""
    with ServerProcess(flags, command=(sys.executable, "-X", "importtime", "-c", BLOCKED)) as server:
        ask(server)
    imported = [line.rsplit("|", 1)[1].strip() for line in server.output if line.startswith("import time:")]
    assert "serving.composition" in imported
    assert [name for name in imported if name.startswith(("opentelemetry", "serving.tracing", "requests"))] == []


def test_the_last_spans_are_sent_before_the_end(flags: list[str]) -> None:
    """Without their wait for others."""
    with Collector() as collector:
        with ServerProcess([*flags, "--tracing=otlp"], environment=collector.environment) as server:
            traces = [ask(server) for _ in range(3)]
        assert [len([span for span in collector.of(trace) if span.kind == "SERVER"]) for trace in traces] == [1, 1, 1]


def test_the_environment_names_the_service_and_the_sampler(flags: list[str]) -> None:
    """OTEL_SERVICE_NAME, and a sampler that takes nothing whatever the parent says; one by one."""
    with Collector() as collector:
        named = {"OTEL_SERVICE_NAME": "mine", **collector.environment}
        with ServerProcess([*flags, "--tracing=otlp"], environment=named) as server:
            trace = ask(server)
            assert collector.request(trace).resource["service.name"] == "mine"
        nothing = {"OTEL_TRACES_SAMPLER": "always_off", **collector.environment}
        with ServerProcess([*flags, "--tracing=otlp"], environment=nothing) as server:
            trace = ask(server)
        assert collector.of(trace) == []


def test_a_collector_that_is_down_fails_nothing(flags: list[str]) -> None:
    """Requests are answered, the log has one line, and the end is not held up."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        down = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{nobody.getsockname()[1]}"}
        with ServerProcess([*flags, "--tracing=otlp", "--drain_grace_seconds=60"], environment=down) as server:
            ask(server)
            server.wait_for("OpenTelemetry: Transient error")
            ask(server)
            server.terminate()
            assert server.wait(20) == 0
    assert len([line for line in server.output if "OpenTelemetry" in line]) == 1
    assert "The collector of traces took too long" in "".join(server.output)


def test_a_collector_that_never_answers_does_not_hold_up_the_end(flags: list[str]) -> None:
    """Though the grace of the drain is a minute."""
    with (
        Collector(takes=False) as collector,
        ServerProcess(
            [*flags, "--tracing=otlp", "--drain_grace_seconds=60"], environment=collector.environment
        ) as server,
    ):
        trace = ask(server)
        collector.request(trace)
        server.terminate()
        assert server.wait(20) == 0


@contextmanager
def collecting_by_grpc(spans: list[Span]) -> Iterator[int]:
    """A collector of the other protocol, on the port that it gives."""

    def export(payload: bytes, context: Any) -> bytes:
        spans.extend(spans_in(ExportTraceServiceRequest.FromString(payload)))
        return b""

    methods = {"Export": grpc.unary_unary_rpc_method_handler(export)}
    service = grpc.method_handlers_generic_handler("opentelemetry.proto.collector.trace.v1.TraceService", methods)
    server = grpc.server(futures.ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((service,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait()


@pytest.mark.parametrize("variable", ["OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"])
def test_spans_go_by_grpc_if_the_environment_says_so(flags: list[str], variable: str) -> None:
    """As OpenTelemetry's specification has it."""
    spans: list[Span] = []
    with collecting_by_grpc(spans) as port:
        environment = {variable: "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}"}
        with ServerProcess([*flags, "--tracing=otlp"], environment=environment) as server:
            trace = ask(server)
            wait_until("a span", lambda: any(span.trace == trace for span in spans))
