"""What the page of a running server reads of the process, its parts and its versions."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import serving
from serving.protos import ReloadConfigRequest
from tests.server.doors.clients import GrpcClient, RefusedError, Target, floats
from tests.server.telemetry.metrics_page import points
from tests.support.server_process import ServerProcess, wait_until

RELOAD = "ModelService/HandleReloadConfigRequest"
VERSIONS = range(1001, 1009)


@pytest.fixture(scope="module")
def server(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with batching, of a model of which many versions are there and the last is served."""
    base = tmp_path_factory.mktemp("many") / "m"
    base.mkdir()
    for version in VERSIONS:
        (base / str(version)).symlink_to(models / "half_plus_three" / "1")
    with ServerProcess(
        [
            *("--model_name=m", f"--model_base_path={base}", "--enable_batching", "--metrics_per_version"),
            "--allow_any_base_path",
        ]
    ) as running:
        yield running


def served(server: ServerProcess, base: Path, version: int) -> None:
    """Have one version served, and no other, and wait until it is so."""
    request = ReloadConfigRequest()
    entry = request.config.model_config_list.config.add(name="m", base_path=str(base), model_platform="tensorflow")
    entry.model_version_policy.specific.versions.append(version)
    client = GrpcClient(server)
    client.call(RELOAD, request.SerializeToString())
    client.close()
    wait_until(f"version {version} is alone", lambda: states(server) == {(str(version), "AVAILABLE")})


def states(server: ServerProcess) -> set[tuple[str, str]]:
    """The versions of which the page has a state, and which."""
    shown = [name.split('"') for name, value in points(server).items() if "version_state{" in name and value == 1]
    return {(each[3], each[5]) for each in shown}


def test_build_is_told(server: ServerProcess) -> None:
    """The versions that matter are labels of one point."""
    server.rest("POST", "/v1/models/m:predict", '{"instances": [1.0]}')
    (build,) = [name for name in points(server, "/metrics") if name.startswith(":serving:build_info{")]
    assert f'version="{serving.__version__}"' in build
    assert 'tensorflow="2.' in build
    assert 'python="3.' in build


def test_process_is_told(server: ServerProcess) -> None:
    """As Prometheus's own libraries name it."""
    shown = points(server, "/metrics")
    assert shown["process_cpu_seconds_total{}"] > 0
    assert shown["process_resident_memory_bytes{}"] > 50e6
    assert 0 < shown["process_open_fds{}"] <= shown["process_max_fds{}"]
    assert abs(time.time() - shown["process_start_time_seconds{}"]) < 3600


def test_connections_are_counted_by_door(server: ServerProcess) -> None:
    """The one that asks for the page is one of them; a gRPC client is another."""
    shown = points(server, "/metrics")
    assert shown[':serving:connections{entrypoint="REST"}'] >= 1
    client = GrpcClient(server)
    client.call("ModelService/GetModelStatus", b"\n\x03\n\x01m")
    assert points(server, "/metrics")[':serving:connections{entrypoint="GRPC"}'] == 1
    client.close()


def test_queues_are_there_when_they_are_empty(server: ServerProcess) -> None:
    """A panel of them has a line before anything waits."""
    shown = points(server, "/metrics")
    names = ('calls_waiting{threads="any"}', 'calls_running{threads="short"}', "long_requests{}", "unsent_bytes{}")
    assert [shown[f":serving:{name}"] for name in names] == [0, 0, 0, 0]
    (version,) = {version for version, _ in states(server)}
    assert shown[f':serving:batch_queue_rows{{model_name="m",version="{version}"}}'] == 0
    assert shown[f':serving:version_engine{{model_name="m",version="{version}",engine="tensorflow"}}'] == 1


def test_page_does_not_grow_with_versions(server: ServerProcess, models: Path, tmp_path: Path) -> None:
    """Whatever was served before, the page has the version of now alone, loads included."""
    base = tmp_path / "m"
    base.mkdir()
    for version in VERSIONS:
        (base / str(version)).symlink_to(models / "half_plus_three" / "1")
    names = []
    for version in (VERSIONS[0], *VERSIONS):
        served(server, base, version)
        names.append(sorted(name.replace(f"/{version}", "/").replace(f'"{version}"', "") for name in points(server)))
    assert names[1:-1] == names[2:]
    assert [name for name in points(server) if "load_attempt_count" in name] == [
        f':tensorflow:cc:saved_model:load_attempt_count{{model_path="{base / "1008"}",status="success"}}'
    ]


def test_requests_are_counted_by_version_and_signature(server: ServerProcess) -> None:
    """At both doors, those that fail too; names that are made up are one point."""
    before = requests(server)
    client = GrpcClient(server)
    client.predict(Target(model="m"), {"x": floats(1)})
    for body in ('{"instances": [1.0]}', '{"instances": ["one"]}'):
        server.rest("POST", "/v1/models/m:predict", body)
    for model in ("made_up", "made_up_too"):
        with pytest.raises(RefusedError):
            client.predict(Target(model=model), {"x": floats(1)})
    client.close()
    after = requests(server)
    (version,) = {version for version, _ in states(server)}
    grown = {labels: count - before.get(labels, 0) for labels, count in after.items() if count != before.get(labels, 0)}
    assert grown == {
        ("m", version, "serving_default", "Predict", "GRPC", "OK"): 1,
        ("m", version, "serving_default", "predict", "REST", "OK"): 1,
        ("m", "", "", "predict", "REST", "INVALID_ARGUMENT"): 1,
        ("(others)", "", "", "Predict", "GRPC", "NOT_FOUND"): 2,
    }


def requests(server: ServerProcess) -> dict[tuple[str, ...], float]:
    """Requests by the values of their labels."""
    shown = points(server).items()
    return {tuple(name.split('"')[1::2]): value for name, value in shown if name.startswith(":serving:requests{")}
