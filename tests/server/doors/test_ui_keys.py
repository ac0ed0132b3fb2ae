"""The page where keys are asked for: its files are for everybody, what they show is for who may read it."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from serving.access.making import make_key
from tests.support.events import EventStream
from tests.support.server_process import ServerProcess, wait_until, write_model_config

Keyed = tuple[ServerProcess, Mapping[str, str]]


@pytest.fixture(scope="module")
def keyed(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyed]:
    """A server with keys: one to read, one to predict, and one of both for a model alone."""
    path = tmp_path_factory.mktemp("keys")
    rights = {"read": ("read", ""), "predict": ("predict", ""), "three": ("read,predict", "half_plus_three")}
    keys = {name: make_key(name, right, only, str(path / "keys")).key for name, (right, only) in rights.items()}
    names = ("half_plus_three", "multi")
    config = write_model_config(path / "models.config", {name: models / name for name in names})
    with ServerProcess((f"--model_config_file={config}", f"--api_keys_file={path / 'keys'}")) as running:
        yield running, keys


def headers_of(keyed: Keyed, name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {keyed[1][name]}"} if name else {}


def state(keyed: Keyed, name: str) -> Any:
    status, body = keyed[0].rest("GET", "/ui/data/state", headers=headers_of(keyed, name))
    assert status == 200, body
    return json.loads(body)


@pytest.mark.parametrize("path", ["/ui", "/ui/"])
def test_files_are_for_everybody(keyed: Keyed, path: str) -> None:
    """A key is asked for by the page itself."""
    assert keyed[0].rest("GET", path)[0] in (200, 302)


@pytest.mark.parametrize("path", ["state", "events", "example?model=multi"])
@pytest.mark.parametrize(("name", "status"), [("", 401), ("predict", 403)])
def test_who_may_not_read(keyed: Keyed, path: str, name: str, status: int) -> None:
    """Whoever has no key, or one without the right; nothing of a model is in the error."""
    found, body = keyed[0].rest("GET", f"/ui/data/{path}", headers=headers_of(keyed, name))
    assert found == status
    assert b"half_plus" not in body


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("read", {"predict": False, "read": True, "admin": False}),
        ("three", {"predict": True, "read": True, "admin": False}),
    ],
)
def test_what_a_key_may(keyed: Keyed, name: str, expected: dict[str, bool]) -> None:
    """The page is told, so that it shows no button that would be refused."""
    assert state(keyed, name)["may"] == expected


def test_only_own_models_are_shown(keyed: Keyed) -> None:
    """In the state and in events; findings name those of others."""
    wait_until("findings", lambda: bool(state(keyed, "read")["findings"]))
    seen = state(keyed, "three")
    assert [model["name"] for model in seen["models"]] == ["half_plus_three"]
    assert seen["findings"] == []
    with EventStream(keyed[0], headers_of(keyed, "three")) as stream:
        first, sample = stream.event(), stream.event()
    assert first is not None
    assert sample is not None
    assert first.data == seen
    assert "multi" not in sample.data["models"]


@pytest.mark.parametrize(("name", "status"), [("", 401), ("read", 403), ("predict", 200), ("three", 200)])
def test_who_may_try(keyed: Keyed, name: str, status: int) -> None:
    """Whoever may send the ordinary request."""
    path, body = "/v1/models/half_plus_three:predict", b'{"instances": [1.0]}'
    expected = keyed[0].rest("POST", path, body, headers_of(keyed, name))
    assert keyed[0].rest("POST", f"/ui/data/timed{path}", body, headers_of(keyed, name)) == expected
    assert expected[0] == status
