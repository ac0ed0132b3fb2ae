"""Records in the words of OpenTelemetry's semantic conventions."""

from typing import Any

import pytest

from serving.errors import Code
from serving.tracing.conventions import described, stages
from tests.unit.tracing.records import record


@pytest.mark.parametrize(
    ("method", "name", "route"),
    [
        ("GET /v1/models", "GET /v1/models", "/v1/models"),
        ("GET /v1/models/m", "GET /v1/models/{model}", "/v1/models/{model}"),
        (
            "POST /v1/models/m/labels/x:predict",
            "POST /v1/models/{model}/labels/{label}:predict",
            "/v1/models/{model}/labels/{label}:predict",
        ),
        ("GET /V1/models/m/METADATA", "GET /v1/models/{model}/metadata", "/v1/models/{model}/metadata"),
        ("POST /v1/models/m:steal", "POST", None),
        ("GET /v2", "GET /v2", "/v2"),
        ("GET /v2/health/live", "GET /v2/health/live", "/v2/health/live"),
        ("GET /v2/models/stats", "GET /v2/models/stats", "/v2/models/stats"),
        ("POST /v2/models/m/infer", "POST /v2/models/{model}/infer", "/v2/models/{model}/infer"),
        (
            "GET /v2/models/m/versions/3/ready",
            "GET /v2/models/{model}/versions/{version}/ready",
            "/v2/models/{model}/versions/{version}/ready",
        ),
        (
            "POST /v2/repository/models/m/unload",
            "POST /v2/repository/models/{model}/unload",
            "/v2/repository/models/{model}/unload",
        ),
        ("POST /v2/models/m/steal", "POST", None),
        ("GET /secret/path", "GET", None),
        ("GET /healthz/ready", "GET /healthz/ready", "/healthz/ready"),
        ("GET /healthz/1234", "GET", None),
        ("BREW /v1/models", "HTTP /v1/models", "/v1/models"),
    ],
)
def test_a_span_has_one_of_few_names(method: str, name: str, route: str | None) -> None:
    """Whatever clients think of."""
    found = described(record(door="REST", method=method, status=200), "http")
    assert (found.name, found.attributes.get("http.route")) == (name, route)


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ("ipv4:10.0.0.1:80", ("10.0.0.1", 80)),
        ("ipv6:[::1]:80", ("::1", 80)),
        ("ipv6:%5B::1%5D:80", ("::1", 80)),
        ("10.0.0.1", ("10.0.0.1", None)),
        ("::1", ("::1", None)),
        ("unix:", ("unix:", None)),
        ("", (None, None)),
    ],
)
def test_a_client_has_an_address(peer: str, expected: tuple[str | None, int | None]) -> None:
    """As each door tells it."""
    attributes = described(record(peer=peer), "http").attributes
    assert (attributes.get("client.address"), attributes.get("client.port")) == expected


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"code": Code.OK}, ""),
        ({"code": Code.NOT_FOUND}, ""),
        ({"code": Code.RESOURCE_EXHAUSTED}, ""),
        ({"code": Code.DEADLINE_EXCEEDED}, "DEADLINE_EXCEEDED"),
        ({"door": "REST", "method": "GET /", "status": 404}, ""),
        ({"door": "REST", "method": "GET /", "status": 503}, "503"),
    ],
)
def test_errors_are_the_servers(values: dict[str, Any], error: str) -> None:
    """What the client has done wrong is none of its span."""
    assert described(record(**values), "http").error == error


def test_a_query_is_no_part_of_the_path() -> None:
    """Nor of the route."""
    attributes = described(record(door="REST", method="GET /v1/models?a=/b", status=400), "https").attributes
    expected = {"url.path": "/v1/models", "url.query": "a=/b", "url.scheme": "https", "http.route": "/v1/models"}
    assert {name: attributes[name] for name in expected} == expected


def test_what_is_sent_is_cut() -> None:
    """A path of a megabyte is no attribute of that size."""
    attributes = described(record(door="REST", method=f"GET /{'x' * 10**6}", request_id="i" * 5000), "http").attributes
    assert max(len(str(value)) for value in attributes.values()) <= 1024


def test_stages_that_took_no_time_are_none() -> None:
    """A request that was refused at once has none."""
    assert list(stages(record())) == []
