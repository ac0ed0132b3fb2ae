"""A label moved by one request over REST: who may, what it is moved to, how long it stays."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from serving.access.making import make_key
from tests.support.server_process import ServerProcess, wait_until, write_model_config

BODY = '{"instances": [1.0]}'
CANARY = "/v1/models/labels/labels/canary"
UNTIL = "until what --model_config_file lists changes, a list comes by HandleReloadConfigRequest or the server ends"


class Labelled:
    """A server of the model ``labels``, whose version n adds n, followed by its ``config``; ``keys`` are by right."""

    def __init__(self, server: ServerProcess, config: Path, keys: Mapping[str, str]) -> None:
        self.server = server
        self.config = config
        self.keys = keys

    def move(self, version: object, path: str = CANARY, right: str = "admin") -> tuple[int, Any]:
        """Status and document."""
        headers = {"x-api-key": self.keys[right]} if right else {}
        status, answer = self.server.rest("POST", path, json.dumps({"version": version}), headers)
        return status, json.loads(answer)

    def answers(self, label: str = "canary") -> list[float] | None:
        """What the version of a label gives; None if there is none."""
        path = f"/v1/models/labels/labels/{label}:predict"
        status, answer = self.server.rest("POST", path, BODY, {"x-api-key": self.keys["predict"]})
        found: list[float] | None = json.loads(answer).get("predictions") if status == 200 else None
        return found

    def is_served(self, version: int) -> bool:
        """Whether a version answers."""
        path = f"/v1/models/labels/versions/{version}:predict"
        return self.server.rest("POST", path, BODY, {"x-api-key": self.keys["predict"]})[0] == 200


@pytest.fixture(scope="module")
def labelled(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Labelled]:
    """Its file says that ``stable`` is for version 1, and is read again every second."""
    directory = tmp_path_factory.mktemp("labelled")
    keys = {name: make_key(name, name, "", str(directory / "keys")).key for name in ("admin", "predict", "read")}
    config = write(directory / "models.config", models)
    flags = (
        f"--model_config_file={config}",
        "--model_config_file_poll_wait_seconds=1",
        f"--api_keys_file={directory / 'keys'}",
        "--allow_version_labels_for_unavailable_models",
    )
    with ServerProcess(flags) as server:
        made = Labelled(server, config, keys)
        wait_until("all versions", lambda: all(map(made.is_served, (1, 2, 3))))
        yield made
    assert server.process.returncode == 0
    assert "Traceback" not in "".join(server.output)


def write(path: Path, models: Path, **labels: int) -> Path:
    """A file with the label ``stable``, and others."""
    return write_model_config(path, {"labels": models / "labels"}, labels={"labels": {"stable": 1, **labels}})


def test_a_label_comes_and_moves(labelled: Labelled) -> None:
    """The next request is answered by the new version; the others stay; the log tells it as of every other list."""
    assert labelled.answers() is None
    assert labelled.move("2") == (
        200,
        {
            "name": "labels",
            "label": "canary",
            "version": "2",
            "note": f"the label is for version 2, {UNTIL}",
        },
    )
    assert labelled.answers() == [3.0]
    assert labelled.move(3)[0] == 200
    assert (labelled.answers(), labelled.answers("stable")) == ([4.0], [2.0])
    labelled.server.wait_for("Label canary of model labels is new, for version 2")
    labelled.server.wait_for("Label canary of model labels moves from version 2 to 3")


@pytest.mark.parametrize(
    ("version", "path", "status", "text"),
    [
        pytest.param(
            "9",
            "/v1/models/labels/labels/stable",
            400,
            "Request to assign label to version 9 of model labels, which is not currently available for inference",
            id="no such version",
        ),
        pytest.param("1", "/v1/models/none/labels/a", 404, "Model none is not configured", id="no such model"),
        pytest.param("x", CANARY, 400, "'x' is no version", id="no number"),
        pytest.param(True, CANARY, 400, "version is True; expected a number in a string", id="no version"),
        pytest.param("9" * 19, CANARY, 400, "is no version", id="too large"),
    ],
)
def test_what_is_refused(labelled: Labelled, version: object, path: str, status: int, text: str) -> None:
    """Nothing changes then."""
    before = labelled.answers("stable")
    found, answer = labelled.move(version, path)
    assert (found, text in answer["error"]) == (status, True), answer
    assert labelled.answers("stable") == before


@pytest.mark.parametrize("body", ["", "{}", "[]", '{"version": "1", "label": "x"}'])
def test_bodies_without_a_version(labelled: Labelled, body: str) -> None:
    """It is said what was expected."""
    status, answer = labelled.server.rest("POST", CANARY, body, {"x-api-key": labelled.keys["admin"]})
    assert status == 400
    assert json.loads(answer)["error"].endswith('names no version; expected {"version": "2"}')


@pytest.mark.parametrize(("right", "status"), [("", 401), ("predict", 403), ("read", 403)])
def test_rights(labelled: Labelled, right: str, status: int) -> None:
    """It needs that of a reload."""
    assert labelled.move("1", right=right)[0] == status


def test_the_file_wins_when_it_changes(labelled: Labelled, models: Path) -> None:
    """Until then it takes nothing back, though it is read again and again."""
    assert labelled.move("2", "/v1/models/labels/labels/stable")[0] == 200
    labelled.config.write_text("no configuration")
    labelled.server.wait_for("Failed to read ModelServerConfig file")
    assert labelled.answers("stable") == [3.0]
    write(labelled.config, models, other=2)
    wait_until("the file is in effect", lambda: labelled.answers("other") == [3.0])
    assert labelled.answers("stable") == [2.0]
    assert labelled.move("1", "/v1/models/labels/labels/stable")[1]["note"].endswith("as the list of models says")


def test_no_model_control(models: Path) -> None:
    """With the flag off no label is moved."""
    flags = (f"--model_base_path={models / 'labels'}", "--model_name=labels", "--allow_model_control=false")
    with ServerProcess(flags) as server:
        status, answer = server.rest("POST", CANARY, '{"version": "3"}')
    assert status == 403
    assert "--allow_model_control=false" in json.loads(answer)["error"]
