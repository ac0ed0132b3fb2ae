"""The metrics page of a running server: where it is, what is on it, and the file that puts it there."""

import http.client
import re
from pathlib import Path

import pytest
from google.protobuf import text_format

from serving.protos import message
from tests.server.telemetry.metrics_page import INSTANCES, PAGE, POINT, monitoring, points
from tests.support.server_process import START_SECONDS, ServerProcess, write_model_config


def exchange(
    server: ServerProcess, method: str, target: str, body: str | None = None, headers: dict[str, str] | None = None
) -> tuple[int, str, bytes]:
    """Status, content type and body of one exchange."""
    connection = http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=START_SECONDS)
    try:
        connection.request(method, target, body, headers or {})
        response = connection.getresponse()
        return response.status, response.headers["Content-Type"], response.read()
    finally:
        connection.close()


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_any_method_gets_the_page(server: ServerProcess, method: str) -> None:
    """The page is plain text, whatever the method."""
    status, content_type, body = exchange(server, method, PAGE)
    assert (status, content_type) == (200, "text/plain")
    assert body.startswith(b"# TYPE ")
    assert body.endswith(b"\n")


def test_every_line_is_a_type_or_a_point(server: ServerProcess) -> None:
    """Nothing else is on the page, whatever names clients have asked for."""
    server.rest("POST", "/v1/models/a%0Ab%22%FF:predict", INSTANCES)
    lines = server.rest("GET", PAGE)[1].decode().splitlines()
    wrong = [line for line in lines if not POINT.fullmatch(line) and not re.fullmatch(r"# TYPE [\w:]+ \w+", line)]
    assert wrong == []


@pytest.mark.parametrize("suffix", ["?", "?name=x", "?a#b"])
def test_query_is_refused(server: ServerProcess, suffix: str) -> None:
    """A query is no part of the path, and the page takes none."""
    status, content_type, body = exchange(server, "GET", PAGE + suffix)
    assert (status, content_type) == (400, "text/plain")
    assert body == f"Unexpected path: {PAGE}{suffix}. Should be {PAGE}".encode()


@pytest.mark.parametrize("target", ["/metrics", "/metrics?name=x"])
def test_page_is_also_where_others_have_it(server: ServerProcess, target: str) -> None:
    """The same page, whatever the query: that is what is asked without any configuration."""
    status, content_type, body = exchange(server, "GET", target)
    assert (status, content_type) == (200, "text/plain")
    assert b"# TYPE :tensorflow:serving:request_count counter" in body


@pytest.mark.parametrize("target", [f"{PAGE}/", f"{PAGE}x", "/monitoring", "/metrics/", "/metricsx"])
def test_other_paths_are_not_found(server: ServerProcess, target: str) -> None:
    """Only the exact path is the page."""
    assert server.rest("GET", target)[0] == 404


def test_reload_tells_increases(models: Path, tmp_path: Path) -> None:
    """A reload that asks for metrics is told by how much they grew during it, 0 for one that is not there."""
    base_path = models / "half_plus_three"
    listed = "".join(
        f'config {{ name: "{name}" base_path: "{base_path}" model_platform: "tensorflow" }}' for name in "ab"
    )
    request = text_format.Parse(
        f"config {{ model_config_list {{ {listed} }} }} "
        "metric_names: '/tensorflow/cc/saved_model/load_attempt_count' metric_names: '/nothing'",
        message("tensorflow.serving.ReloadConfigRequest")(),
    )
    config = write_model_config(tmp_path / "models.config", {"a": base_path})
    with ServerProcess([f"--model_config_file={config}"]) as running, running.channel() as channel:
        reload = channel.unary_unary("/tensorflow.serving.ModelService/HandleReloadConfigRequest")
        response = message("tensorflow.serving.ReloadConfigResponse").FromString(
            reload(request.SerializeToString(), timeout=START_SECONDS)
        )
    assert {metric.name: metric.int64_value_increase for metric in response.metric} == {
        "/tensorflow/cc/saved_model/load_attempt_count": 1,
        "/nothing": 0,
    }


def test_without_a_file_the_page_is_there(models: Path) -> None:
    """A REST port is enough."""
    with ServerProcess([f"--model_base_path={models / 'half_plus_three'}"]) as running:
        assert [running.rest("GET", target)[0] for target in (PAGE, "/metrics")] == [200, 200]


@pytest.mark.parametrize("text", ["prometheus_config { enable: false }", "prometheus_config { }"])
def test_file_turns_the_page_off(models: Path, tmp_path: Path, text: str) -> None:
    """At both paths, also if it does not say that it turns it on."""
    flags = [f"--model_base_path={models / 'half_plus_three'}", monitoring(tmp_path, text)]
    with ServerProcess(flags) as running:
        assert [running.rest("GET", target)[0] for target in (PAGE, "/metrics")] == [404, 404]


def test_path_of_ones_own(models: Path, tmp_path: Path) -> None:
    """The configured path is the page, also among the API's, and the default one is not."""
    text = 'prometheus_config { enable: true path: "/v1/metrics" }'
    flags = [f"--model_base_path={models / 'half_plus_three'}", monitoring(tmp_path, text)]
    with ServerProcess(flags) as running:
        assert ':serving:version_state{model_name="default",version="1",state="AVAILABLE"}' in points(
            running, "/v1/metrics"
        )
        assert [running.rest("GET", target)[0] for target in (PAGE, "/metrics")] == [404, 200]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("prometheus_config {", "INVALID_ARGUMENT: Invalid protobuf file: '{path}'", id="broken"),
        pytest.param(None, "NOT_FOUND: {path}; No such file or directory", id="missing"),
    ],
)
def test_file_that_cannot_be_read(models: Path, tmp_path: Path, text: str | None, expected: str) -> None:
    """A monitoring file that cannot be used ends the start, with the reason."""
    flag = monitoring(tmp_path, text or "")
    path = tmp_path / "monitoring.config"
    if text is None:
        path.unlink()
    with ServerProcess([f"--model_base_path={models / 'half_plus_three'}", flag], wait=False) as running:
        running.wait_for(re.escape("Failed to start server. Error: " + expected.format(path=path)))
        assert running.wait() == 255


def test_file_is_not_read_without_rest(models: Path, tmp_path: Path) -> None:
    """There is nowhere to show metrics without a REST port, so the file is not looked at."""
    flags = [
        f"--model_base_path={models / 'half_plus_three'}",
        f"--monitoring_config_file={tmp_path}/nothing",
        "--rest_api_port=0",
    ]
    with ServerProcess(flags, wait=False) as running:
        running.wait_for("Running gRPC ModelServer")


def test_path_without_slash_is_named_in_the_log(models: Path, tmp_path: Path) -> None:
    """A path that no request can have is accepted, and the log says so."""
    flag = monitoring(tmp_path, 'prometheus_config { enable: true path: "metrics" }')
    with ServerProcess([f"--model_base_path={models / 'half_plus_three'}", flag]) as running:
        running.wait_for("no request can have the path 'metrics'; expected one that begins with /")
