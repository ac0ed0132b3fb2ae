"""Which models are optimised, and whether what came of it may be served: the decisions, without a child process."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.core.signature import Signature, TensorInfo
from serving.core.tensor import STORAGE, DataType, Tensor
from serving.host import cpus
from serving.optimizing import candidates, comparing, graph_state
from serving.optimizing.candidates import NotOptimizedError, Sizes, Step
from serving.optimizing.examples import made_up
from serving.protos import MetaGraphDef

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


def signature(inputs: dict[str, str], outputs: dict[str, str], name: str = "s") -> Signature:
    """A signature of float vectors with these graph tensors."""

    def infos(names: dict[str, str]) -> dict[str, TensorInfo]:
        return {alias: TensorInfo(name=tensor, dtype=DataType.FLOAT, shape=(-1,)) for alias, tensor in names.items()}

    return Signature(name=name, inputs=infos(inputs), outputs=infos(outputs))


def test_one_step_answers_every_signature() -> None:
    """Signatures that share their inputs share a step; what is there for the loader does not count."""
    step, names = candidates.one_step(
        {
            "a": signature({"x": "x:0", "z": "z:0"}, {"y": "y:0"}),
            "b": signature({"i": "z:0", "j": "x:0"}, {"y": "y:0", "w": "w:1"}),
            "__saved_model_init_op": signature({}, {"o": "NoOp"}),
        }
    )
    assert step == Step(("x:0", "z:0"), ("y:0", "w:1"))
    assert names == ("a", "b")


@pytest.mark.parametrize(
    ("signatures", "reason"),
    [
        pytest.param([], "0 different sets of inputs", id="none"),
        pytest.param([({"x": "x:0"}, {"y": "y:0"}), ({"x": "z:0"}, {"y": "y:0"})], "2 different sets", id="two inputs"),
        pytest.param([({"x": "x:0"}, {"y": "x:0"})], "an input is also an output", id="identity"),
        pytest.param([({}, {"y": "y:0"})], "no single tensors", id="no input"),
        pytest.param([({"x": "x:0"}, {})], "no single tensors", id="no output"),
        pytest.param([({"x": ""}, {"y": "y:0"})], "no single tensors", id="sparse"),
        pytest.param([({"x": "x:0", "z": "x:0"}, {"y": "y:0"})], "the same tensor", id="twice"),
        pytest.param([({"x": "x:1"}, {"y": "y:0"})], "not the first output", id="second output"),
    ],
)
def test_signatures_that_are_refused(signatures: list[tuple[dict[str, str], dict[str, str]]], reason: str) -> None:
    """Signatures that one step cannot answer."""
    named = {str(index): signature(*each, name=str(index)) for index, each in enumerate(signatures)}
    with pytest.raises(NotOptimizedError, match=reason):
        candidates.one_step(named)


def test_short_calls_are_not_worth_it() -> None:
    """Under a millisecond there is nothing to gain, and nothing to say."""
    comparing.check_call(0.001)
    with pytest.raises(NotOptimizedError, match=r"a call takes 0\.99 ms") as raised:
        comparing.check_call(0.00099)
    assert raised.value.expected


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


def graph(*nodes: tuple[str, str, list[str]], functions: dict[str, list[str]] | None = None, calls: str = "") -> Any:
    """A MetaGraphDef of nodes (name, operation, inputs), functions (operations in them), and what ``call`` calls."""
    made = MetaGraphDef()
    for name, operation, inputs in nodes:
        node = made.graph_def.node.add(name=name, op=operation, input=inputs)
        if operation == "PartitionedCall":
            node.attr["f"].func.name = calls
        if operation == "StatelessCase":
            node.attr["branches"].list.func.add(name=calls)
    for name, operations in (functions or {}).items():
        function = made.graph_def.library.function.add()
        function.signature.name = name
        for operation in operations:
            node = function.node_def.add(op=operation)
            if operation == "PartitionedCall":
                node.attr["f"].func.name = "inner"
    return made


@pytest.mark.parametrize(
    ("make", "found"),
    [
        pytest.param(lambda: graph(("y", "Add", ["x"]), ("x", "ReadVariableOp", [])), None, id="reads"),
        pytest.param(lambda: graph(("y", "Add", ["x:1"]), ("x", "RandomUniform", [])), "RandomUniform", id="random"),
        pytest.param(
            lambda: graph(("y", "Add", ["^x"]), ("x", "AssignVariableOp", [])), "AssignVariableOp", id="control"
        ),
        pytest.param(lambda: graph(("y", "Add", ["x"]), ("x", "Assign", [])), "Assign", id="reference"),
        pytest.param(lambda: graph(("y", "Add", []), ("x", "AssignVariableOp", ["y"])), None, id="not reached"),
        pytest.param(lambda: graph(("y", "Mine", [])), "Mine", id="not described"),
        pytest.param(
            lambda: graph(("y", "PartitionedCall", []), functions={"f": ["RandomUniform"]}, calls="f"),
            "RandomUniform",
            id="called",
        ),
        pytest.param(
            lambda: graph(
                ("y", "PartitionedCall", []),
                functions={"f": ["Add", "PartitionedCall"], "inner": ["PartitionedCall", "RandomUniform"]},
                calls="f",
            ),
            "RandomUniform",
            id="called by what is called",
        ),
        pytest.param(
            lambda: graph(("y", "StatelessCase", []), functions={"f": ["Assign"]}, calls="f"), "Assign", id="branch"
        ),
        pytest.param(lambda: graph(("y", "f", []), functions={"f": ["Assign"]}), "Assign", id="function as operation"),
        pytest.param(lambda: graph(("y", "f", []), functions={"f": ["Add", "f"]}), None, id="recursion"),
        pytest.param(
            lambda: graph(("y", "PartitionedCall", []), functions={"g": ["Assign"]}, calls="f"), None, id="not called"
        ),
        pytest.param(lambda: graph(("y", "Add", ["x"]), ("x", "Add", ["y"])), None, id="loop"),
    ],
)
def test_state(make: Callable[[], Any], found: str | None) -> None:
    """An operation that keeps state is found where the tensor depends on it, and only there."""
    harmless = {"Add", "PartitionedCall", "StatelessCase", "ReadVariableOp"}
    assert graph_state.operation_with_state(make(), ["y:0"], harmless) == found


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("MatMul", True),
        ("ReadVariableOp", True),
        ("StatefulPartitionedCall", True),
        ("AssignVariableOp", False),
        ("Assign", False),
        ("RandomUniform", False),
        ("LookupTableFindV2", False),
        ("NoSuchOperation", False),
    ],
)
def test_operations_without_state(operation: str, expected: bool) -> None:
    """TensorFlow's own list says what keeps no state; reading variables is harmless, writing them is not."""
    assert (operation in graph_state.operations_without_state()) is expected
