"""Compiled models and their calls: what goes in and comes out, at once, out of time, failing, closed."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from serving.core.tensor import STORAGE, DataType, Tensor
from serving.openvino import library
from serving.openvino.compiled import CompiledModel, OutOfTimeError, Port
from serving.openvino.elementwise import EXACT_FLOATS
from serving.openvino.library import OpenVinoError
from tests.server.openvino import small_graphs
from tests.server.openvino.small_graphs import (
    SETTINGS,
    WIDTH,
    X,
    Y,
    compiled,
    dense,
    expected,
    floats,
    memory_file,
    opened,
)
from tests.support import TIMEOUT_SECONDS
from tests.support.models import tensor
from tests.support.server_process import wait_until


@pytest.mark.parametrize("rows", [1, 2, 7])
def test_it_computes(rows: int) -> None:
    """Any number of rows, one model."""
    with opened(dense()) as model:
        x = floats(rows, WIDTH)
        (y,) = model([x])
        assert y.dtype is DataType.FLOAT
        assert np.allclose(y.array, expected(x.array), atol=1e-5)


def values(dtype: DataType) -> Any:
    """Two rows of three, with the ends of the type; of wide integers those that it is given, which floats have."""
    storage = STORAGE[dtype]
    if storage.kind == "b":
        return np.array([[True, False, True], [False, False, True]])
    if storage.kind == "i":
        return np.array([[-EXACT_FLOATS, 0, EXACT_FLOATS], [1, 2, 3]], storage)
    ends = np.iinfo(storage) if storage.kind == "u" else np.finfo(storage)
    return np.array([[ends.min, 0, ends.max], [1, 2, 3]], storage)


@pytest.mark.parametrize(
    "dtype",
    [DataType.FLOAT, DataType.BOOL, DataType.UINT8, DataType.INT32, DataType.INT64],
    ids=lambda dtype: str(dtype.word),
)
def test_every_type_that_it_is_given_comes_back(dtype: DataType) -> None:
    """To the bit, in and out."""
    with opened(small_graphs.same(dtype), [Port("x:0", dtype)], [Port("y:0", dtype)]) as model:
        (y,) = model([Tensor(dtype, values(dtype))])
    assert (y.dtype, y.array.dtype) == (dtype, STORAGE[dtype])
    assert y.array.tolist() == values(dtype)[::-1].tolist()


def test_scalars_go_in_and_out() -> None:
    """A tensor without dimensions keeps having none."""
    ports = [Port("x:0", DataType.FLOAT), Port("k:0", DataType.FLOAT)]
    with opened(small_graphs.total(), ports) as model:
        for rows in (1, 2, 5):
            ones = Tensor(DataType.FLOAT, np.ones((rows, 3), np.float32))
            (y,) = model([ones, tensor(DataType.FLOAT, 2.0)])
            assert (y.array.shape, y.array.item()) == ((), 6.0 * rows)


def _read_only(array: Any) -> Any:
    array = array.copy()
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    "view",
    [
        pytest.param(lambda array: array[::-1], id="backwards"),
        pytest.param(lambda array: array.copy(order="F"), id="by columns"),
        pytest.param(lambda array: np.repeat(array, 2, axis=1)[:, ::2], id="with gaps"),
        pytest.param(lambda array: np.broadcast_to(array[:1], array.shape), id="one row for all"),
        pytest.param(
            lambda array: np.frombuffer(b"." + array.tobytes(), np.uint8)[1:].view(np.float32).reshape(array.shape),
            id="not aligned",
        ),
        pytest.param(_read_only, id="read only"),
    ],
)
def test_arrays_are_taken_as_they_read(view: Callable[[Any], Any]) -> None:
    """Not as their memory lies."""
    given = view(floats(3, WIDTH).array)
    with opened(dense()) as model:
        (y,) = model([Tensor(DataType.FLOAT, given)])
    assert np.allclose(y.array, expected(np.array(given)), atol=1e-5)


def test_inputs_are_not_written_to() -> None:
    """They may be in a message that is answered later."""
    x = floats(3, WIDTH)
    before = x.array.tobytes()
    with opened(dense()) as model:
        model([x])
    assert x.array.tobytes() == before


def test_outputs_are_ours() -> None:
    """They outlive the next call, and the model."""
    one, other = floats(3, WIDTH, seed=1), floats(3, WIDTH, seed=2)
    with opened(dense()) as model:
        (first,) = model([one])
        kept = first.array.tobytes()
        model([other])
        assert first.array.tobytes() == kept
    assert first.array.tobytes() == kept
    assert np.allclose(first.array, expected(one.array), atol=1e-5)


def test_calls_at_once_do_not_meet() -> None:
    """Each has a request of its own; afterwards there are no more than calls at once."""
    given = [floats(1 + seed % 3, WIDTH, seed=seed) for seed in range(8)]
    start = threading.Barrier(len(given))

    def calling(x: Tensor) -> bool:
        start.wait(TIMEOUT_SECONDS)
        return all(np.allclose(model([x])[0].array, expected(x.array), atol=1e-5) for _ in range(50))

    with opened(dense()) as model, ThreadPoolExecutor(len(given)) as pool:
        assert list(pool.map(calling, given)) == [True] * len(given)
        assert 1 <= len(model._free) <= len(given)


LONG = dense(512, 40)
ROWS = floats(512, 512)
"""What takes some tenths of a second, or more."""


def test_a_call_ends_when_its_time_is_over() -> None:
    """The model goes on, and its next answers are right."""
    with opened(LONG) as model:
        with pytest.raises(OutOfTimeError):
            model([ROWS], 1)
        assert np.isfinite(model([floats(1, 512)])[0].array).all()
        with pytest.raises(OutOfTimeError):
            model([ROWS], 1)


@pytest.mark.parametrize("timeout_ms", [10**6, 2**31, 2**53, 2**63 - 1])
def test_long_limits_are_not_over_at_once(timeout_ms: int) -> None:
    """The longest that a client may ask for is taken for what it says."""
    x = floats(2, WIDTH)
    with opened(dense()) as model:
        assert np.allclose(model([x], timeout_ms)[0].array, expected(x.array), atol=1e-5)


@pytest.mark.parametrize("timeout_ms", [0, 1000])
def test_a_failing_call_is_an_error(timeout_ms: int) -> None:
    """Its request is not used again."""
    with opened(small_graphs.folded()) as model:
        good = floats(2, WIDTH)
        (before,) = model([good], timeout_ms)
        with pytest.raises(OpenVinoError):
            model([floats(1, WIDTH - 1)], timeout_ms)
        assert model._free == []
        (after,) = model([good], timeout_ms)
        assert after.array.tobytes() == before.array.tobytes()


@pytest.mark.parametrize(
    "x",
    [
        pytest.param(floats(2, WIDTH + 1), id="size"),
        pytest.param(floats(2), id="rank"),
    ],
)
def test_fixed_sizes_are_checked(x: Tensor) -> None:
    """What the model knows of its sizes, it holds to."""
    with opened(dense()) as model, pytest.raises(OpenVinoError):
        model([x])


@pytest.mark.parametrize(
    ("inputs", "outputs", "text"),
    [
        ([Port("x:0", DataType.INT32)], [Y], "x:0 has element type"),
        ([X], [Port("y:0", DataType.INT64)], "y:0 has element type"),
        ([Port("nothing:0", DataType.FLOAT)], [Y], "nothing:0"),
    ],
)
def test_ports_are_held_against_the_model(inputs: list[Port], outputs: list[Port], text: str) -> None:
    """A type that is not what is thought would be read as another."""
    with compiled(dense()) as blob, pytest.raises(OpenVinoError, match=text):
        CompiledModel(library.load(), SETTINGS, blob, inputs, outputs)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: b"", id="empty"),
        pytest.param(lambda data: b"x" * len(data), id="foreign"),
        pytest.param(lambda data: data[: len(data) // 2], id="cut"),
        pytest.param(lambda data: bytes(64) + data[64:], id="without its head"),
    ],
)
def test_damaged_models_are_errors(damage: Callable[[bytes], bytes]) -> None:
    """They are noticed before anything is computed."""
    with compiled(dense()) as blob:
        damaged = memory_file(damage(os.pread(blob, os.fstat(blob).st_size, 0)))
    with pytest.raises(OpenVinoError):
        CompiledModel(library.load(), SETTINGS, damaged, [X], [Y])
    os.close(damaged)


def test_a_closed_file_is_an_error() -> None:
    """It cannot be opened anew."""
    with compiled(dense()) as blob:
        pass
    with pytest.raises(OpenVinoError, match="cannot be read"):
        CompiledModel(library.load(), SETTINGS, blob, [X], [Y])


def test_a_part_of_a_file() -> None:
    """Several models may be in one."""
    page = os.sysconf("SC_PAGE_SIZE")
    x = floats(2, WIDTH)
    with compiled(dense()) as blob:
        data = os.pread(blob, os.fstat(blob).st_size, 0)
    both = memory_file(b"." * page + data + b"." * page)
    model = CompiledModel(library.load(), SETTINGS, both, [X], [Y], offset=page, size=len(data))
    os.close(both)
    assert np.allclose(model([x])[0].array, expected(x.array), atol=1e-5)
    model.close()


def test_pages_are_given_back() -> None:
    """What is needed of the file afterwards is read again."""
    x = floats(2, WIDTH)
    with opened(dense()) as model:
        before = model([x])[0].array.tobytes()
        model.release_pages()
        assert model([x])[0].array.tobytes() == before


def test_a_close_waits_for_the_calls() -> None:
    """What runs ends well, what comes is refused, and all is freed once."""
    with opened(LONG) as model, ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(model, [ROWS]) for _ in range(2)]
        wait_until("both are inside", lambda: model._inside == 2 or all(each.done() for each in calls))
        model.close()
        with pytest.raises(OpenVinoError, match="it is closed"):
            model([ROWS])
        assert [each.result(TIMEOUT_SECONDS)[0].array.shape for each in calls] == [ROWS.array.shape] * 2


def test_a_second_close_is_none() -> None:
    """What was freed is not freed again."""
    with opened(dense()) as model:
        model.close()
