"""Warm-up on a servable without TensorFlow: which records run, how often, and what each mistake in a file comes to."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

from serving.codecs.tfrecord import DamagedError
from serving.core.tensor import DataType, Tensor
from serving.errors import Code, ServingError
from serving.inference.warmup import MAX_RECORDS
from serving.protos import PredictionLog
from tests.unit.inference.warming import (
    FILE,
    Observed,
    Outcome,
    Servable,
    multi_inference,
    predict,
    refused,
    replay,
    serialized,
    with_example,
)

FAILURE = ServingError(Code.RESOURCE_EXHAUSTED, "the graph says no")


@pytest.mark.parametrize(
    ("log", "fetches"),
    [
        pytest.param(predict(), ("y:0",), id="predict"),
        pytest.param(with_example("classify"), ("scores:0",), id="classify"),
        pytest.param(with_example("regress"), ("outputs:0",), id="regress"),
        pytest.param(multi_inference(), ("scores:0", "outputs:0"), id="multi-inference"),
    ],
)
def test_each_kind_runs(log: Any, fetches: tuple[str, ...]) -> None:
    """A record of each of the four kinds makes one run of its signature, without a time limit."""
    servable = Servable()
    replay(servable, serialized(log))
    assert servable.runs == [(fetches, 0)]


@pytest.mark.parametrize("iterations", [0, 1, 3])
def test_iterations(iterations: int) -> None:
    """Each record runs as often as asked before the next one does, and once if nothing was asked."""
    servable = Servable()
    replay(servable, serialized(predict(), with_example("regress")), iterations=iterations)
    times = max(iterations, 1)
    assert [fetches for fetches, _ in servable.runs] == [("y:0",)] * times + [("outputs:0",)] * times


def test_model_and_version_in_a_record_do_not_count() -> None:
    """Requests to another model, or to none, are replayed like any other."""
    log = predict(model="other")
    log.predict_log.request.model_spec.version.value = 99
    nameless = predict()
    nameless.predict_log.request.ClearField("model_spec")
    servable = Servable()
    replay(servable, serialized(log, nameless))
    assert len(servable.runs) == 2


def test_record_without_a_kind_is_counted_only() -> None:
    """An empty log runs nothing and is a record all the same."""
    servable, observer = Servable(), Observed()
    replay(servable, [b"", *serialized(predict())], observer=observer)
    assert (len(servable.runs), observer.files[0][3]) == (1, 2)


@pytest.mark.parametrize(("field", "number"), [("session_run_log", 5), ("predict_streamed_log", 7)])
def test_kinds_that_are_not_replayed(field: str, number: int) -> None:
    """Two kinds of logs are UNIMPLEMENTED, named by their number."""
    log = PredictionLog()
    getattr(log, field).SetInParent()
    error = refused(Servable(), serialized(log))
    assert (error.code, error.message) == (Code.UNIMPLEMENTED, f"Unsupported log_type for warmup: {number}")


def test_as_many_records_as_are_allowed() -> None:
    """A thousand records are fine."""
    servable = Servable()
    replay(servable, serialized(predict()) * MAX_RECORDS)
    assert len(servable.runs) == MAX_RECORDS


def test_one_record_too_many() -> None:
    """The record after the thousandth runs, and is then refused; nothing after it is read."""
    servable = Servable()
    error = refused(servable, serialized(predict()) * (MAX_RECORDS + 5))
    assert len(servable.runs) == MAX_RECORDS + 1
    assert error.code is Code.INVALID_ARGUMENT
    assert error.message == f"Number of warmup records exceeds the maximum (1000) at {FILE}"


@pytest.mark.parametrize(
    ("record", "shown"),
    [
        pytest.param(b"garbage", "garbage", id="text"),
        pytest.param(b"\xff\xfe", "\udcff\udcfe", id="bytes"),
        pytest.param(b"\x0f" * 5000, "\x0f" * 1024, id="long"),
    ],
)
def test_record_that_is_no_log(record: bytes, shown: str) -> None:
    """What cannot be parsed is shown, up to a kilobyte of it."""
    error = refused(Servable(), [record])
    assert error.code is Code.INVALID_ARGUMENT
    assert error.message == f"Failed to parse warmup record: {shown} from {FILE}"


def test_request_that_does_not_fit() -> None:
    """A request that would be refused at a door is refused here, in the same words."""
    error = refused(Servable(), serialized(predict("wrong")))
    assert error.code is Code.INVALID_ARGUMENT
    assert error.message == (
        "Signature input alias: x(feed name: x:0) not found in request and no default value provided. Inputs expected "
        "to be in the request {wrong}, or default input alias set: "
    )


def test_failure_of_a_run_is_passed_on() -> None:
    """What the graph says is what the load fails with; later records do not run."""
    servable = Servable(error=FAILURE)
    assert refused(servable, serialized(predict(), predict())) is FAILURE
    assert len(servable.runs) == 1


def test_answer_that_does_not_fit() -> None:
    """Answers are looked at as they are for a client: a classifier must score each Example."""
    servable = Servable()
    servable.outputs["scores:0"] = Tensor(DataType.FLOAT, np.ones((2, 1), np.float32))
    error = refused(servable, serialized(with_example("classify")))
    assert error.message == "Expected scores output batch size of 1. Got: 2"


@pytest.mark.parametrize("check", [False, True])
def test_method_names_are_checked_if_asked_for(check: bool) -> None:
    """The flag that checks method names holds for warm-up as well."""
    servable = Servable()
    if check:
        assert refused(servable, serialized(predict()), check_method_names=True).code is Code.INTERNAL
    else:
        replay(servable, serialized(predict()))
    assert len(servable.runs) == (not check)


def damaged_after(*records: bytes) -> Iterator[bytes]:
    """Records, and then damage."""
    yield from records
    raise DamagedError("corrupted record at 12")


def test_damage() -> None:
    """Damaged framing is DATA_LOSS with a hint, after the records before it have run."""
    servable = Servable()
    error = refused(servable, damaged_after(*serialized(predict())))
    assert len(servable.runs) == 1
    assert error.code is Code.DATA_LOSS
    assert error.message == "corrupted record at 12. Please verify your warmup data is in TFRecord format."


def test_observer_hears_of_each_run() -> None:
    """Runs are reported by the model's name in the record, the API and their time; MultiInference by its Examples."""
    servable, observer = Servable(seconds=0.25), Observed()
    logs = [predict(model="a"), with_example("classify"), with_example("regress"), multi_inference()]
    replay(servable, serialized(*logs), observer=observer)
    assert observer.runs == [("a", "Predict", 0.25), ("m", "Classify", 0.25), ("m", "Regress", 0.25)]
    assert observer.examples_of == [("m", 1)]


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        pytest.param(lambda: iter(()), [("/models/m/1", "OK", 0.0, 0)], id="empty"),
        pytest.param(lambda: serialized(predict(), predict()), [("/models/m/1", "OK", 1.0, 2)], id="whole"),
        pytest.param(
            lambda: damaged_after(*serialized(predict())),
            [("/models/m/1", "DATA_LOSS: corrupted record at 12", 0.5, 1)],
            id="damaged",
        ),
        pytest.param(lambda: [b"garbage"], [], id="failed"),
    ],
)
def test_observer_hears_of_files_that_were_read(
    records: Callable[[], Iterable[bytes]], expected: list[Outcome]
) -> None:
    """A file counts when it was read to its end or to damage, not when a record failed."""
    servable, observer = Servable(seconds=0.5), Observed()
    with suppress(ServingError):
        replay(servable, records(), observer=observer)
    assert observer.files == expected


def test_lines_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """The end is told with the number of records and the time."""
    caplog.set_level("INFO", "serving")
    replay(Servable(seconds=0.5), serialized(predict(), predict()))
    assert caplog.messages[-1] == (
        f"Finished reading warmup data for model at {FILE}. Number of warmup records read: 2. "
        "Elapsed time (microseconds): 1000000."
    )
