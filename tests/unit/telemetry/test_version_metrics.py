"""Requests by version and signature: what is counted, under which names, and what goes again."""

from collections.abc import Collection
from dataclasses import dataclass

import pytest

from serving.errors import Code
from serving.telemetry import exposition
from serving.telemetry.metrics import Registry
from serving.telemetry.serving_metrics import OTHERS, Present
from serving.telemetry.version_metrics import Known, VersionMetrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A request that has ended."""

    model: str = "m"
    version: int | None = 1
    signature: str = "serving_default"
    api: str = "Predict"
    door: str = "GRPC"
    code: int = Code.OK
    seconds: float = 0.03
    run_seconds: float = 0.02


class House:
    """Metrics of the versions that are there."""

    def __init__(self) -> None:
        self.there: dict[tuple[str, int], tuple[str, ...]] = {("m", 1): ("serving_default", "other")}
        self.registry = Registry()
        self.metrics = VersionMetrics(self.registry, Known(self.listed, self.signatures))

    def listed(self, model: str) -> bool:
        """Whether it is configured."""
        return model in {name for name, _ in self.there}

    def signatures(self, model: str, version: int) -> Collection[str] | None:
        """Of a version, if it is there."""
        return self.there.get((model, version))

    def forget(self) -> None:
        """What a look at the page begins with."""
        self.metrics.forget_gone(Present(self.there.keys(), [name for name, _ in self.there]))

    def points(self, name: str = "requests") -> dict[str, str]:
        """Numbers by their labels, as on the page."""
        lines = [line.partition("{") for line in exposition.page(self.registry).splitlines()]
        split = [rest.rpartition("} ") for key, _, rest in lines if key == f":serving:{name}"]
        return {labels: value for labels, _, value in split}


@pytest.fixture
def house() -> House:
    return House()


def labels(*values: str) -> str:
    """The label text of a request."""
    names = ("model_name", "version", "signature", "API", "entrypoint", "status")
    return ",".join(f'{name}="{value}"' for name, value in zip(names, values, strict=False))


def test_request_is_counted_by_what_it_was(house: House) -> None:
    """Its count, its time and the model's, the sums with all their digits."""
    house.metrics.observed(Record())
    house.metrics.observed(Record(seconds=1.25))
    key, run = ("m", "1", "serving_default", "Predict", "GRPC", "OK"), ("m", "1", "serving_default", "Predict")
    assert house.points() == {labels(*key): "2"}
    assert house.points("request_seconds_sum") == {labels(*key): "1.28"}
    assert house.points("request_seconds_bucket")[labels(*key) + ',le="0.05"'] == "1"
    assert house.points("run_seconds_count") == {labels(*run): "2"}


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        pytest.param(Record(signature="other"), ("m", "1", "other", "Predict", "GRPC", "OK"), id="signature"),
        pytest.param(Record(signature=""), ("m", "1", "", "Predict", "GRPC", "OK"), id="no signature"),
        pytest.param(Record(api="", door="REST"), ("m", "1", "serving_default", "", "REST", "OK"), id="door"),
        pytest.param(
            Record(code=Code.INVALID_ARGUMENT),
            ("m", "1", "serving_default", "Predict", "GRPC", "INVALID_ARGUMENT"),
            id="failed",
        ),
        pytest.param(
            Record(code=99), ("m", "1", "serving_default", "Predict", "GRPC", "UNKNOWN"), id="code that is none"
        ),
        pytest.param(
            Record(signature="made up", code=Code.FAILED_PRECONDITION),
            ("m", "1", OTHERS, "Predict", "GRPC", "FAILED_PRECONDITION"),
            id="unknown signature",
        ),
        pytest.param(
            Record(version=None, code=Code.NOT_FOUND), ("m", "", "", "Predict", "GRPC", "NOT_FOUND"), id="no version"
        ),
        pytest.param(Record(version=7), ("m", "", "", "Predict", "GRPC", "OK"), id="version that has gone"),
        pytest.param(
            Record(model="made up", version=None, code=Code.NOT_FOUND),
            (OTHERS, "", "", "Predict", "GRPC", "NOT_FOUND"),
            id="unknown model",
        ),
    ],
)
def test_labels(house: House, record: Record, expected: tuple[str, ...]) -> None:
    """What is known is told apart; what a client has made up is not."""
    house.metrics.observed(record)
    assert house.points() == {labels(*expected): "1"}


def test_call_without_a_run_has_no_time_of_the_model(house: House) -> None:
    """A request that was refused has run nothing."""
    house.metrics.observed(Record(code=Code.INVALID_ARGUMENT, run_seconds=0.0))
    assert set(house.points("run_seconds_count").values()) == {"0"}


def test_made_up_names_are_one_point(house: House) -> None:
    """Ten thousand of them make the page no longer than one."""
    for number in range(10_000):
        house.metrics.observed(Record(model=f"m{number}", version=None, code=Code.NOT_FOUND))
        house.metrics.observed(Record(signature=f"s{number}", code=Code.FAILED_PRECONDITION))
    assert sorted(house.points().values()) == ["10000", "10000"]


def test_five_hundred_versions_leave_the_last(house: House) -> None:
    """Each goes with its points, and requests for what is there go on being counted."""
    for version in range(500):
        house.there = {("m", version): ("serving_default",)}
        house.metrics.observed(Record(version=version))
        house.forget()
    house.metrics.observed(Record(version=499))
    assert house.points() == {labels("m", "499", "serving_default", "Predict", "GRPC", "OK"): "2"}


def test_model_that_is_not_listed_any_more_goes(house: House) -> None:
    """Its failures too; those of nobody stay."""
    house.metrics.observed(Record(version=None, code=Code.NOT_FOUND))
    house.metrics.observed(Record(model="made up", version=None, code=Code.NOT_FOUND))
    house.there = {}
    house.forget()
    assert house.points() == {labels(OTHERS, "", "", "Predict", "GRPC", "NOT_FOUND"): "1"}


def test_version_that_comes_back_counts_anew(house: House) -> None:
    """What was kept of the former one is not added to."""
    house.metrics.observed(Record())
    there, house.there = house.there, {}
    house.forget()
    house.there = there
    house.metrics.observed(Record())
    assert house.points() == {labels("m", "1", "serving_default", "Predict", "GRPC", "OK"): "1"}


def test_request_for_no_model_is_not_counted(house: House) -> None:
    """Such as one for the metrics themselves."""
    house.metrics.observed(Record(model="", version=None, api=""))
    assert house.points() == {}
