"""Which signatures compute the same, on graphs made by hand."""

import pytest

from serving.core.tensor import DataType
from serving.optimizing.bodies import Bodies
from tests.unit.optimizing.graphs import index, signature

KERAS = [
    "w = VarHandleOp() shared_name=w",
    "v = VarHandleOp() shared_name=v",
    "serve_x = Placeholder() _user_specified_name=serve_x",
    "default_x = Placeholder() _user_specified_name=default_x",
    "call = StatefulPartitionedCall(serve_x, w) f=wrapper_1 _output_shapes=a",
]
FUNCTIONS = {
    f"wrapper_{number}(x{number}, w) -> i{number}:output:0, ^c{number}": [
        f"i{number} = Identity(c{number}:output:0)",
        f"c{number} = StatefulPartitionedCall(x{number}, w) f=inner",
    ]
    for number in (1, 2)
} | {
    "inner(x, w) -> m:product:0": ["m = MatMul(x, r:value:0)", "r = ReadVariableOp(w)"],
    "other(x, w) -> m:product:0": ["m = MatMul(r:value:0, x)", "r = ReadVariableOp(w)"],
    "second(x, w) -> m:product:1": ["m = MatMul(x, r:value:0)", "r = ReadVariableOp(w)"],
    "asserts(x, w) -> m:product:0, ^a": ["m = MatMul(x, r:value:0)", "r = ReadVariableOp(w)", "a = Assert(x)"],
    "reached(x, w) -> m:product:0": ["m = MatMul(x, r:value:0, ^a)", "r = ReadVariableOp(w)", "a = Assert(x)"],
    "endless(x, w) -> m:output:0": ["m = PartitionedCall(x, w) f=endless"],
}
SERVE = signature({"x": "serve_x:0"}, {"y": "call:0"})
DEFAULT = signature({"x": "default_x:0"}, {"y": "again:0"})


@pytest.mark.parametrize(
    ("line", "equal"),
    [
        pytest.param("again = StatefulPartitionedCall(default_x, w) f=wrapper_2", True, id="as Keras writes it"),
        pytest.param("again = StatefulPartitionedCall(default_x, v) f=wrapper_2", False, id="another variable"),
        pytest.param("again = StatefulPartitionedCall(serve_x, w) f=wrapper_2", False, id="the other's input"),
        pytest.param("again = PartitionedCall(default_x, w) f=wrapper_2", False, id="another operation"),
        pytest.param("again = StatefulPartitionedCall(default_x, w) f=wrapper_2 config=c", False, id="attribute"),
        pytest.param("again = StatefulPartitionedCall(default_x, w) f=wrapper_2 _class=c", True, id="hint"),
        pytest.param(
            "again = StatefulPartitionedCall(default_x, w) f=wrapper_2 _XlaMustCompile=1", False, id="compiled"
        ),
        pytest.param("again = Nothing()", False, id="something else"),
        pytest.param("again = Add(nowhere)", False, id="missing node"),
    ],
)
def test_two_calls(line: str, equal: bool) -> None:
    """Names of nodes and functions do not matter, what is called with what does."""
    bodies = Bodies(index(*KERAS, line, functions=FUNCTIONS))
    assert bodies.key(SERVE) is not None
    assert (bodies.key(SERVE) == bodies.key(DEFAULT)) is equal


@pytest.mark.parametrize(
    ("function", "other", "equal"),
    [
        ("inner", "inner", True),
        ("inner", "other", False),
        ("inner", "second", False),
        ("inner", "asserts", False),
        ("asserts", "reached", False),
        ("endless", "endless", False),
    ],
)
def test_functions(function: str, other: str, equal: bool) -> None:
    """Functions are compared by content, with what they only do for its effect."""
    lines = [
        f"call = StatefulPartitionedCall(serve_x, w) f={function}",
        f"again = StatefulPartitionedCall(default_x, w) f={other}",
    ]
    bodies = Bodies(index(*KERAS[:-1], *lines, functions=FUNCTIONS))
    serve = bodies.key(SERVE)
    assert (serve is not None and serve == bodies.key(DEFAULT)) is equal


@pytest.mark.parametrize(
    ("other", "equal"),
    [
        pytest.param(signature({"x": "default_x:0"}, {"y": "again"}), True, id="same"),
        pytest.param(signature({"z": "default_x:0"}, {"y": "again:0"}), False, id="input's alias"),
        pytest.param(signature({"x": "default_x:0"}, {"z": "again:0"}), False, id="output's alias"),
        pytest.param(signature({"x": "default_x:0"}, {"y": "again:0"}, dtype=DataType.HALF), False, id="type"),
        pytest.param(signature({"x": "default_x:0"}, {"y": "again:1"}), False, id="another result"),
    ],
)
def test_signatures(other: object, equal: bool) -> None:
    """Aliases, types and results must be the same ones."""
    bodies = Bodies(index("again = Add(default_x, c)", "call = Add(serve_x, c)", "c = Const() value=1"))
    assert (bodies.key(SERVE) == bodies.key(other)) is equal  # type: ignore[arg-type]


def test_control_inputs_have_no_order() -> None:
    """What must only come before may be named in any order."""
    bodies = Bodies(
        index(
            "call = Add(serve_x, ^a, ^b)",
            "again = Add(default_x, ^d, ^c)",
            "a = Const() value=1",
            "b = Const() value=2",
            "c = Const() value=1",
            "d = Const() value=2",
        )
    )
    assert bodies.key(SERVE) == bodies.key(DEFAULT)


def test_variables_without_a_shared_name_are_told_apart() -> None:
    """TensorFlow 1 names a variable after its node."""
    lines = ["a = VariableV2() shared_name=", "b = VariableV2() shared_name="]
    bodies = Bodies(index(*lines, "call = Add(serve_x, a)", "again = Add(default_x, b)", "more = Add(default_x, a)"))
    assert bodies.key(SERVE) != bodies.key(DEFAULT)
    assert bodies.key(SERVE) == bodies.key(signature({"x": "default_x:0"}, {"y": "more:0"}))


def test_cycles_are_not_compared() -> None:
    """The loops of TensorFlow 1 lead back to themselves."""
    assert Bodies(index("call = Merge(serve_x, n)", "n = NextIteration(call)")).key(SERVE) is None


def test_long_chains() -> None:
    """A graph may be deeper than Python's stack."""
    lines = [f"{name}_{number} = Relu({name}_{number + 1})" for name in "ab" for number in range(5000)]
    ends = ["call = Relu(a_0)", "again = Relu(b_0)", "a_5000 = Relu(serve_x)", "b_5000 = Relu(default_x)"]
    bodies = Bodies(index(*lines, *ends))
    assert bodies.key(SERVE) == bodies.key(DEFAULT)
