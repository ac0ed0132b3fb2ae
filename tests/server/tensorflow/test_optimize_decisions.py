"""Which models are optimised, and whether what came of it may be served: the decisions, without a child process."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.core.signature import TensorInfo
from serving.core.tensor import STORAGE, DataType, Tensor
from serving.host import cpus
from serving.optimizing import candidates, comparing
from serving.optimizing.candidates import NotOptimizedError, Sizes
from serving.optimizing.examples import made_up

MEBIBYTE = 2**20


@pytest.mark.parametrize(
    ("sizes", "reason", "expected"),
    [
        pytest.param({"weights": 65535}, "it has 65535 bytes of weights", True, id="small"),
        pytest.param(
            {"weights": 10 * MEBIBYTE + 1}, "more than --optimize_max_weights_bytes=10485760", False, id="large"
        ),
        pytest.param({"graph": 16 * MEBIBYTE + 1}, "its graph has 16777217 bytes", False, id="graph"),
        pytest.param(
            {"available": 468 * MEBIBYTE}, "takes about 469 MiB of memory, and 468 MiB are free", False, id="memory"
        ),
    ],
)
def test_sizes_that_are_refused(sizes: dict[str, int], reason: str, expected: bool) -> None:
    """Too small is nothing to speak of; too large is said."""
    with pytest.raises(NotOptimizedError) as raised:
        candidates.check_sizes(replace(Sizes(weights=MEBIBYTE, graph=0, available=None), **sizes), 10 * MEBIBYTE)
    assert reason in str(raised.value)
    assert raised.value.expected is expected


@pytest.mark.parametrize("available", [None, 469 * MEBIBYTE])
def test_sizes_that_are_accepted(available: int | None) -> None:
    """At each limit a model is still optimised; memory that nobody knows is no reason against it."""
    candidates.check_sizes(Sizes(weights=65536, graph=16 * MEBIBYTE, available=available), 65536)
    candidates.check_sizes(Sizes(weights=MEBIBYTE, graph=0, available=available), MEBIBYTE)


def test_short_calls_are_not_worth_it() -> None:
    """Under a tenth of a millisecond there is nothing to gain."""
    comparing.check_call(0.0001)
    with pytest.raises(NotOptimizedError, match=r"a call takes 0\.09 ms"):
        comparing.check_call(0.00009)


def test_a_gain_of_five_percent_is_wanted() -> None:
    """Less than that is within what machines do by themselves."""
    comparing.check_gain(1.0, 0.95)
    with pytest.raises(NotOptimizedError, match=r"it does not pay: 951\.0 ms per call instead of 1000\.0"):
        comparing.check_gain(1.0, 0.951)


def of(values: Any, dtype: DataType = DataType.FLOAT) -> Tensor:
    return Tensor(dtype, np.array(values, STORAGE[dtype]))


@pytest.mark.parametrize(
    ("plain", "given", "difference"),
    [
        pytest.param(of([1.0, -8.0]), of([1.0, -8.0]), 0.0, id="equal"),
        pytest.param(of([1.0, -8.0]), of([1.5, -8.0]), 0.0625, id="of the largest magnitude"),
        pytest.param(of([0.0]), of([0.0625]), 0.0625, id="zero"),
        pytest.param(of([np.nan, np.inf, 1.0]), of([np.nan, np.inf, 1.0]), 0.0, id="not finite"),
        pytest.param(of([np.nan]), of([np.nan]), 0.0, id="nothing finite"),
        pytest.param(of([[]]), of([[]]), 0.0, id="empty"),
        pytest.param(of([3], DataType.INT64), of([3], DataType.INT64), 0.0, id="integer"),
        pytest.param(of([b"a"], DataType.STRING), of([b"a"], DataType.STRING), 0.0, id="string"),
        pytest.param(of([4j], DataType.COMPLEX64), of([4.25j], DataType.COMPLEX64), 0.0625, id="complex"),
    ],
)
def test_answers_that_agree(plain: Tensor, given: Tensor, difference: float) -> None:
    """The difference is in proportion to the largest magnitude."""
    assert comparing.check_answers([plain], [given], 0.1) == difference


@pytest.mark.parametrize(
    ("plain", "given", "reason"),
    [
        pytest.param(of([1.0, -8.0]), of([1.9, -8.0]), r"differ by 1\.1e-01 .* at most 1e-01", id="too far"),
        pytest.param(of([1.0]), of([np.nan]), "differ by nan", id="NaN"),
        pytest.param(of([np.nan]), of([1.0]), "not finite", id="no NaN"),
        pytest.param(of([np.inf]), of([-np.inf]), "not finite", id="infinities"),
        pytest.param(of([1.0]), of([[1.0]]), "types or shapes", id="shape"),
        pytest.param(of([1.0]), of([1.0], DataType.HALF), "types or shapes", id="type"),
        pytest.param(of([3], DataType.INT64), of([4], DataType.INT64), "answers of type int64 differ", id="integer"),
        pytest.param(of([b"a"], DataType.STRING), of([b"b"], DataType.STRING), "answers of type string", id="string"),
    ],
)
def test_answers_that_differ(plain: Tensor, given: Tensor, reason: str) -> None:
    """What may not be served, and why."""
    with pytest.raises(NotOptimizedError, match=reason):
        comparing.check_answers([plain], [given], 0.1)


INFOS = {
    "row": TensorInfo(name="a:0", dtype=DataType.FLOAT, shape=(-1, 3)),
    "scalar": TensorInfo(name="b:0", dtype=DataType.INT32, shape=()),
    "flags": TensorInfo(name="c:0", dtype=DataType.BOOL, shape=(-1,)),
    "unknown": TensorInfo(name="d:0", dtype=DataType.FLOAT, shape=(-1, -1)),
    "rank": TensorInfo(name="e:0", dtype=DataType.FLOAT),
    "string": TensorInfo(name="f:0", dtype=DataType.STRING, shape=(-1,)),
}


@given(st.integers(1, 5), st.integers(0, 9))
def test_made_up_inputs(rows: int, seed: int) -> None:
    """They have the data types and shapes of the signature, the same ones for the same seed."""
    infos = [INFOS[name] for name in ("row", "scalar", "flags")]
    tensors, again = made_up(infos, rows, seed), made_up(infos, rows, seed)
    assert tensors is not None
    assert again is not None
    assert [tensor.array.shape for tensor in tensors] == [(rows, 3), (), (rows,)]
    assert [tensor.array.dtype for tensor in tensors] == [STORAGE[info.dtype] for info in infos]
    assert all(np.array_equal(a.array, b.array) for a, b in zip(tensors, again, strict=True))
    assert all(tensor.array.min() >= 0 and tensor.array.max() <= 1 for tensor in tensors)


@pytest.mark.parametrize("name", ["unknown", "rank", "string"])
def test_inputs_that_nobody_can_make_up(name: str) -> None:
    """Without the size of a row, or for strings, only recorded requests will do."""
    assert made_up([INFOS["row"], INFOS[name]], 1, 0) is None


@pytest.mark.parametrize(
    ("cpuinfo", "there"),
    [
        pytest.param("processor\t: 0\nflags\t\t: fpu avx512_bf16 sse\n", True, id="AVX-512"),
        pytest.param("flags\t: amx_bf16\n", True, id="AMX"),
        pytest.param("flags\t: fpu avx512f\n", False, id="neither"),
        pytest.param("", False, id="empty"),
        pytest.param("model name\t: avx512_bf16\n", False, id="elsewhere"),
    ],
)
def test_bfloat16(cpuinfo: str, there: bool) -> None:
    """The features of the CPU say whether it computes with bfloat16."""
    assert cpus.has_bfloat16(cpuinfo) is there


def test_cpu_model() -> None:
    """Name and features tell CPUs apart, for the cache."""
    assert cpus.cpu_model("processor\t: 0\nmodel name\t: C 1\nflags\t: a b\nflags\t: c\n") == "C 1; a b"
    arm = "CPU implementer\t: 0x41\nCPU variant\t: 0x3\nCPU part\t: 0xd0c\nCPU revision\t: 1\nFeatures\t: fp asimd\n"
    assert cpus.cpu_model(arm) == "0x41 0x3 0xd0c 1; fp asimd"
