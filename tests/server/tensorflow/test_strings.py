"""Strings in and out of TensorFlow's memory: every storage kind, kept by a variable, many times over."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.core.tensor import DataType, Tensor
from serving.servables import tensors
from serving.servables.libtensorflow import load
from serving.servables.tensors import from_tensorflow, to_tensorflow
from tests.support.models import NO_LIMIT, call, loaded, resolve, strings, write_string_variable

LENGTHS = (0, 1, 22, 23, 24, 1000, 100_000)


def text(length: int, seed: int = 0) -> bytes:
    """A string of its own for each length and seed, with every byte value if it is long enough."""
    return (bytes((index + seed) % 256 for index in range(256)) * (length // 256 + 1))[:length]


def passed(tensor: Tensor) -> Tensor:
    """A tensor after its way into and out of a ``TF_Tensor``."""
    library = load()
    handle = to_tensorflow(library, tensor)
    try:
        return from_tensorflow(library, handle)
    finally:
        library.DeleteTensor(handle)


@pytest.mark.parametrize("length", LENGTHS)
def test_string_comes_back_unchanged(models: Path, length: int) -> None:
    """Strings of up to 22 bytes lie in their structure, longer ones on the heap; both arrive and return."""
    with loaded(models / "strings" / "1") as servable:
        outputs = call(servable, {"s": strings(text(length))})
    assert [outputs["out"].array.tolist(), outputs["out_bytes"].array.tolist()] == [[text(length)]] * 2


def test_lengths_are_what_the_graph_sees(models: Path) -> None:
    """TensorFlow reads the same lengths that were written."""
    with loaded(models / "strings" / "1") as servable:
        answer = call(servable, {"s_bytes": strings(*[text(length) for length in LENGTHS])}, "length")
    assert answer["n"].array.tolist() == list(LENGTHS)


@pytest.mark.parametrize("shape", [(), (0,), (2, 3), (3, 0)], ids=str)
def test_any_shape_of_strings(shape: tuple[int, ...]) -> None:
    """Scalars, matrices and tensors without elements keep their shape."""
    array = np.empty(int(np.prod(shape)), object)
    array[:] = [text(20 + index) for index in range(len(array))]
    back = passed(Tensor(DataType.STRING, array.reshape(shape)))
    assert (back.dtype, back.array.shape) == (DataType.STRING, shape)
    assert back.array.tolist() == array.reshape(shape).tolist()


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_any_bytes_pass(values: list[bytes]) -> None:
    """Whatever the bytes and lengths around the limit of inline storage, they come back."""
    assert passed(strings(*values)).array.tolist() == values


@given(st.lists(st.binary(max_size=40) | st.sampled_from((b"", b"a\0", b"\0" * 22)), min_size=1, max_size=8))
def test_many_strings_pass(values: list[bytes]) -> None:
    """So many that they are moved in bulk: short and long, empty, ending in NUL, in more than one slice."""
    many = (values * 300)[:300]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tensors, "_MOST_STRINGS", 100)
        assert passed(strings(*many)).array.tolist() == many
        assert passed(strings(*[b""] * 300)).array.tolist() == [b""] * 300


def test_many_bytes_pass() -> None:
    """Megabytes of numbers, copied another way."""
    array = np.arange(2**19, dtype=np.float32).reshape(2, -1)
    assert np.array_equal(passed(Tensor(DataType.FLOAT, array)).array, array)


def test_kept_outputs_stay_while_others_run(models: Path) -> None:
    """Answers are copies: hundreds of later calls that reuse the freed memory do not change them."""
    with loaded(models / "strings" / "1") as servable:
        run = resolve(servable, "plain")
        sent = [[text(length, seed) for length in LENGTHS[:-1]] for seed in range(300)]
        kept = [run([strings(*values)], NO_LIMIT)[0] for values in sent]
    assert [answer.array.tolist() for answer in kept] == sent


def test_string_kept_by_a_variable_survives_its_request(tmp_path: Path) -> None:
    """A variable that was assigned a fed string still has it after the request's memory was given back."""
    write_string_variable(tmp_path)
    with loaded(tmp_path) as servable:
        assign, read = resolve(servable, "assign"), resolve(servable, "read")
        for seed in range(50):
            values = [text(length, seed) for length in LENGTHS]
            assign([strings(*values)], NO_LIMIT)
            for other in range(10):  # takes the freed memory, if it was freed
                passed(strings(*[text(length, other + 100) for length in LENGTHS]))
            assert read([], NO_LIMIT)[0].array.tolist() == values


def test_threads_do_not_mix_strings(models: Path) -> None:
    """Eight threads sending long strings get their own back."""
    with loaded(models / "strings" / "1") as servable, ThreadPoolExecutor(8) as pool:
        run = resolve(servable, "plain")

        def ask(thread: int) -> bool:
            sent = [[text(length, thread * 100 + count) for length in (5, 30, 3000)] for count in range(100)]
            return [run([strings(*values)], NO_LIMIT)[0].array.tolist() for values in sent] == sent

        assert all(pool.map(ask, range(8)))


def test_no_block_is_left_when_all_tensors_are_gone() -> None:
    """The memory of string tensors is given back with the last reference to them."""
    before = len(tensors._owned)
    for seed in range(100):
        passed(strings(text(10, seed), text(1000, seed)))
        passed(strings(*[text(10, seed), text(1000, seed)] * 50))
    assert len(tensors._owned) == before
