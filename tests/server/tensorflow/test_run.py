"""Running SavedModels: dtypes, shapes, state, errors, time limits. Strings and threads have files of their own."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from serving.core.servable import Run
from serving.core.tensor import STORAGE, DataType, Tensor
from serving.errors import Code, ServingError
from serving.servables.libtensorflow import Library
from serving.servables.tensors import from_tensorflow
from tests.support.models import NO_LIMIT, call, floats, loaded, resolve, strings, tensor

LONG_MS = 20_000.0
"""A wait that only a broken time limit sits out."""


def extremes(dtype: DataType) -> NDArray[Any]:
    """Values at the ends of a data type's range, and zero."""
    storage = STORAGE[dtype]
    if storage.kind in "iu":
        return np.array([np.iinfo(storage).min, 0, 1, np.iinfo(storage).max], storage)
    if storage.kind == "b":
        return np.array([True, False, True], storage)
    end = np.finfo(storage).max
    values = np.array([-end, -0.0, end, np.inf, np.finfo(storage).tiny], storage)
    if storage.kind == "c":
        return np.array([complex(-end, end), complex(0.0, -0.0), complex(np.inf, 1)], storage)
    return values


IDENTITIES = [
    pytest.param(dtype, name, id=name)
    for dtype, name in [
        (DataType.FLOAT, "float"),
        (DataType.DOUBLE, "double"),
        (DataType.INT32, "int32"),
        (DataType.INT16, "int16"),
        (DataType.INT8, "int8"),
        (DataType.UINT8, "uint8"),
        (DataType.UINT16, "uint16"),
        (DataType.INT64, "int64"),
        (DataType.UINT32, "uint32"),
        (DataType.UINT64, "uint64"),
        (DataType.BOOL, "bool"),
        (DataType.HALF, "half"),
        (DataType.BFLOAT16, "bfloat16"),
        (DataType.COMPLEX64, "complex64"),
    ]
]


def error_of(run: Run, *tensors: Tensor, timeout_ms: int = NO_LIMIT) -> ServingError:
    """The error that a call raises."""
    with pytest.raises(ServingError) as raised:
        run(tensors, timeout_ms)
    return raised.value


@pytest.mark.parametrize(("dtype", "signature"), IDENTITIES)
def test_every_dtype_comes_back_unchanged(models: Path, dtype: DataType, signature: str) -> None:
    """Values at the ends of the range pass through TensorFlow bit for bit."""
    values = extremes(dtype)
    with loaded(models / "dtypes" / "1") as servable:
        answer = call(servable, {"x": Tensor(dtype, values)}, signature)["y"]
    assert answer.dtype is dtype
    assert (answer.array.dtype, answer.array.tobytes()) == (STORAGE[dtype], values.tobytes())


@pytest.mark.parametrize("shape", [(0,), (1,), (7, 0, 2), (2, 3, 4), (1,) * 12], ids=str)
def test_any_shape_is_fed(models: Path, shape: tuple[int, ...]) -> None:
    """Shapes are not checked against the signature, not even the rank."""
    values = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    with loaded(models / "half_plus_two" / "123") as servable:
        (answer,) = servable.resolve(("x:0",), ("y:0",))([Tensor(DataType.FLOAT, values)], NO_LIMIT)
    assert np.array_equal(answer.array, values * 0.5 + 2)


def test_scalar_is_fed(models: Path) -> None:
    """A tensor without dimensions keeps having none."""
    with loaded(models / "half_plus_two" / "123") as servable:
        (answer,) = servable.resolve(("x:0",), ("y:0",))([tensor(DataType.FLOAT, 4.0)], NO_LIMIT)
    assert (answer.array.shape, answer.array.item()) == ((), 4.0)


def test_strided_array_is_fed_in_its_own_order(models: Path) -> None:
    """An array that is a view with strides arrives as it reads, not as its memory lies."""
    values = np.arange(6, dtype=np.float32).reshape(2, 3).T
    with loaded(models / "half_plus_two" / "123") as servable:
        (answer,) = servable.resolve(("x:0",), ("y:0",))([Tensor(DataType.FLOAT, values)], NO_LIMIT)
    assert answer.array.tolist() == [[2, 3.5], [2.5, 4], [3, 4.5]]


@pytest.mark.parametrize("rows", [1, 4095, 4096, 4097, 50_000])
def test_inputs_of_any_length_arrive_whole(models: Path, rows: int) -> None:
    """Long inputs are copied in another way than short ones; both arrive, also if their memory has gaps."""
    values = np.arange(3 * rows, dtype=np.float32)
    with loaded(models / "half_plus_two" / "123") as servable:
        run = servable.resolve(("x:0",), ("y:0",))
        for given in (values[:rows], values[::3], values[rows:0:-1]):
            (answer,) = run([Tensor(DataType.FLOAT, given)], NO_LIMIT)
            assert np.array_equal(answer.array, given * np.float32(0.5) + 2)


def test_answer_outlives_the_model(models: Path) -> None:
    """Outputs are copies: they stay after the model was closed."""
    with loaded(models / "half_plus_three" / "1") as servable:
        answer = call(servable, {"x": floats(*range(1000))})["y"]
    assert answer.array.tolist() == [value / 2 + 3 for value in range(1000)]


def test_state_stays_between_calls(models: Path) -> None:
    """A counter counts, by one and by what it is told, and can be reset."""
    with loaded(models / "counter" / "1") as servable:
        for signature, inputs in [
            ("reset_counter", {}),
            ("incr_counter", {}),
            ("incr_counter", {}),
            ("incr_counter_by", {"delta": tensor(DataType.FLOAT, 2.5)}),
        ]:
            call(servable, inputs, signature)
        assert call(servable, {}, "get_counter")["output"].array.item() == 4.5


def test_reference_output_has_its_plain_dtype(models: Path) -> None:
    """TF1's reference types, 100 above the plain ones, are not told to clients."""
    with loaded(models / "counter" / "1") as servable:
        assert servable.signature_defs["reset_counter"].outputs["output"].dtype > 100
        assert call(servable, {}, "reset_counter")["output"].dtype is DataType.FLOAT


def test_intermediate_tensor_can_be_fed(models: Path) -> None:
    """Feeding ``x:0`` replaces what the graph would parse from Examples."""
    with loaded(models / "half_plus_two" / "123") as servable:
        assert servable.resolve(("x2:0",), ("y3:0",))([tensor(DataType.FLOAT, [[4]])], NO_LIMIT)[0].array.item() == 5.0


def test_operation_name_means_its_first_output(models: Path) -> None:
    """``x`` is ``x:0``."""
    with loaded(models / "half_plus_two" / "123") as servable:
        assert servable.resolve(("x",), ("y",))([tensor(DataType.FLOAT, [[1]])], NO_LIMIT)[0].array.item() == 2.5


def test_default_stands_in_for_a_missing_input(models: Path) -> None:
    """A signature's default feeds the input that a request leaves out."""
    with loaded(models / "multi" / "1") as servable:
        answer = call(servable, {"a": tensor(DataType.FLOAT, [[1, 2]])}, "with_default")
    assert answer["sum"].array.tolist() == [[11, 12]]


@pytest.mark.parametrize(
    ("given", "text"),
    [
        pytest.param(tensor(DataType.INT32, [[1]]), "Expects arg[0] to be float but int32 is provided", id="int32"),
        pytest.param(strings(b"1"), "Expects arg[0] to be float but string is provided", id="string"),
    ],
)
def test_dtypes_are_not_cast(models: Path, given: Tensor, text: str) -> None:
    """Another dtype than the graph's is TensorFlow's error, in its words."""
    with loaded(models / "matrix" / "1") as servable:
        error = error_of(resolve(servable, "serving_default"), given)
    assert (error.code, error.message) == (Code.INVALID_ARGUMENT, text)


@pytest.mark.parametrize(
    ("feeds", "fetches", "named"),
    [
        pytest.param(("nope:0",), ("y:0",), "nope:0", id="feed"),
        pytest.param(("x:0",), ("nope:0",), "nope:0", id="fetch"),
    ],
)
def test_unknown_tensor_is_named(models: Path, feeds: tuple[str, ...], fetches: tuple[str, ...], named: str) -> None:
    """A tensor that the graph lacks is an error before anything runs."""
    with loaded(models / "matrix" / "1") as servable, pytest.raises(ServingError) as raised:
        servable.resolve(feeds, fetches)
    assert raised.value.code is Code.INVALID_ARGUMENT
    assert raised.value.message == (
        f"Tensor {named}, specified in either feed_devices or fetch_devices was not found in the Graph"
    )


def test_failing_step_gives_tensorflows_error_and_the_next_one_runs(models: Path) -> None:
    """An assertion of the graph reaches the caller and leaves nothing behind."""
    with loaded(models / "failing" / "1") as servable:
        run = resolve(servable, "serving_default")
        error = error_of(run, floats(-1))
        assert error.code is Code.INVALID_ARGUMENT
        assert "x must not be negative" in error.message
        assert run([floats(9)], NO_LIMIT)[0].array.tolist() == [3]


def test_resource_output_has_no_wire_form(models: Path) -> None:
    """A fetched resource handle is UNIMPLEMENTED with its data type."""
    with loaded(models / "half_plus_two" / "123") as servable:
        error = error_of(servable.resolve((), ("a:0",)))
    assert error.code is Code.UNIMPLEMENTED
    assert "data type 20" in error.message


def test_time_limit_ends_a_step(models: Path) -> None:
    """A step beyond its limit is DEADLINE_EXCEEDED, with TensorFlow's text."""
    with loaded(models / "slow" / "1") as servable:
        error = error_of(resolve(servable, "wait"), floats(LONG_MS), timeout_ms=20)
    assert (error.code, error.message) == (Code.DEADLINE_EXCEEDED, "Timed out waiting for notification")


def test_time_limit_that_is_not_reached_changes_nothing(models: Path) -> None:
    """The largest limit a client can send is taken as well."""
    with loaded(models / "slow" / "1") as servable:
        assert resolve(servable, "wait")([floats(1)], 2**80)[0].array.tolist() == [1]


def test_wrong_number_of_inputs_runs_nothing(models: Path) -> None:
    """Fewer tensors than feeds are refused before TensorFlow sees them, and the next call is answered."""
    with loaded(models / "half_plus_three" / "1") as servable:
        run = resolve(servable, "serving_default")
        with pytest.raises(ValueError, match="same size"):
            run([], NO_LIMIT)
        assert run([floats(1)], NO_LIMIT)[0].array.tolist() == [3.5]


def test_output_beyond_a_message_is_an_error() -> None:
    """An output that no message can carry is refused before it is copied."""
    library = SimpleNamespace(
        TensorType=lambda handle: DataType.FLOAT,
        NumDims=lambda handle: 0,
        TensorData=lambda handle: 0,
        TensorByteSize=lambda handle: 2**31,
    )
    with pytest.raises(ServingError, match="an output has 2147483648 bytes") as raised:
        from_tensorflow(cast("Library", library), 1)
    assert raised.value.code is Code.RESOURCE_EXHAUSTED
