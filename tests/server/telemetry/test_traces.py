"""Traces of requests on every way in, as a collector gets them."""

import itertools
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import grpc
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.server.doors.clients import Target, floats, predict_request
from tests.support.collector import Collector
from tests.support.raw import RawConnection, Response, request
from tests.support.server_process import ServerProcess, write_model_config

PREDICT = "tensorflow.serving.PredictionService/Predict"
PATH = "/v1/models/half_plus_two:predict"
BODY = b'{"instances": [1.0]}'
PARENT = "b7ad6b7169203331"
MEMBERS = 4
BATCHING = f"""
max_batch_size {{ value: {MEMBERS} }} batch_timeout_micros {{ value: 5000000 }}
max_enqueued_batches {{ value: 100 }}
"""


@dataclass(frozen=True, slots=True)
class Traced:
    """A server, and the collector of its traces."""

    server: ServerProcess
    collector: Collector

    def predict(self, model: str, parent: str, *more: tuple[str, str], signature: str = "") -> None:
        """Over gRPC. Raises RpcError."""
        with self.server.channel() as channel:
            payload = predict_request(Target(model=model, signature=signature), {"x": floats(1)})
            channel.unary_unary(f"/{PREDICT}")(payload, metadata=(("traceparent", parent), *more))

    def post(self, path: str, parent: str, *more: str, body: bytes = BODY) -> Response:
        """Over REST."""
        return exchanged(self.server, "POST", path, body, f"traceparent: {parent}", *more)


def exchanged(server: ServerProcess, method: str, path: str, body: bytes, *headers: str) -> Response:
    with RawConnection(server.rest_port) as connection:
        connection.send(request(method, path, body, *headers))
        return connection.response()


def parent_of(trace: str, *, sampled: bool = True) -> str:
    return f"00-{trace}-{PARENT}-{'01' if sampled else '00'}"


@pytest.fixture(scope="module", params=["native", "grpcio"])
def traced(request: pytest.FixtureRequest, models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traced]:
    """Two models, one of them slow, and alone in batches, which wait until they are full."""
    directory = tmp_path_factory.mktemp("traces")
    shutil.copytree(models / "slow", directory / "slow")
    for version in (directory / "slow").iterdir():
        (version / "batching_params.pbtxt").write_text(BATCHING)
    base_paths = {"half_plus_two": models / "half_plus_two", "slow": directory / "slow"}
    config = write_model_config(directory / "models.config", base_paths)
    flags = (
        f"--model_config_file={config}",
        f"--grpc_transport={request.param}",
        "--enable_batching",
        "--enable_per_model_batching_parameters",
        "--tracing=otlp",
        "--optimize=off",
    )
    with ExitStack() as stack:
        collector = stack.enter_context(Collector())
        environment = {
            **collector.environment,
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
            "OTEL_EXPORTER_OTLP_HEADERS": "x-tenant=me",
        }
        yield Traced(stack.enter_context(ServerProcess(flags, environment=environment)), collector)


def test_a_call_is_a_span_below_its_parent(traced: Traced) -> None:
    """Over gRPC: in the parent's trace, with its state, in the words of the conventions and in ours."""
    trace = uuid4().hex
    traced.predict("half_plus_two", parent_of(trace), ("tracestate", "vendor=1"), ("x-request-id", "mine"))
    span = traced.collector.request(trace)
    assert (span.name, span.parent, span.state, span.status) == (PREDICT, PARENT, "vendor=1", "UNSET")
    expected = {
        "rpc.system.name": "grpc",
        "rpc.method": PREDICT,
        "rpc.response.status_code": "OK",
        "serving.model": "half_plus_two",
        "serving.version": 124,
        "serving.signature": "serving_default",
        "serving.engine": "tensorflow",
        "serving.request_id": "mine",
        "serving.code": "OK",
        "client.address": "127.0.0.1",
    }
    assert {name: span.attributes.get(name) for name in expected} == expected
    assert span.resource["service.name"] == "tensorflow_model_server"
    assert span.resource["deployment.environment.name"] == "test"
    assert traced.collector.headers["x-tenant"] == "me"


def test_a_rest_request_is_named_by_its_route(traced: Traced) -> None:
    """Not by the model in its path; and its id is that of the trace."""
    trace = uuid4().hex
    response = traced.post(f"{PATH}?a=b".replace(":predict?a=b", "/versions/124:predict"), parent_of(trace))
    assert response.headers["x-request-id"] == trace
    span = traced.collector.request(trace)
    assert span.name == "POST /v1/models/{model}/versions/{version}:predict"
    expected = {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "http.route": "/v1/models/{model}/versions/{version}:predict",
        "url.path": "/v1/models/half_plus_two/versions/124:predict",
        "url.scheme": "http",
        "serving.model": "half_plus_two",
        "serving.request_id": trace,
    }
    assert {name: span.attributes.get(name) for name in expected} == expected
    assert span.parent == PARENT


@pytest.mark.parametrize("door", ["REST", "GRPC"])
def test_stages_fill_the_span_of_the_request(traced: Traced, door: str) -> None:
    """One after the other, from its begin to its end; what took no time has none."""
    trace = uuid4().hex
    if door == "REST":
        traced.post(PATH, parent_of(trace))
    else:
        traced.predict("half_plus_two", parent_of(trace))
    span = traced.collector.request(trace)
    below = traced.collector.below(span)
    assert [span.name for span in below if span.name != "queue"] == ["decode", "run", "encode"]
    assert below[0].began == span.began
    assert abs(below[-1].ended - span.ended) < 10_000
    assert all(abs(before.ended - after.began) < 10_000 for before, after in itertools.pairwise(below))


@pytest.mark.parametrize("door", ["REST", "GRPC"])
def test_a_batch_is_one_span_with_links_to_its_members(traced: Traced, door: str) -> None:
    """Below the first of them; each waited in a queue, and its run has a link to the batch."""
    traces = [uuid4().hex for _ in range(MEMBERS)]

    def ask(trace: str) -> None:
        if door == "REST":
            assert traced.post("/v1/models/slow:predict", parent_of(trace)).status == 200
        else:
            traced.predict("slow", parent_of(trace))

    with ThreadPoolExecutor(MEMBERS) as pool:
        list(pool.map(ask, traces))
    members = [traced.collector.request(trace) for trace in traces]
    (batch,) = [span for trace in traces for span in traced.collector.of(trace) if span.name == "batch"]
    assert sorted(batch.links) == sorted(member.id for member in members)
    assert batch.parent in batch.links
    assert (batch.attributes["serving.batch.size"], batch.attributes["serving.batch.rows"]) == (MEMBERS, MEMBERS)
    assert batch.ended - batch.began >= 100e6
    for member in members:
        stages = {span.name: span for span in traced.collector.below(member)}
        assert stages["run"].links == [batch.id]
        assert stages["queue"].attributes["serving.waits_for"] == "batch"
        assert abs(stages["run"].began - batch.began) < 50e6


@pytest.mark.parametrize("door", ["REST", "GRPC"])
def test_what_the_parent_leaves_out_is_left_out(traced: Traced, door: str) -> None:
    """Its decision is in the flags: nothing is sent, while the next request's is."""
    unsampled, sampled = uuid4().hex, uuid4().hex
    for trace, flag in ((unsampled, False), (sampled, True)):
        if door == "REST":
            traced.post(PATH, parent_of(trace, sampled=flag))
        else:
            traced.predict("half_plus_two", parent_of(trace, sampled=flag))
    traced.collector.request(sampled)
    assert traced.collector.of(unsampled) == []


@pytest.mark.parametrize("given", ["", "00-zz-1-01", f"ff-{'a' * 32}-{PARENT}-01"])
def test_a_request_without_a_parent_begins_a_trace(traced: Traced, given: str) -> None:
    """Also one whose parent is none. Without one the id of the trace is that of the request, which the answer says."""
    headers = (f"traceparent: {given}",) if given else ()
    response = exchanged(traced.server, "POST", PATH, BODY, *headers)
    request_id = response.headers["x-request-id"]
    if not given:
        assert traced.collector.request(request_id).parent == ""
        return
    mark = uuid4().hex
    exchanged(traced.server, "POST", PATH, BODY, *headers, f"x-request-id: {mark}")
    after = uuid4().hex
    traced.post(PATH, parent_of(after))
    traced.collector.request(after)
    (span,) = [span for span in traced.collector.spans if span.attributes.get("serving.request_id") == mark]
    assert span.parent == ""
    assert span.trace not in given


@pytest.mark.parametrize(
    ("path", "body", "status", "code", "expected"),
    [
        pytest.param("/v1/models/none:predict", BODY, 404, "NOT_FOUND", "UNSET", id="no such model"),
        pytest.param(PATH, b"{", 400, "INVALID_ARGUMENT", "UNSET", id="no JSON"),
    ],
)
def test_a_clients_mistake_is_not_the_servers_error(
    traced: Traced, path: str, body: bytes, status: int, code: str, expected: str
) -> None:
    """As the conventions have it: the code says it, and the status of the span is unset."""
    trace = uuid4().hex
    assert traced.post(path, parent_of(trace), body=body).status == status
    span = traced.collector.request(trace)
    assert (span.status, span.attributes["serving.code"]) == (expected, code)
    assert "error.type" not in span.attributes


def test_a_method_that_is_not_there_names_no_span(traced: Traced) -> None:
    """Anybody can think of more of them; and it is an error by the conventions."""
    trace = uuid4().hex
    with traced.server.channel() as channel, pytest.raises(grpc.RpcError) as it:
        channel.unary_unary("/tensorflow.serving.PredictionService/Nothing")(
            b"", metadata=(("traceparent", parent_of(trace)),)
        )
    assert it.value.code() is grpc.StatusCode.UNIMPLEMENTED
    span = traced.collector.request(trace)
    assert (span.name, span.status) == ("grpc", "ERROR")
    assert span.attributes["rpc.method"] == "_OTHER"
    assert span.attributes["rpc.method_original"] == "tensorflow.serving.PredictionService/Nothing"
    assert span.attributes["error.type"] == "UNIMPLEMENTED"


OPENMETRICS = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,*/*;q=0.1"
"""What Prometheus sends."""


def test_a_scraper_finds_traces_in_the_histograms(traced: Traced) -> None:
    """One that asks for the format that has exemplars; the page of TensorFlow Serving's format has none."""
    trace = uuid4().hex
    traced.post(PATH, parent_of(trace))
    span = traced.collector.request(trace)
    page = exchanged(traced.server, "GET", "/metrics", b"", f"Accept: {OPENMETRICS}")
    assert page.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    families = {family.name: family for family in text_string_to_metric_families(page.body.decode())}
    for name in ("request_latency", "runtime_latency"):
        exemplars = [sample.exemplar for sample in families[f":tensorflow:serving:{name}"].samples if sample.exemplar]
        assert {"trace_id": trace, "span_id": span.id} in [exemplar.labels for exemplar in exemplars]
    for path, accept in (("/metrics", "text/plain"), ("/monitoring/prometheus/metrics", OPENMETRICS)):
        other = exchanged(traced.server, "GET", path, b"", f"Accept: {accept}")
        assert (other.headers["content-type"], trace.encode() in other.body) == ("text/plain", False)
    assert families["process_cpu_seconds"].type == "counter"
    assert families[":serving:tracing_dropped_requests"].samples[0].value == 0


def test_probes_begin_no_trace(traced: Traced) -> None:
    """Every few seconds one more would be noise; one that has a trace belongs to it."""
    exchanged(traced.server, "GET", "/healthz/ready", b"")
    trace = uuid4().hex
    exchanged(traced.server, "GET", "/healthz/ready", b"", f"traceparent: {parent_of(trace)}")
    assert traced.collector.request(trace).name == "GET /healthz/ready"
    ready = [span for span in traced.collector.spans if span.name == "GET /healthz/ready" and not span.parent]
    assert ready == []
