"""Servers with a memory budget, and servers that load models when they are asked for."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.protos import message
from tests.conftest import made_by
from tests.server.doors.clients import Client, GrpcClient, RefusedError, RestClient, Target, floats
from tests.soak.many_models import MAKE_WEIGHTS
from tests.support.server_process import ServerProcess, wait_until, write_model_config

MEBI = 2**20
NEEDED = 21
"""MiB of one version with the peak of its load; the server beside it has 75."""
PLAIN = ("--optimize=off", "--max_num_load_retries=0")
ONE = {"x": floats(1)}


@pytest.fixture(scope="session")
def heavy(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A version directory with 16 MiB of weights; the model adds 5."""
    return made_by(MAKE_WEIGHTS, pytestconfig, tmp_path_factory) / "heavy" / "1"


@pytest.fixture
def base(heavy: Path, tmp_path: Path) -> Path:
    """A base path with version 1."""
    shutil.copytree(heavy, tmp_path / "m" / "1")
    return tmp_path / "m"


def states(server: ServerProcess, name: str) -> dict[int, tuple[str, str, str]]:
    """State, code and text of each version, as REST has them."""
    _, body = server.rest("GET", f"/v1/models/{name}")
    return {
        int(each["version"]): (each["state"], each["status"]["error_code"], each["status"]["error_message"])
        for each in json.loads(body)["model_version_status"]
    }


def test_start_ends_with_the_figures(base: Path) -> None:
    """A model that does not fit at the start is told on standard output, and the process ends with 255."""
    with ServerProcess((f"--model_base_path={base}", "--memory_budget_mb=40", *PLAIN), wait=False) as server:
        assert server.wait() == 255
    output = "".join(server.output)
    assert "RESOURCE_EXHAUSTED: Insufficient resources to load servable {name: default version: 1}: " in output
    assert "of the 40 MiB that may be used" in output
    assert "Successfully reserved resources" not in output


@pytest.fixture
def small(base: Path, heavy: Path, tmp_path: Path) -> Iterator[ServerProcess]:
    """A server of all versions of a model, with room for two; there are two."""
    shutil.copytree(heavy, base / "2")
    config = write_model_config(tmp_path / "models.config", {"m": base})
    budget = 75 + 2 * NEEDED + NEEDED // 3
    with ServerProcess((f"--model_config_file={config}", f"--memory_budget_mb={budget}", *PLAIN)) as server:
        wait_until("two are loaded", lambda: {each[0] for each in states(server, "m").values()} == {"AVAILABLE"})
        yield server
    assert "Traceback" not in "".join(server.output)


def test_refused_version_is_loaded_when_there_is_room(
    small: ServerProcess, base: Path, heavy: Path, tmp_path: Path
) -> None:
    """A third version is refused, the others go on; when the first is gone, it is loaded, and no retry was used up."""
    shutil.copytree(heavy, tmp_path / "incoming")
    (tmp_path / "incoming").rename(base / "3")
    wait_until("version 3 is refused", lambda: states(small, "m").get(3, ("",))[0] == "END")
    _, code, text = states(small, "m")[3]
    assert code == "RESOURCE_EXHAUSTED"
    assert text.endswith(
        "; its model's loaded version goes on, and both would be in memory at once. See --memory_budget_mb"
    )
    rest = RestClient(small)
    assert rest.predict(Target(model="m"), ONE)["y"].tolist() == [6.0]
    (base / "1").rename(tmp_path / "gone")
    wait_until("version 3 is loaded", lambda: states(small, "m")[3][0] == "AVAILABLE")
    assert [states(small, "m")[version][0] for version in (1, 2)] == ["END", "AVAILABLE"]


def test_metrics_have_the_memory_of_each_version(base: Path, tmp_path: Path) -> None:
    """Measured, without a budget as well."""
    monitoring = tmp_path / "monitoring.config"
    monitoring.write_text("prometheus_config { enable: true }")
    with ServerProcess((f"--model_base_path={base}", f"--monitoring_config_file={monitoring}", *PLAIN)) as server:
        page = server.rest("GET", "/monitoring/prometheus/metrics")[1].decode()
    (line,) = [line for line in page.splitlines() if line.startswith(":serving:model_memory_bytes{")]
    labels, _, count = line.rpartition(" ")
    assert labels == ':serving:model_memory_bytes{model_name="default",version="1"}'
    assert 16 * MEBI <= int(count) <= 64 * MEBI


def test_version_is_served_as_saved_where_optimising_does_not_fit(base: Path) -> None:
    """The log says why, and the model is answered."""
    with ServerProcess((f"--model_base_path={base}", "--memory_budget_mb=300", "--optimize_wait")) as server:
        match = server.wait_for("is served as it is saved: (optimising it takes about .*)")
        assert RestClient(server).predict(Target(model="default"), ONE)["y"].tolist() == [6.0]
    assert "of the 300 MiB that may be used" in match[1]
    assert match[1].endswith("are free (--memory_budget_mb)")


def load(server: ServerProcess, name: str) -> tuple[int, str]:
    """Status and text of a load by request."""
    status, body = server.rest("POST", f"/v2/repository/models/{name}/load")
    return status, body.decode()


def test_a_load_by_request_that_does_not_fit(base: Path, heavy: Path, tmp_path: Path) -> None:
    """It is refused with the figures, and forgotten; when another model is gone, the next request loads it."""
    shutil.copytree(heavy, tmp_path / "n" / "1")
    budget = 75 + NEEDED + NEEDED // 3
    flags = (f"--model_base_path={base}", "--model_name=m", f"--memory_budget_mb={budget}", *PLAIN)
    with ServerProcess(flags) as server:
        status, text = load(server, "n")
        assert status == 429
        assert "Insufficient resources to load servable {name: n version: 1}: " in text
        assert f"of the {budget} MiB that may be used" in text
        assert server.rest("POST", "/v2/repository/models/m/unload")[0] == 200
        wait_until("there is room", lambda: load(server, "n")[0] == 200)
        assert RestClient(server).predict(Target(model="n"), ONE)["y"].tolist() == [6.0]


NAMES = ("pinned", "broken", "never", "REST", "gRPC", "REST-metadata", "gRPC-metadata", "asked")


@pytest.fixture(scope="module")
def folder(heavy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models of ``NAMES``, hard links to one; the weights of ``broken`` are cut."""
    folder = tmp_path_factory.mktemp("lazy")
    for name in NAMES:
        shutil.copytree(heavy, folder / name / "1", copy_function=os.link)
    (weights,) = (folder / "broken" / "1" / "variables").glob("*.data-*")
    weights.unlink()
    weights.write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def lazy(folder: Path) -> Iterator[ServerProcess]:
    """A server of all of them that has loaded ``pinned``; each test asks for models of its own."""
    config = write_model_config(folder / "models.config", {name: folder / name for name in NAMES})
    flags = (f"--model_config_file={config}", "--lazy_load", "--pin_models=pinned", *PLAIN)
    with ServerProcess(flags) as server:
        yield server
    assert "Traceback" not in "".join(server.output)


def loaded(server: ServerProcess, name: str) -> int:
    """How often a model was loaded so far."""
    return sum(f"Successfully loaded servable version {{name: {name} " in line for line in server.output)


def client_of(door: str, server: ServerProcess) -> Client:
    return RestClient(server) if door == "REST" else GrpcClient(server)


def test_server_is_ready_before_its_models_are_loaded(lazy: ServerProcess) -> None:
    """Only pinned ones are; the others are available as far as clients are concerned, and say how they are."""
    assert lazy.rest("GET", "/healthz/ready")[0] == 200
    note = "not loaded; the next request loads it (--lazy_load)"
    assert states(lazy, "never") == {1: ("AVAILABLE", "OK", note)}
    assert states(lazy, "pinned") == {1: ("AVAILABLE", "OK", "")}
    assert (loaded(lazy, "pinned"), loaded(lazy, "never")) == (1, 0)


@pytest.mark.parametrize("door", ["REST", "gRPC"])
def test_first_request_loads_its_model(lazy: ServerProcess, door: str) -> None:
    """It is answered, as are further ones, by one load."""
    client = client_of(door, lazy)
    assert loaded(lazy, door) == 0
    assert client.predict(Target(model=door), ONE)["y"].tolist() == [6.0]
    assert client.predict(Target(model=door, version=1), ONE)["y"].tolist() == [6.0]
    client.close()
    assert loaded(lazy, door) == 1
    assert states(lazy, door) == {1: ("AVAILABLE", "OK", "")}


@pytest.mark.parametrize("door", ["REST", "gRPC"])
def test_first_request_for_metadata_loads_its_model(lazy: ServerProcess, door: str) -> None:
    """The signatures are those of the loaded version."""
    client = client_of(door, lazy)
    version, signatures = client.metadata(Target(model=f"{door}-metadata"))
    client.close()
    assert version == 1
    assert "serving_default" in signatures


def test_broken_model_is_its_clients_concern(lazy: ServerProcess) -> None:
    """They get the error of its load, its status has it, and the server stays ready for others."""
    for door in ("REST", "gRPC"):
        client = client_of(door, lazy)
        with pytest.raises(RefusedError, match="Read less bytes than requested"):
            client.predict(Target(model="broken"), ONE)
        client.close()
    state, code, _ = states(lazy, "broken")[1]
    assert (state, code) == ("END", "OUT_OF_RANGE")
    assert lazy.rest("GET", "/healthz/ready")[0] == 200
    assert RestClient(lazy).predict(Target(model="pinned"), ONE)["y"].tolist() == [6.0]


def test_unknown_model_is_not_found(lazy: ServerProcess) -> None:
    """In TensorFlow Serving's words."""
    with pytest.raises(RefusedError, match=r"Servable not found for request: Latest\(x\)"):
        RestClient(lazy).predict(Target(model="x"), ONE)


def test_model_added_by_a_reload_is_lazy_too(lazy: ServerProcess, folder: Path) -> None:
    """The reload is answered when its versions are found; what it drops is gone."""
    shutil.copytree(folder / "never", folder / "added", copy_function=os.link)
    request = message("tensorflow.serving.ReloadConfigRequest")()
    for name in (*NAMES[:2], *NAMES[3:], "added"):
        request.config.model_config_list.config.add(
            name=name, base_path=str(folder / name), model_platform="tensorflow"
        )
    client = GrpcClient(lazy)
    client.call("ModelService/HandleReloadConfigRequest", request.SerializeToString())
    assert loaded(lazy, "added") == 0
    assert client.predict(Target(model="added"), ONE)["y"].tolist() == [6.0]
    with pytest.raises(RefusedError, match="Servable not found"):
        client.predict(Target(model="never"), ONE)
    client.close()


def test_a_load_by_request_is_one_of_lazy_models(lazy: ServerProcess) -> None:
    """It is loaded, and not only ready to be; the error of one that cannot be is the answer."""
    assert load(lazy, "asked")[0] == 200
    lazy.wait_for("Successfully loaded servable version .name: asked ")
    status, text = load(lazy, "broken")
    assert (status, "did not become available: {name: broken version: 1}" in text) == (400, True)
    assert load(lazy, "pinned")[0] == 200
    assert loaded(lazy, "pinned") == 1
