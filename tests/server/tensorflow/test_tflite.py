"""Running TensorFlow Lite files: shapes, strings, errors, and interpreters shared by threads."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from serving.core.tensor import DataType, Tensor
from serving.errors import Code, ServingError
from serving.servables.tflite import TfliteServable
from serving.servables.tflite_interpreter import TfliteInterpreter, TfliteTensor
from tests.server.tensorflow.lite import lite, only
from tests.support.models import NO_LIMIT, call, floats, resolve, strings, tensor

LIMIT_SECONDS = 30.0


@pytest.fixture(scope="module")
def half_plus_two(other_kinds: Path) -> Iterator[TfliteServable]:
    with lite(other_kinds / "half_plus_two.tflite") as servable:
        yield servable


@pytest.fixture(scope="module")
def words(other_kinds: Path) -> Iterator[TfliteServable]:
    with lite(other_kinds / "strings.tflite") as servable:
        yield servable


@given(arrays.arrays(np.float32, arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)))
def test_inputs_take_the_shape_of_the_request(half_plus_two: TfliteServable, array: np.ndarray) -> None:
    """Any rank and size is answered in its own shape, whatever the shape before was."""
    given_alias, made_alias = only(half_plus_two)
    outputs = call(half_plus_two, {given_alias: Tensor(DataType.FLOAT, array)})
    assert outputs[made_alias].array.shape == array.shape
    np.testing.assert_array_equal(outputs[made_alias].array, np.float32(0.5) * array + np.float32(2))


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=5))
def test_strings_travel_unchanged(words: TfliteServable, values: list[bytes]) -> None:
    """Strings of any bytes and length go in as ``[batch]`` and come out."""
    given_alias, made_alias = only(words)
    outputs = call(words, {given_alias: strings(*values)})
    assert outputs[made_alias].dtype is DataType.STRING
    assert outputs[made_alias].array.tolist() == [[value] for value in values]


def test_a_column_of_strings_is_fed_as_a_batch(words: TfliteServable) -> None:
    """One string in each row is a ``[batch]`` of them, whatever the rank of the request."""
    given_alias, made_alias = only(words)
    outputs = call(words, {given_alias: tensor(DataType.STRING, [[b"a"], [b"b"]])})
    assert outputs[made_alias].array.tolist() == [[b"a"], [b"b"]]


def test_answers_are_copies(half_plus_two: TfliteServable) -> None:
    """An answer stays as it is when the interpreter goes on to the next call."""
    given_alias, made_alias = only(half_plus_two)
    first = call(half_plus_two, {given_alias: floats(1, 2)})[made_alias].array
    call(half_plus_two, {given_alias: floats(7, 8)})
    assert first.tolist() == [2.5, 3.0]


def test_all_inputs_are_resized_before_memory_is_planned(other_kinds: Path) -> None:
    """Sizes of several inputs may change together, where each change alone would not fit."""
    with lite(other_kinds / "product.tflite") as servable:
        (made_alias,) = servable.signatures["serving_default"].outputs
        for size in (2, 3, 1):
            left, right = np.ones((4, size), np.float32), np.ones((size, 5), np.float32)
            outputs = call(
                servable,
                {
                    "serving_default_a": Tensor(DataType.FLOAT, left),
                    "serving_default_b": Tensor(DataType.FLOAT, right),
                },
            )
            assert outputs[made_alias].array.tolist() == (left @ right).tolist()


def test_interpreter_recovers_from_sizes_that_do_not_fit(other_kinds: Path) -> None:
    """A request that cannot be planned fails each time it comes; others are answered before and after."""
    with lite(other_kinds / "product.tflite") as servable:
        run = resolve(servable, "serving_default")
        good = [tensor(DataType.FLOAT, np.ones((1, 2))), tensor(DataType.FLOAT, np.ones((2, 1)))]
        bad = [tensor(DataType.FLOAT, np.ones((1, 2))), tensor(DataType.FLOAT, np.ones((3, 1)))]
        assert run(good, NO_LIMIT)[0].array.tolist() == [[2.0]]
        for _ in range(2):
            with pytest.raises(ServingError) as raised:
                run(bad, NO_LIMIT)
            assert (raised.value.code, raised.value.message) == (Code.INTERNAL, "Failed to allocate tensors")
        assert run(good, NO_LIMIT)[0].array.tolist() == [[2.0]]


def test_size_beyond_32_bits_is_refused(half_plus_two: TfliteServable) -> None:
    """A dimension that TensorFlow Lite cannot count is an error; the next call is answered."""
    given_alias, made_alias = only(half_plus_two)
    huge = Tensor(DataType.FLOAT, np.empty((0, 2**40), np.float32))
    call(half_plus_two, {given_alias: floats(1)})
    with pytest.raises(ServingError) as raised:
        call(half_plus_two, {given_alias: huge})
    assert raised.value.code is Code.INTERNAL
    assert raised.value.message == "Failed to resize input tensor: serving_default_x:0 from 4 to 0 bytes."
    assert call(half_plus_two, {given_alias: floats(1)})[made_alias].array.tolist() == [2.5]


def test_data_types_are_checked(half_plus_two: TfliteServable) -> None:
    """Another data type is refused, not cast and not read as if it were the right one."""
    with pytest.raises(ServingError) as raised:
        resolve(half_plus_two, "serving_default")([tensor(DataType.INT32, [1])], NO_LIMIT)
    assert raised.value.code is Code.INVALID_ARGUMENT
    assert raised.value.message == "Expects arg[0] to be float but int32 is provided"


@pytest.mark.parametrize(
    ("feeds", "fetches", "text"),
    [
        pytest.param(("x:0",), (), "Missing input TFLite tensor: x:0: Unknown tensor 'x:0'.", id="input"),
        pytest.param((), ("y",), "Missing output TFLite tensor: y: Unknown tensor 'y'.", id="output"),
    ],
)
def test_only_inputs_and_outputs_can_be_named(
    half_plus_two: TfliteServable, feeds: tuple[str, ...], fetches: tuple[str, ...], text: str
) -> None:
    """There is no feeding or fetching within the graph."""
    with pytest.raises(ServingError) as raised:
        half_plus_two.resolve(feeds, fetches)
    assert (raised.value.code, raised.value.message) == (Code.INTERNAL, text)


def test_threads_share_a_pool(other_kinds: Path) -> None:
    """More threads than interpreters get their own answers, each with its own shape."""
    with lite(other_kinds / "half_plus_two.tflite", interpreters=2) as servable, ThreadPoolExecutor(6) as threads:
        run = resolve(servable, "serving_default")
        sizes = [1 + number % 5 for number in range(200)]
        answers = threads.map(lambda size: run([floats(*[size] * size)], NO_LIMIT)[0].array.tolist(), sizes)
        assert list(answers) == [[0.5 * size + 2] * size for size in sizes]


class Held(TfliteInterpreter):
    """An interpreter without a model, whose runs last until they are let go."""

    def __init__(self) -> None:
        self.inputs = self.outputs = {"x": TfliteTensor("x", 0, DataType.FLOAT, (1,))}
        self.begun, self.go = threading.Event(), threading.Event()

    def run(self, feeds: Iterable[tuple[TfliteTensor, Tensor]], fetches: Sequence[TfliteTensor]) -> list[Tensor]:
        self.begun.set()
        assert self.go.wait(LIMIT_SECONDS)
        return [given for _, given in feeds]


def test_time_limit_bounds_the_wait_for_an_interpreter() -> None:
    """A call that finds none free within its limit ends; the one that had it is answered."""
    held = Held()
    with ThreadPoolExecutor(1) as executor:
        run = TfliteServable([held], {}, executor).resolve(("x",), ("x",))
        first = run.submit([floats(1)], NO_LIMIT)
        assert held.begun.wait(LIMIT_SECONDS)
        assert not run.inline
        with pytest.raises(ServingError) as raised:
            run([floats(2)], 1)
        held.go.set()
        assert first.result(LIMIT_SECONDS)[0].array.tolist() == [1.0]
    assert raised.value.code is Code.DEADLINE_EXCEEDED
