"""Single models in the request layer: the index and its states, who may load what, how long it is waited for."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from serving.core.model_spec import ModelSpec
from serving.core.version_policy import All, Latest, Specific, VersionPolicy
from serving.errors import Code, ServingError
from serving.inference.context import RequestContext
from serving.inference.long_call import LongCall
from serving.inference.principal import Principal, Right
from serving.inference.repository import Done, IndexEntry, LoadRequest, Readiness, load_request
from serving.rest.api.repository import RepositoryApi
from serving.rest.routes import apis
from tests.support import aspire, fails, settle
from tests.unit.inference.house import House

BROKEN = ServingError(Code.NOT_FOUND, "no saved_model.pb")


def never() -> bool:
    """The caller stays."""
    return False


def as_principal(rights: str, *models: str) -> Any:
    """A policy that lets everybody in as somebody with these rights."""
    principal = Principal(name="p", rights=frozenset(map(Right, rights.split())), models=models or None)

    def admit(context: RequestContext, address: ModelSpec, size: int) -> None:
        context.principal = principal

    return admit


def index(house: House, *, ready: bool = False) -> list[IndexEntry]:
    """What the index has."""
    found: list[IndexEntry] = []

    def write(entries: Sequence[IndexEntry]) -> bytes:
        found.extend(entries)
        return b""

    house.service.repository_index(write, RequestContext("REST"), 0, ready=ready).here(never)
    return found


def test_the_list_has_base_paths() -> None:
    """By name, of those models alone that the principal may use; it needs the right to read."""
    house = House()
    house.repository.listed = ["m", "a"]
    context = RequestContext("REST")
    assert house.service.listed_models(context) == {"a": "/models/a", "m": "/models/m"}
    assert context.right is Right.READ
    assert House(admit=as_principal("read", "x*")).service.listed_models(RequestContext("REST")) == {}


def test_the_index_has_versions_and_what_could_be_loaded() -> None:
    """Versions highest first, each in a state, and models without any."""
    house = House()
    house.repository.listed = ["m", "none"]
    house.manager.set_aspired("bad", {1: fails(BROKEN)})
    house.manager.set_aspired("gone", {})
    settle(house.manager)
    house.manager.set_aspired("bad", {})
    aspire(house.manager, 1, 2, name="new")
    assert index(house) == [
        IndexEntry(name="bad", version=1, state=Readiness.UNAVAILABLE, reason="NOT_FOUND: no saved_model.pb"),
        IndexEntry(name="m", version=1, state=Readiness.READY),
        IndexEntry(name="n", reason="not loaded; a load request for it loads it"),
        IndexEntry(name="new", version=2, state=Readiness.LOADING),
        IndexEntry(name="new", version=1, state=Readiness.LOADING),
        IndexEntry(name="none", reason="no version was found below its base path"),
    ]
    assert index(house, ready=True) == [IndexEntry(name="m", version=1, state=Readiness.READY)]


def test_a_version_that_is_unloaded_says_so() -> None:
    """First that it goes, then that it is gone."""
    house = House()
    with house.manager.acquire("m"):
        house.manager.set_aspired("m", {})
        settle(house.manager)
        assert index(house)[0].state is Readiness.UNLOADING
    settle(house.manager)
    assert index(house)[0] == IndexEntry(name="m", version=1, state=Readiness.UNAVAILABLE, reason="unloaded")


@pytest.mark.parametrize(
    ("rights", "models", "names"),
    [
        pytest.param("read", (), ["m"], id="reader"),
        pytest.param("read admin", (), ["m", "n"], id="who may load"),
        pytest.param("read", ("x*",), [], id="another's models"),
    ],
)
def test_the_index_is_for_somebody(rights: str, models: tuple[str, ...], names: list[str]) -> None:
    """Its own models, and directories only for those who may load them."""
    assert [entry.name for entry in index(House(admit=as_principal(rights, *models)))] == names


@pytest.mark.parametrize(
    ("rights", "timeout_ms", "expected"),
    [
        pytest.param("", 0, (None, False), id="nobody is asked"),
        pytest.param("admin", 1500, (1.5, True), id="admin"),
    ],
)
def test_loads_and_unloads(rights: str, timeout_ms: int, expected: tuple[float | None, bool]) -> None:
    """They wait as long as they are told to, and the right admin allows any base path."""
    house = House(admit=as_principal(rights) if rights else None)
    context, request, notes = RequestContext("GRPC"), LoadRequest(name="n"), []

    def write(done: Done) -> bytes:
        notes.append(done.note)
        return b"done"

    assert house.service.load_model(request, write, context, 0, timeout_ms).here(never) == b"done"
    assert house.service.unload_model("m", write, context, 0, timeout_ms).here(never) == b"done"
    assert house.repository.asked == [(request, *expected), ("m", expected[0])]
    assert notes == ["loaded", "unloaded"]


@pytest.mark.parametrize(
    ("config", "policy"),
    [
        pytest.param('{"version_policy": {"all": {}}}', All(), id="all"),
        pytest.param('{"version_policy": {"latest": {"num_versions": 2}}}', Latest(num_versions=2), id="latest"),
        pytest.param('{"versionPolicy": {"latest": {"numVersions": "3"}}}', Latest(num_versions=3), id="as protobuf"),
        pytest.param('{"versionPolicy": {"latest": {}}}', Latest(num_versions=1), id="latest one"),
        pytest.param(
            '{"version_policy": {"specific": {"versions": [1, "7"]}}}',
            Specific(versions=frozenset((1, 7))),
            id="specific",
        ),
        pytest.param({"version_policy": {"all": {}}}, All(), id="no string"),
        pytest.param("{}", None, id="none"),
    ],
)
def test_policies(config: object, policy: VersionPolicy | None) -> None:
    """As Triton's configurations have them."""
    assert load_request("m", {"config": config}) == LoadRequest(name="m", policy=policy)


def test_what_does_nothing_is_told() -> None:
    """Other parameters, and other fields of a configuration."""
    config = '{"backend": "tensorflow", "version_policy": {"all": {}}, "max_batch_size": 8}'
    request = load_request("m", {"config": config, "base_path": "/models/x", "unload_dependents": True})
    assert request.ignored == ("unload_dependents", "backend", "max_batch_size")
    assert request.base_path == "/models/x"


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        pytest.param({"base_path": 3}, "The parameter base_path is 3; expected a string", id="base path"),
        pytest.param({"config": "{"}, "The parameter config is no JSON", id="not JSON"),
        pytest.param({"config": "[]"}, "The parameter config is []; expected a JSON object", id="no object"),
    ],
)
def test_what_cannot_be_read(parameters: dict[str, object], text: str) -> None:
    """INVALID_ARGUMENT, with what was expected."""
    with pytest.raises(ServingError) as raised:
        load_request("m", parameters)
    assert raised.value.code is Code.INVALID_ARGUMENT
    assert text in raised.value.message


@pytest.mark.parametrize(
    "policy",
    [
        "all",
        {},
        {"all": {}, "latest": {}},
        {"newest": {}},
        {"latest": {"num_versions": -1}},
        {"latest": {"num_versions": True}},
        {"latest": {"num_versions": 1.5}},
        {"specific": {"versions": 1}},
        {"specific": {"versions": ["9" * 30]}},
        {"specific": {"versions": ["\u00b2"]}},
    ],
    ids=str,
)
def test_no_policies(policy: object) -> None:
    """INVALID_ARGUMENT, with what a policy looks like."""
    with pytest.raises(ServingError, match="expected one of latest, all, specific") as raised:
        load_request("m", {"config": {"version_policy": policy}})
    assert raised.value.code is Code.INVALID_ARGUMENT


def test_files_are_refused() -> None:
    """UNIMPLEMENTED, before the configuration beside them is read."""
    with pytest.raises(ServingError, match="expected none: models are loaded from directories") as raised:
        load_request("m", {"file:1/model.savedmodel": "…", "config": "{"})
    assert raised.value.code is Code.UNIMPLEMENTED


def answer(house: House, path: str, body: bytes = b"", method: str = "POST") -> Any:
    """What the REST API answers, as JSON; the error if it is one."""
    api = RepositoryApi(house.service)
    try:
        reply = api.endpoint(method, path, {}).call(body, RequestContext("REST", timeout_ms=30_000))
        assert isinstance(reply, LongCall)
        return json.loads(reply.here(never))
    except ServingError as error:
        failure = api.failure(error)
        assert failure is not None
        return (failure.status, *json.loads(failure.body).items())


def test_over_rest() -> None:
    """The index, a load and an unload; the time limit of REST requests is none of theirs."""
    house = House()
    assert answer(house, "/v2/repository/index") == [
        {"name": "m", "version": "1", "state": "READY", "reason": ""},
        {"name": "n", "state": "UNAVAILABLE", "reason": "not loaded; a load request for it loads it"},
    ]
    assert [entry["name"] for entry in answer(house, "/v2/repository/index", b'{"ready": true}')] == ["m"]
    body = b'{"parameters": {"base_path": "/models/x"}}'
    assert answer(house, "/v2/repository/models/a%2Fb/load?x=1", body) == {
        "name": "a/b",
        "load": True,
        "note": "loaded",
    }
    assert answer(house, "/v2/repository/models/m/unload", b"{}") == {"name": "m", "unload": True, "note": "unloaded"}
    assert house.repository.asked == [(LoadRequest(name="a/b", base_path="/models/x"), None, False), ("m", None)]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/v2/repository/index", b"", 400),
        ("GET", "/v2/repository/models/m/load", b"", 400),
        ("POST", "/v2/repository", b"", 404),
        ("POST", "/v2/repository/models/m", b"", 404),
        ("POST", "/v2/repository/models/m/load/x", b"", 404),
        ("POST", "/v2/repository/index", b"[]", 400),
        ("POST", "/v2/repository/index", b'{"ready": 1}', 400),
        ("POST", "/v2/repository/models/m/load", b"{", 400),
        ("POST", "/v2/repository/models/m/load", b"\xff", 400),
        ("POST", "/v2/repository/models/m/load", b'{"parameters": 1}', 400),
        ("POST", "/v2/repository/models/m/load", b'{"parameters": {"file:1/x": "YQ=="}}', 501),
        ("POST", "/v2/repository/models/m/load", b" " * (256 * 1024 + 1), 400),
        ("POST", "/v2/repository/models/m/unload", b"[" * 100_000, 400),
    ],
)
def test_refused_over_rest(method: str, path: str, body: bytes, status: int) -> None:
    """In the one shape of errors, and nothing is asked of the models."""
    house = House()
    found, (key, text) = answer(house, path, body, method)
    assert (found, key) == (status, "error")
    assert text
    assert house.repository.asked == []


def test_which_paths_are_its_own() -> None:
    """Those below /v2/repository, and the model that they name."""
    house = House()
    api = RepositoryApi(house.service)
    assert [api.claims(path) for path in ("/v2/repository", "/v2/repository/index?x", "/v2/repositories", "/v2")] == [
        True,
        True,
        False,
        False,
    ]
    assert api.model_in("POST", "/v2/repository/models/a%20b/load") == "a b"
    assert api.model_in("POST", "/v2/repository/index") == ""
    assert any(isinstance(each, RepositoryApi) for each in apis(house.service, as_content=False, exact_digits=False))


def test_a_label_is_moved() -> None:
    """By who has the right admin."""
    house = House(admit=as_principal("admin"))
    context = RequestContext("REST")
    call = house.service.move_label("m", "stable", 2, lambda done: done.note.encode(), context, 0)
    assert (call.here(never), context.right) == (b"moved", Right.ADMIN)
    assert house.repository.asked == [("m", "stable", 2)]
