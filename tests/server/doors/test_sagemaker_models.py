"""SageMaker's multi-model endpoints: models come and go one by one, with its statuses; and who may do what."""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from serving.access.making import make_key
from tests.support.server_process import ServerProcess, write_model_config

ROWS = '{"instances": [1.0]}'
MULTI = {"SAGEMAKER_MULTI_MODEL": "true"}


class Endpoint:
    """SageMaker's side of a server."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server

    def ask(self, method: str, path: str, body: str | None = None, **headers: str) -> tuple[int, Any]:
        """Status and document of an answer."""
        sent = {"Content-Type": "application/json", **headers}
        status, answer = self.server.rest(method, path, body, sent)
        return status, json.loads(answer) if answer else None

    def load(self, name: str, url: Path | str, **headers: str) -> tuple[int, str]:
        """Status and text of a load."""
        status, answer = self.ask("POST", "/models", json.dumps({"model_name": name, "url": str(url)}), **headers)
        (text,) = answer.values()
        return status, text

    def invoke(self, name: str) -> tuple[int, Any]:
        """Status and document of an invocation."""
        return self.ask("POST", f"/models/{name}/invoke", ROWS)


@pytest.fixture(scope="module")
def endpoint(models: Path) -> Iterator[Endpoint]:
    """A server that begins without models, as SageMaker starts it."""
    with ServerProcess([f"--sagemaker_model_directory={models}"], environment=MULTI) as server:
        yield Endpoint(server)
    assert server.process.returncode == 0
    assert "Traceback" not in "".join(server.output)


def test_a_models_life(endpoint: Endpoint, models: Path) -> None:
    """Loaded, listed, invoked by its name or as the only one, unloaded: each answers when it has taken effect."""
    assert endpoint.server.rest("GET", "/ping") == (200, b"")
    assert endpoint.ask("GET", "/models") == (200, {"models": []})
    url = models / "half_plus_three"
    assert endpoint.load("one model", url)[0] == 200
    entry = {"modelName": "one model", "modelUrl": str(url)}
    assert endpoint.ask("GET", "/models") == (200, {"models": [entry]})
    assert endpoint.ask("GET", "/models/one%20model") == (200, entry)
    assert endpoint.invoke("one%20model") == (200, {"predictions": [3.5]})
    assert endpoint.ask("POST", "/invocations", ROWS) == (200, {"predictions": [3.5]})
    headers = {"Content-Type": "text/csv", "X-Amzn-SageMaker-Target-Model": "one.tar.gz"}
    assert endpoint.ask("POST", "/models/one%20model/invoke", "1\n2", **headers) == (200, {"predictions": [3.5, 4.0]})
    assert endpoint.ask("DELETE", "/models/one%20model")[0] == 200
    assert endpoint.ask("GET", "/models") == (200, {"models": []})
    assert endpoint.server.rest("GET", "/ping") == (200, b"")


@pytest.mark.parametrize(
    ("name", "status", "text"),
    [
        pytest.param("nowhere", 404, "No versions of model nowhere found under base path", id="no directory"),
        pytest.param("empty", 500, "Model empty did not become available", id="no files"),
        pytest.param("broken", 500, "Model broken did not become available", id="cannot be loaded"),
        pytest.param("../../../etc", 403, "A load may not give model ../../../etc the base path", id="elsewhere"),
    ],
)
def test_loads_that_fail(endpoint: Endpoint, models: Path, name: str, status: int, text: str) -> None:
    """Nothing is left of them, and they may be asked for again."""
    for _ in range(2):
        found = endpoint.load(name, models / name)
        assert (found[0], text in found[1]) == (status, True), found
    assert endpoint.ask("GET", "/models") == (200, {"models": []})


def test_a_model_is_loaded_once(endpoint: Endpoint, models: Path) -> None:
    """Of several loads at once one is answered 200, all others 409."""
    with ThreadPoolExecutor(4) as pool:
        loads = [pool.submit(endpoint.load, "twice", models / "half_plus_three") for _ in range(4)]
        assert sorted(load.result()[0] for load in loads) == [200, 409, 409, 409]
    assert endpoint.load("twice", models / "multi") == (409, "Model twice is loaded already, or being loaded")
    assert endpoint.invoke("twice") == (200, {"predictions": [3.5]})
    assert endpoint.ask("DELETE", "/models/twice")[0] == 200


def test_models_that_are_not_there(endpoint: Endpoint) -> None:
    """404 for whatever is asked of them."""
    assert endpoint.ask("GET", "/models/gone") == (404, {"error": "Model gone is not loaded"})
    assert endpoint.ask("DELETE", "/models/gone") == (404, {"error": "Model gone is not loaded, nor to be"})
    assert endpoint.invoke("gone") == (404, {"error": "Servable not found for request: Latest(gone)"})


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "text"),
    [
        ("POST", "/models", "{}", 400, 'expected {"model_name": "NAME", "url": "/directory/with/versions"}'),
        ("POST", "/models", "[", 400, "The body of 1 bytes names no model to load"),
        ("POST", "/models", '{"model_name": 1, "url": "/x"}', 400, "names no model to load"),
        ("POST", "/models", '{"model_name": "a", "url": "s3://x"}', 403, "s3://x"),
        ("POST", "/models", '{"model_name": "a", "url": "x"}', 400, "to have an absolute path"),
        ("POST", "/models", " " * 70_000, 400, "The body of 70000 bytes names no model to load"),
        ("GET", "/models?next_page_token=x", None, 400, "next_page_token is x; expected the nextPageToken"),
        ("PUT", "/models/a", "", 405, "/models/a was asked with PUT; expected GET or DELETE"),
        ("DELETE", "/models", None, 405, "expected GET or POST"),
        ("GET", "/models/a/invoke", None, 405, "expected POST"),
        ("GET", "/models/a/b", None, 404, "There is no such path"),
    ],
)
def test_refused(endpoint: Endpoint, method: str, path: str, body: str | None, status: int, text: str) -> None:
    """Errors have one shape, and say what was expected."""
    found, answer = endpoint.ask(method, path, body)
    assert (found, list(answer)) == (status, ["error"])
    assert text in answer["error"]


def test_no_room(models: Path) -> None:
    """A model that does not fit is answered 507, at which SageMaker unloads others and asks again."""
    flags = [f"--sagemaker_model_directory={models}", "--memory_budget_mb=1"]
    with ServerProcess(flags, environment=MULTI) as server:
        status, text = Endpoint(server).load("large", models / "half_plus_three")
        assert (status, "Insufficient resources to load servable" in text) == (507, True)


def test_pages(models: Path, tmp_path: Path) -> None:
    """More than a hundred models are told in pages, in the order of their names."""
    names = [f"m{number:03}" for number in range(201)]
    config = write_model_config(tmp_path / "models.config", dict.fromkeys(names, models / "half_plus_three"))
    flags = [f"--model_config_file={config}", "--lazy_load", "--sagemaker", "--sagemaker_multi_model"]
    with ServerProcess(flags) as server:
        found: list[str] = []
        token: str | None = ""
        pages = 0
        while token is not None:
            status, page = Endpoint(server).ask("GET", f"/models?next_page_token={token}" if token else "/models")
            assert status == 200
            found += [each["modelName"] for each in page["models"]]
            token, pages = page.get("nextPageToken"), pages + 1
        assert (found, pages) == (names, 3)


@pytest.fixture(scope="module")
def keyed(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Endpoint, Mapping[str, str]]]:
    """A multi-model server with a key for each right."""
    path = str(tmp_path_factory.mktemp("keys") / "keys.json")
    keys = {right: make_key(right, right, "", path).key for right in ("predict", "read", "admin")}
    flags = [f"--sagemaker_model_directory={models}", f"--api_keys_file={path}"]
    with ServerProcess(flags, environment=MULTI) as server:
        yield Endpoint(server), keys


def test_rights(keyed: tuple[Endpoint, Mapping[str, str]], models: Path) -> None:
    """Probes are open; invocations need predict, lists read, loading and unloading admin."""
    endpoint, keys = keyed
    load = json.dumps({"model_name": "m", "url": str(models / "half_plus_three")})
    asked = {
        ("GET", "/ping", None): "",
        ("POST", "/models", load): "admin",
        ("GET", "/models", None): "read",
        ("GET", "/models/m", None): "read",
        ("POST", "/models/m/invoke", ROWS): "predict",
        ("POST", "/invocations", ROWS): "predict",
        ("DELETE", "/models/m", None): "admin",
    }
    for (method, path, body), right in asked.items():
        if right:
            assert endpoint.ask(method, path, body)[0] == 401, path
        others = {name: key for name, key in keys.items() if name != right}
        statuses = {endpoint.ask(method, path, body, **{"X-API-Key": key})[0] for key in others.values()}
        assert statuses == ({403} if right else {200}), path
        if right:
            assert endpoint.ask(method, path, body, **{"X-API-Key": keys[right]})[0] == 200, path
