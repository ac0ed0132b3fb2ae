"""A policy stands in every way in: asked once for each request, before a tensor is decoded, and told who asks what."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.server.doors.refusing import ASKED, TEXT
from tests.server.doors.ways_in import LARGE, OTHERS, PREDICTS, Outcome, Way, proto, rest, rpc
from tests.server.telemetry.metrics_page import monitoring, points
from tests.support.raw import RawConnection, request
from tests.support.server_process import START_SECONDS, ServerProcess, write_model_config

WAYS = (*PREDICTS, *OTHERS)
READING = [way for way in WAYS if way.broken]
COUNTED = [way for way in WAYS if way.counted]
STATUS = {"REST": {"UNAUTHENTICATED": "HTTP 401", "PERMISSION_DENIED": "HTTP 403"}, "GRPC": {}}
FREE = rest("POST", "/v1/models/half_plus_three:predict")
RELOAD = rpc("/tensorflow.serving.ModelService/HandleReloadConfigRequest")

REFUSED = pytest.mark.parametrize(
    ("team", "code"),
    [pytest.param(None, "UNAUTHENTICATED", id="nobody"), pytest.param("b", "PERMISSION_DENIED", id="another team")],
)


class Guarded:
    """A server with the policy of ``refusing.py``."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server

    def ask(self, way: Way, team: str | None, payload: bytes | None = None) -> tuple[Outcome, list[Mapping[str, Any]]]:
        """What comes of a request, and what the policy was told of it, once for each time that it was asked."""
        request_id = uuid4().hex
        team_of = {} if team is None else {"x-team": team}
        sent = way.payload if payload is None else payload
        outcome = way.send(self.server, sent, {"x-request-id": request_id, **team_of})
        return outcome, self.asked(request_id)

    def asked(self, request_id: str) -> list[Mapping[str, Any]]:
        """What the policy was told of an answered request; a later one shows that all of it is there."""
        later = uuid4().hex
        assert FREE(self.server, b'{"instances": [1.0]}', {"x-request-id": later}) == Outcome("OK")
        self.server.wait_for(later)
        lines = [line.removeprefix(ASKED) for line in self.server.output if line.startswith(ASKED)]
        return [each for each in map(json.loads, lines) if each["request_id"] == request_id]

    def refused(self, model: str, status: str) -> float:
        """How many requests for a model ended so, as the metrics page says."""
        return points(self.server).get(
            f':tensorflow:serving:request_count{{model_name="{model}",status="{status}"}}', 0.0
        )


@pytest.fixture(scope="module")
def config(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration of two models."""
    names = ("half_plus_two", "half_plus_three")
    return write_model_config(
        tmp_path_factory.mktemp("policy") / "models.config", {name: models / name for name in names}
    )


@pytest.fixture(scope="module")
def guarded(config: Path) -> Iterator[Callable[[str], Guarded]]:
    """The server with a gRPC transport, started when first asked for; it must end well and log no traceback."""
    started: dict[str, Guarded] = {}
    with ExitStack() as stack:

        def start(transport: str) -> Guarded:
            if transport not in started:
                flags = [
                    f"--model_config_file={config}",
                    f"--grpc_transport={transport}",
                    "--enable_grpc_healthcheck_service",
                    monitoring(config.parent, "prometheus_config { enable: true }"),
                ]
                command = (sys.executable, "-m", "tests.server.doors.refusing")
                started[transport] = Guarded(stack.enter_context(ServerProcess(flags, command=command)))
            return started[transport]

        yield start
    for each in started.values():
        assert each.server.process.returncode == 0, each.server.output
        assert "Traceback" not in "".join(each.server.output)


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_answered_as_ever_with_the_header(guarded: Callable[[str], Guarded], way: Way) -> None:
    """The policy is asked once, and is told of door, protocol, peer, headers, deadline, id, address and size."""
    outcome, asked = guarded(way.transport).ask(way, "a")
    assert outcome == Outcome("OK")
    (seen,) = asked
    assert (seen["door"], seen["protocol"], tuple(seen["address"])) == (way.door, way.protocol, way.address)
    assert seen["team"] == "a"
    assert seen["peer"]
    assert 0 < seen["timeout_ms"] <= START_SECONDS * 1000 + 1000  # a client may round it up to few digits
    assert seen["size"] == len(way.payload)


@pytest.mark.parametrize("way", PREDICTS, ids=str)
def test_names_of_headers_are_in_lower_case(guarded: Callable[[str], Guarded], way: Way) -> None:
    """Whatever the client or the door writes, so that a policy can look through them."""
    _, (seen,) = guarded(way.transport).ask(way, "a")
    assert {"x-team", "x-request-id"} <= set(seen["names"])
    assert seen["names"] == [name.lower() for name in seen["names"]]


@pytest.mark.parametrize("way", [way for way in PREDICTS if way.door == "REST"], ids=str)
def test_last_of_a_header_counts(guarded: Callable[[str], Guarded], way: Way) -> None:
    """Of fields with one name a policy sees the last, at every door."""
    request_id = uuid4().hex
    headers = {"x-team": "b", "X-Team": "a", "x-request-id": request_id}
    assert way.send(guarded(way.transport).server, way.payload, headers) == Outcome("OK")


@REFUSED
@pytest.mark.parametrize("way", WAYS, ids=str)
def test_refused_without_it(guarded: Callable[[str], Guarded], way: Way, team: str | None, code: str) -> None:
    """With the status that the door has for the policy's code, and its text."""
    outcome, asked = guarded(way.transport).ask(way, team)
    assert outcome == Outcome(STATUS[way.door].get(code, code), TEXT)
    assert len(asked) == 1


@pytest.mark.parametrize("way", READING, ids=str)
def test_refused_before_tensors_are_decoded(guarded: Callable[[str], Guarded], way: Way) -> None:
    """Who may not ask learns nothing of a request that cannot be read; who may learns what is wrong with it."""
    server = guarded(way.transport)
    outcome, asked = server.ask(way, "b", way.broken)
    assert outcome == Outcome(STATUS[way.door].get("PERMISSION_DENIED", "PERMISSION_DENIED"), TEXT)
    assert len(asked) == 1
    outcome, asked = server.ask(way, "a", way.broken)
    assert outcome.status in ("INVALID_ARGUMENT", "INTERNAL", "HTTP 400")
    assert outcome.text != TEXT
    assert len(asked) == 1


@pytest.mark.parametrize("way", COUNTED, ids=str)
def test_refusals_are_counted(guarded: Callable[[str], Guarded], way: Way) -> None:
    """For the model that was asked for, with the policy's code."""
    server, model = guarded(way.transport), way.address[0]
    before = server.refused(model, "PERMISSION_DENIED")
    server.ask(way, "b")
    assert server.refused(model, "PERMISSION_DENIED") == before + 1


@pytest.mark.parametrize("way", LARGE, ids=str)
def test_large_requests_are_admitted_once(guarded: Callable[[str], Guarded], way: Way) -> None:
    """In the thread of the door, though a worker reads them."""
    outcome, asked = guarded(way.transport).ask(way, "a")
    assert (outcome, len(asked)) == (Outcome("OK"), 1)
    assert asked[0]["size"] == len(way.payload)
    assert not asked[0]["thread"].startswith("worker")
    outcome, asked = guarded(way.transport).ask(way, "b")
    assert (outcome.text, len(asked)) == (TEXT, 1)


def test_requests_of_one_connection_are_admitted_each(guarded: Callable[[str], Guarded]) -> None:
    """Heads that the lane has read before are no way past the policy."""
    server, request_id = guarded("native"), uuid4().hex
    fields = ("X-Team: b", f"X-Request-Id: {request_id}")
    written = request("POST", "/v1/models/half_plus_two:predict", b'{"instances": [1.0]}', *fields)
    with RawConnection(server.server.rest_port) as connection:
        connection.send(written * 3)
        assert [connection.response().status for _ in range(3)] == [403] * 3
    assert len(server.asked(request_id)) == 3


@pytest.mark.parametrize("transport", ["native", "grpcio"])
def test_reload_is_refused(guarded: Callable[[str], Guarded], config: Path, transport: str) -> None:
    """Another list of models is for no model; with the header it takes effect."""
    way = Way(
        name="reload",
        send=RELOAD,
        payload=proto("tensorflow.serving.ReloadConfigRequest", f"config {{ {config.read_text()} }}"),
    )
    server = guarded(transport)
    outcome, asked = server.ask(way, "b")
    assert (outcome, len(asked)) == (Outcome("PERMISSION_DENIED", TEXT), 1)
    outcome, asked = server.ask(way, "a")
    assert (outcome, len(asked), asked[0]["address"][0]) == (Outcome("OK"), 1, "")


@pytest.mark.parametrize("transport", ["native", "grpcio"])
@pytest.mark.parametrize("method", ["Predict", "Classify", "MultiInference", "GetModelMetadata"])
def test_bytes_that_are_no_message(guarded: Callable[[str], Guarded], transport: str, method: str) -> None:
    """What has no address is the error that it is without a policy."""
    way = Way(name=method, send=rpc(f"/tensorflow.serving.PredictionService/{method}"), payload=b"\xff")
    outcome, _ = guarded(transport).ask(way, "a")
    assert outcome.status == "INTERNAL"
    assert outcome.text.startswith("Cannot parse the request of 1 bytes; expected a tensorflow.serving.")


def test_others_need_no_header(guarded: Callable[[str], Guarded]) -> None:
    """The policy is about some models, and lets others be."""
    assert FREE(guarded("native").server, b'{"instances": [1.0]}', {}) == Outcome("OK")
