"""What a model is tried with when it is optimised: recorded requests that fit its step, then made-up numbers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serving.codecs import tfrecord
from serving.core.signature import (
    CLASSIFY_METHOD_NAME,
    PREDICT_METHOD_NAME,
    REGRESS_METHOD_NAME,
    Signature,
    TensorInfo,
)
from serving.core.tensor import DataType
from serving.optimizing.candidates import Step
from serving.optimizing.examples import examples
from serving.protos import Example, PredictionLog

STEP = Step(("s:0",), ("y:0",))


def signature(
    name: str, dtype: DataType, method_name: str = PREDICT_METHOD_NAME, shape: tuple[int, ...] = (-1,)
) -> Signature:
    """One input and one output, called as each method wants them."""
    inputs = {"inputs": TensorInfo(name="s:0", dtype=dtype, shape=shape)}
    alias = "scores" if method_name == CLASSIFY_METHOD_NAME else "outputs"
    outputs = {alias: TensorInfo(name="y:0", dtype=DataType.FLOAT, shape=(-1,))}
    return Signature(name=name, inputs=inputs, outputs=outputs, method_name=method_name)


SIGNATURES = {
    "p": signature("p", DataType.STRING),
    "c": signature("c", DataType.STRING, CLASSIFY_METHOD_NAME),
    "r": signature("r", DataType.STRING, REGRESS_METHOD_NAME),
}
EXAMPLE = Example(features={"feature": {"v": {"float_list": {"value": [1.0]}}}})


def predict(log: Any, value: bytes = b"text", name: str = "p") -> None:
    request = log.predict_log.request
    request.model_spec.signature_name = name
    request.inputs["inputs"].dtype = DataType.STRING
    request.inputs["inputs"].tensor_shape.dim.add(size=1)
    request.inputs["inputs"].string_val.append(value)


def classify(log: Any) -> None:
    log.classify_log.request.model_spec.signature_name = "c"
    log.classify_log.request.input.example_list.examples.append(EXAMPLE)


def regress(log: Any) -> None:
    log.regress_log.request.model_spec.signature_name = "r"
    log.regress_log.request.input.example_list.examples.append(EXAMPLE)


def multi(log: Any) -> None:
    log.multi_inference_log.request.tasks.add()


def wrong_signature(log: Any) -> None:
    predict(log, name="nobody")


def record(fill: Callable[[Any], None]) -> bytes:
    log = PredictionLog()
    fill(log)
    return tfrecord.frame(log.SerializeToString())


def version(path: Path, data: bytes) -> Path:
    """A version directory with these warm-up requests."""
    (path / "assets.extra").mkdir()
    (path / "assets.extra" / "tf_serving_warmup_requests").write_bytes(data)
    return path


def values(path: Path, signatures: dict[str, Signature] | None = None) -> list[list[Any]]:
    return [[tensor.array.tolist() for tensor in each] for each in examples(signatures or SIGNATURES, STEP, path)]


@pytest.mark.parametrize(
    ("fill", "expected"),
    [
        pytest.param(predict, b"text", id="Predict"),
        pytest.param(classify, EXAMPLE.SerializeToString(), id="Classify"),
        pytest.param(regress, EXAMPLE.SerializeToString(), id="Regress"),
    ],
)
def test_recorded_requests(tmp_path: Path, fill: Callable[[Any], None], expected: bytes) -> None:
    """What a recorded request would feed is what the model is tried with."""
    assert values(version(tmp_path, record(fill))) == [[[expected]]]


def test_the_first_records_are_enough(tmp_path: Path) -> None:
    """A long file does not make a load long."""
    records = [record(lambda log, n=number: predict(log, b"%d" % n)) for number in range(6)]  # type: ignore[misc]
    assert values(version(tmp_path, b"".join(records))) == [[[b"%d" % number]] for number in range(4)]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"garbage, garbage", id="damaged"),
        pytest.param(tfrecord.frame(b"\xff"), id="no PredictionLog"),
        pytest.param(record(wrong_signature), id="refused"),
        pytest.param(record(multi), id="several at once"),
        pytest.param(tfrecord.frame(b""), id="nothing"),
    ],
)
def test_what_is_wrong_with_the_file_is_not_said_here(tmp_path: Path, data: bytes) -> None:
    """Warm-up comes later and has the words for it."""
    assert values(version(tmp_path, data)) == []


def test_records_before_a_damaged_one_count(tmp_path: Path) -> None:
    """What could be read is used."""
    assert values(version(tmp_path, record(predict) + b"garbage, garbage")) == [[[b"text"]]]


def test_numbers_are_made_up(tmp_path: Path) -> None:
    """Without a file, a model that takes numbers is tried with one row and with two."""
    made = examples({"p": signature("p", DataType.FLOAT, shape=(-1, 3))}, STEP, tmp_path)
    assert [each[0].array.shape for each in made] == [(1, 3), (2, 3)]
    assert all(each[0].array.dtype == np.float32 for each in made)
