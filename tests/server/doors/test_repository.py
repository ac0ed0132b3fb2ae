"""One model loaded and unloaded over REST: under traffic, beside a file that is followed, with keys, and in vain."""

import json
import os
import re
import shutil
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from serving.access.making import make_key
from tests.support.raw import RawConnection, request
from tests.support.server_process import START_SECONDS, ServerProcess, wait_until, write_model_config

BODY = b'{"instances": [1.0]}'
ROUNDS = 6


class Shelf:
    """A server, and the directory with its models and others."""

    def __init__(self, server: ServerProcess, directory: Path) -> None:
        self.server = server
        self.directory = directory

    def ask(self, path: str, parameters: Mapping[str, object] | None = None, key: str = "") -> tuple[int, Any]:
        """Status and document of a request below /v2/repository."""
        body = json.dumps({} if parameters is None else {"parameters": parameters})
        headers = {"X-API-Key": key} if key else {}
        status, answer = self.server.rest("POST", f"/v2/repository/{path}", body, headers)
        return status, json.loads(answer)

    def load(self, name: str, **parameters: object) -> tuple[int, Any]:
        """Status and document of a load."""
        return self.ask(f"models/{name}/load", parameters)

    def unload(self, name: str) -> tuple[int, Any]:
        """Status and document of an unload."""
        return self.ask(f"models/{name}/unload")

    def states(self, key: str = "") -> dict[str, str]:
        """The state of each model's highest version, in the order of the index."""
        found: dict[str, str] = {}
        for entry in self.ask("index", key=key)[1]:
            found.setdefault(entry["name"], entry["state"])
        return found

    def answers(self, name: str) -> bool:
        """Whether a model is served."""
        return self.server.rest("POST", f"/v1/models/{name}:predict", BODY)[0] == 200


def fill(directory: Path, models: Path) -> Path:
    """Base paths that a test may change, of models that it may not; ``broken`` is no SavedModel."""
    for name in ("half_plus_two", "half_plus_three", "labels", "broken"):
        base = directory / name
        base.mkdir(parents=True)
        for version in (models / name).iterdir():
            shutil.copytree(version, base / version.name, copy_function=os.link)
    return directory


@pytest.fixture
def shelf(models: Path, tmp_path: Path) -> Iterator[Shelf]:
    """A server of ``half_plus_two`` alone."""
    directory = fill(tmp_path / "models", models)
    flags = (f"--model_base_path={directory / 'half_plus_two'}", "--model_name=half_plus_two")
    with ServerProcess(flags) as server:
        yield Shelf(server, directory)
    assert "Traceback" not in "".join(server.output)


def test_a_model_comes_and_goes(shelf: Shelf) -> None:
    """It answers when the load returns, and not when the unload does; the index has every step."""
    assert shelf.states() == {
        "broken": "UNAVAILABLE",
        "half_plus_three": "UNAVAILABLE",
        "half_plus_two": "READY",
        "labels": "UNAVAILABLE",
    }
    until = "until a list comes by HandleReloadConfigRequest or the server ends"
    assert shelf.load("half_plus_three") == (
        200,
        {"name": "half_plus_three", "load": True, "note": f"loaded {until}"},
    )
    assert shelf.answers("half_plus_three")
    assert [entry["name"] for entry in json.loads(ready(shelf))] == ["half_plus_three", "half_plus_two"]
    assert shelf.unload("half_plus_two")[1]["note"] == f"unloaded {until}"
    assert not shelf.answers("half_plus_two")
    wait_until("it is gone", lambda: shelf.states()["half_plus_two"] == "UNAVAILABLE")
    assert shelf.server.rest("GET", "/healthz/ready")[0] == 200
    listed = json.loads(shelf.server.rest("GET", "/v1/models")[1])
    assert listed["models"] == ["half_plus_three"]
    assert list(listed["states"]) == ["half_plus_three", "half_plus_two"]


def ready(shelf: Shelf) -> bytes:
    """The index of what answers."""
    return shelf.server.rest("POST", "/v2/repository/index", b'{"ready": true}')[1]


def test_versions_are_chosen(shelf: Shelf) -> None:
    """The newest by default, others by a policy; a directory that comes later is found by another load."""
    shelf.load("labels")
    assert versions(shelf, "labels") == ["3"]
    config = json.dumps({"version_policy": {"specific": {"versions": [1]}}, "backend": "tensorflow"})
    status, answer = shelf.load("labels", config=config)
    assert (status, answer["note"].endswith("; without effect here: backend")) == (200, True)
    wait_until("version 3 is gone", lambda: versions(shelf, "labels") == ["1"])
    assert shelf.load("labels", config='{"version_policy": {"specific": {"versions": [7]}}}')[0] == 404


def versions(shelf: Shelf, name: str) -> list[str]:
    """The versions of a model that are ready."""
    return [entry["version"] for entry in json.loads(ready(shelf)) if entry["name"] == name]


def test_others_lose_no_call(shelf: Shelf) -> None:
    """While a model comes and goes, all calls of another are answered, on connections that are kept and on new ones."""
    done = threading.Event()

    def ask() -> int:
        count = 0
        while not done.is_set():
            assert shelf.answers("half_plus_two")
            count += 1
        return count

    with ThreadPoolExecutor(3) as pool:
        asking = [pool.submit(ask) for _ in range(2)]
        changing = [pool.submit(come_and_go, shelf, name) for name in ("half_plus_three",)]
        try:
            for each in changing:
                each.result(START_SECONDS)
        finally:
            done.set()
        assert all(each.result(START_SECONDS) for each in asking)


def come_and_go(shelf: Shelf, name: str) -> None:
    """Load and unload a model again and again."""
    for _ in range(ROUNDS):
        assert shelf.load(name)[0] == 200
        assert shelf.answers(name)
        assert shelf.unload(name)[0] == 200


def test_a_model_that_is_broken(shelf: Shelf) -> None:
    """The answer and the index say what TensorFlow says; when it is repaired, the next load serves it."""
    status, answer = shelf.load("broken")
    assert status == 400
    assert answer["error"].startswith("Model broken did not become available: {name: broken version: 1} due to error: ")
    (entry,) = [entry for entry in shelf.ask("index")[1] if entry["name"] == "broken"]
    assert (entry["version"], entry["state"]) == ("1", "UNAVAILABLE")
    assert entry["reason"] in answer["error"]
    assert not shelf.answers("broken")
    shelf.server.wait_for("--doctor says: .*broken")
    shutil.rmtree(shelf.directory / "broken" / "1")
    (version,) = (shelf.directory / "half_plus_three").iterdir()
    shutil.copytree(version, shelf.directory / "broken" / "1")
    assert shelf.load("broken")[0] == 200
    assert shelf.answers("broken")


def test_what_cannot_be_found(shelf: Shelf, models: Path) -> None:
    """It is said where it was looked for; other directories are refused as in a reload."""
    status, answer = shelf.load("none")
    assert status == 404
    assert f"(looked in {shelf.directory})" in answer["error"]
    assert shelf.unload("none") == (404, {"error": "Model none is not loaded, nor to be"})
    status, answer = shelf.load("x", base_path=str(models / "half_plus_three"))
    assert status == 403
    assert answer["error"].startswith("A load may not give model x the base path ")
    assert shelf.load("x", base_path=str(shelf.directory / "half_plus_three"))[0] == 200
    assert shelf.answers("x")
    assert shelf.load("x", base_path=str(shelf.directory / "labels"))[0] == 409


def test_the_file_wins_when_it_changes(models: Path, tmp_path: Path) -> None:
    """Not before: that the file is read again takes nothing back."""
    directory = fill(tmp_path / "models", models)
    config = write_model_config(tmp_path / "models.config", {"half_plus_two": directory / "half_plus_two"})
    flags = (f"--model_config_file={config}", "--model_config_file_poll_wait_seconds=1")
    with ServerProcess(flags) as server:
        shelf = Shelf(server, directory)
        assert shelf.load("labels")[1]["note"].startswith("loaded until what --model_config_file lists changes")
        assert shelf.unload("half_plus_two")[0] == 200
        config.write_text("no configuration")
        server.wait_for("Failed to read ModelServerConfig file")
        assert shelf.answers("labels")
        assert not shelf.answers("half_plus_two")
        write_model_config(config, {name: directory / name for name in ("half_plus_two", "half_plus_three")})
        wait_until("the file is in effect", lambda: shelf.answers("half_plus_three") and shelf.answers("half_plus_two"))
        assert not shelf.answers("labels")
        server.wait_for("Model labels is not configured any more")


def test_waits_end(models: Path, tmp_path: Path) -> None:
    """Of a client that has gone, while its model goes on coming; and of all clients when the server ends."""
    directory = fill(tmp_path / "models", models)
    config = tmp_path / "models.config"
    config.write_text("model_config_list {}")
    # What has just been written is not loaded within an hour.
    flags = (f"--model_config_file={config}", "--version_settle_seconds=3600", "--allow_any_base_path")
    with ServerProcess(flags) as server, ThreadPoolExecutor(1) as pool:
        shelf = Shelf(server, directory)
        assert "there are none to look beside" in shelf.load("labels")[1]["error"]
        body = json.dumps({"parameters": {"base_path": str(directory / "half_plus_three")}}).encode()
        with RawConnection(server.rest_port) as connection:
            connection.send(request("POST", "/v2/repository/models/a/load", body))
            server.wait_for("Re-.adding model: a")
        server.wait_for("Loading model a by request failed: Model a is being loaded, but ")
        others = ("broken", "half_plus_three", "half_plus_two", "labels")
        assert shelf.states() == {"a": "LOADING", **dict.fromkeys(others, "UNAVAILABLE")}
        waiting = pool.submit(shelf.load, "a")
        wait_until("somebody waits", lambda: sum("Loading model a by request\n" in each for each in server.output) == 2)
        server.terminate()
        assert waiting.result(START_SECONDS)[0] == 503
        assert server.wait() == 0


def test_keys(models: Path, tmp_path: Path) -> None:
    """The right admin loads, from anywhere; readers see what is theirs, and no directories."""
    file = tmp_path / "keys.json"
    keys = {
        name: make_key(name, rights, of, str(file)).key
        for name, rights, of in (
            ("admin", "admin", ""),
            ("both", "admin,read", ""),
            ("reader", "read", "half*"),
            ("caller", "predict", ""),
        )
    }
    directory = fill(tmp_path / "models", models)
    flags = (
        f"--model_base_path={directory / 'half_plus_two'}",
        "--model_name=half_plus_two",
        f"--api_keys_file={file}",
    )
    with ServerProcess(flags) as server:
        shelf = Shelf(server, directory)
        for path in ("index", "models/labels/load", "models/half_plus_two/unload"):
            assert shelf.ask(path)[0] == 401
            assert shelf.ask(path, key=keys["caller"])[0] == 403
        assert shelf.ask("models/labels/load", key=keys["reader"])[0] == 403
        assert shelf.ask("index", key=keys["admin"])[0] == 403
        anywhere = {"base_path": str(models / "half_plus_three")}
        assert shelf.ask("models/x/load", anywhere, key=keys["admin"])[0] == 200
        assert shelf.states(keys["reader"]) == {"half_plus_two": "READY"}
        assert shelf.states(keys["both"]) == {
            "broken": "UNAVAILABLE",
            "half_plus_three": "UNAVAILABLE",
            "half_plus_two": "READY",
            "labels": "UNAVAILABLE",
            "x": "READY",
        }
        assert shelf.ask("models/x/unload", key=keys["admin"])[0] == 200
    assert not any(re.search(key, "".join(server.output)) for key in keys.values())


def test_no_model_control(models: Path, tmp_path: Path) -> None:
    """With the flag off nothing is loaded or unloaded by a request, and the index still tells what there is."""
    directory = fill(tmp_path / "models", models)
    flags = (f"--model_base_path={directory / 'half_plus_two'}", "--model_name=half_plus_two")
    with ServerProcess((*flags, "--allow_model_control=false")) as server:
        shelf = Shelf(server, directory)
        for status, said in (shelf.load("labels"), shelf.unload("half_plus_two")):
            assert status == 403
            assert "--allow_model_control=false" in said["error"]
        assert shelf.states()["half_plus_two"] == "READY"
        assert shelf.answers("half_plus_two")
