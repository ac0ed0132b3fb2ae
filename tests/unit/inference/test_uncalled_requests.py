"""What is asked of a server and its models without a call: descriptions, readiness, statistics."""

from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from serving.core.model_spec import ModelSpec
from serving.core.servable import ServableId
from serving.errors import Code, ServingError
from serving.inference import model_description, statistics
from serving.inference.context import NO_MODEL, RequestContext
from serving.inference.long_call import LongCall
from serving.inference.principal import Right
from serving.inference.statistics import VersionStatistics
from serving.telemetry.version_metrics import Known, VersionMetrics
from tests.support import loads, settle
from tests.unit.inference.house import House, Model


@pytest.fixture
def house() -> House:
    return House()


def asking() -> RequestContext:
    return RequestContext(door="REST")


def described(house: House, address: ModelSpec, signature: str = "") -> dict[str, Any]:
    """A model's metadata."""
    body = house.service.describe(
        address, signature, lambda model: orjson.dumps(model_description.metadata(model)), asking()
    )
    assert isinstance(body, bytes)
    found: dict[str, Any] = orjson.loads(body)
    return found


def counted(house: House, address: ModelSpec, context: RequestContext | None = None) -> dict[str, Any]:
    """Statistics by version; of all models they come from a thread of their own."""

    def write(versions: Sequence[VersionStatistics]) -> bytes:
        return orjson.dumps(statistics.statistics(versions))

    reply = house.service.statistics(address, write, context or asking())
    assert isinstance(reply, bytes) is bool(address.name)
    body = reply.here(lambda: False) if isinstance(reply, LongCall) else reply
    assert isinstance(body, bytes)
    return {f"{each['name']}/{each['version']}": each for each in orjson.loads(body)["model_stats"]}


def test_description(house: House) -> None:
    """By the default signature, or the one that is named; a label leads to its version."""
    assert described(house, ModelSpec("m", label="stable")) == {
        "name": "m",
        "versions": ["1"],
        "platform": "tensorflow_savedmodel",
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1]}],
    }
    assert [each["name"] for each in described(house, ModelSpec("m"), "two")["inputs"]] == ["a", "b"]


def test_configuration(house: House) -> None:
    """Its dimensions are whole shapes; strings have another name there."""
    found: list[dict[str, Any]] = []

    def write(model: model_description.ModelDescription) -> bytes:
        found.append(model_description.config(model))
        return b""

    house.service.describe(ModelSpec("m"), "classify", write, asking())
    (config,) = found
    assert config["input"] == [{"name": "inputs", "data_type": "TYPE_STRING", "dims": [-1]}]
    assert (config["backend"], config["max_batch_size"]) == ("tensorflow", 0)
    assert config["version_policy"] == {"specific": {"versions": [1]}}


@pytest.mark.parametrize(
    ("address", "signature", "code"),
    [
        (ModelSpec("m"), "other", Code.INVALID_ARGUMENT),
        (ModelSpec("m", 2), "", Code.NOT_FOUND),
        (ModelSpec("n"), "", Code.NOT_FOUND),
    ],
)
def test_nothing_to_describe(house: House, address: ModelSpec, signature: str, code: Code) -> None:
    with pytest.raises(ServingError) as caught:
        described(house, address, signature)
    assert caught.value.code is code


@pytest.mark.parametrize(
    ("address", "ready"),
    [
        (ModelSpec("m"), True),
        (ModelSpec("m", 1), True),
        (ModelSpec("m", 2), False),
        (ModelSpec("m", label="stable"), True),
        (ModelSpec("m", label="canary"), False),
        (ModelSpec("n"), False),
        (ModelSpec("n", label="stable"), False),
    ],
)
def test_model_ready(house: House, address: ModelSpec, ready: bool) -> None:
    assert house.service.model_ready(address, asking()) is ready


def test_server(house: House) -> None:
    """Its version and whether it is ready are told by who starts it; anybody may ask for the latter."""
    asked: list[Right | None] = []
    guarded = House(admit=lambda context, address, size: asked.append(context.right))
    guarded.service.know_server("1.2", lambda: False)
    assert not guarded.service.server_ready(asking())
    assert guarded.service.server_metadata(asking())["version"] == "1.2"
    assert asked == [None, Right.READ]
    assert house.service.server_ready(asking())


def answer_and_fail(house: House, version: str = "") -> None:
    """One request of each kind."""
    body = b'{"instances": [1.0]}'
    for path in (f"/v1/models/m{version}:predict", f"/v1/models/m{version}:predict"):
        house.rest.endpoint("POST", path, {}).call(body, RequestContext(door="REST", in_event_thread=True))
        body = b"{"


def numbers(found: dict[str, Any]) -> dict[str, int]:
    """The counts of one version that are not zero."""
    counts = {kind: each["count"] for kind, each in found["inference_stats"].items() if each["count"]}
    return counts | {"inferences": found["inference_count"], "executions": found["execution_count"]}


def fail(house: House) -> None:
    with pytest.raises(ServingError):
        answer_and_fail(house)


def test_statistics_of_an_only_version(house: House) -> None:
    """They are its model's; other requests than those that call it are none."""
    fail(house)
    house.service.model_ready(ModelSpec("m"), asking())
    found = counted(house, ModelSpec("m"))["m/1"]
    assert numbers(found) == {"success": 1, "fail": 1, "compute_infer": 1, "inferences": 1, "executions": 1}
    assert counted(house, NO_MODEL).keys() == {"m/1"}


def test_nobody_counts_by_version(house: House) -> None:
    """Of a model that had two versions only their names are told, without --metrics_per_version."""
    house.manager.set_aspired("m", {1: loads(Model()), 2: loads(Model())})
    settle(house.manager)
    fail(house)
    assert counted(house, ModelSpec("m")) == {
        "m/2": {"name": "m", "version": "2"},
        "m/1": {"name": "m", "version": "1"},
    }
    assert counted(house, ModelSpec("m", 1)).keys() == {"m/1"}


class _Ended:
    """A request of the model ``m`` as records have it."""

    model, signature, api, door = "m", "serving_default", "predict", "REST"

    def __init__(self, version: int, code: Code = Code.OK) -> None:
        self.version: int | None = version
        self.code = int(code)
        self.seconds, self.run_seconds = 0.5, 0.0 if code else 0.25


def test_statistics_by_version(house: House) -> None:
    """With --metrics_per_version, in nanoseconds."""
    house.manager.set_aspired("m", {1: loads(Model()), 2: loads(Model())})
    settle(house.manager)
    by_version = VersionMetrics(house.metrics.registry, Known(lambda _: True, lambda *_: {"serving_default"}))
    for ended in (_Ended(1), _Ended(1), _Ended(2, Code.INTERNAL)):
        by_version.observed(ended)
    found = counted(house, ModelSpec("m"))
    assert numbers(found["m/1"]) == {"success": 2, "compute_infer": 2, "inferences": 2, "executions": 2}
    assert found["m/1"]["inference_stats"]["success"]["ns"] == 1_000_000_000
    assert found["m/1"]["inference_stats"]["compute_infer"]["ns"] == 500_000_000
    assert numbers(found["m/2"]) == {"fail": 1, "inferences": 0, "executions": 0}


@pytest.mark.parametrize("address", [ModelSpec("n"), ModelSpec("m", 7)])
def test_no_statistics(house: House, address: ModelSpec) -> None:
    with pytest.raises(ServingError) as caught:
        counted(house, address)
    assert caught.value.code is Code.NOT_FOUND


def test_versions_that_cannot_be_asked_for(house: House) -> None:
    """They are known, and have no statistics any more."""
    house.manager.set_aspired("m", {})
    settle(house.manager)
    assert counted(house, ModelSpec("m")) == {}
    with pytest.raises(ServingError, match=r"Specific\(m, 1\)"):
        counted(house, ModelSpec("m", 1))


def test_identity() -> None:
    """The names that clients compare."""
    assert statistics.statistics([VersionStatistics(ServableId(name="m", version=1), None)]) == {
        "model_stats": [{"name": "m", "version": "1"}]
    }
