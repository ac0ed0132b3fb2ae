"""Where tensors go, and what is constant, on graphs made by hand."""

import pytest

from serving.core.tensor import DataType
from serving.optimizing.flow import Flow, constant
from serving.optimizing.graph_index import MAIN, GraphIndex
from tests.unit.optimizing.graphs import index, meta_graph

LINES = ["x = Placeholder()", "other = Placeholder()"]


@pytest.mark.parametrize(
    ("lines", "functions", "met"),
    [
        pytest.param(["a = DecodePng(x)"], {}, ["a"], id="at once"),
        pytest.param(["a = Identity(x)", "b = Reshape(a:0)", "c = DecodePng(b)"], {}, ["c"], id="behind others"),
        pytest.param(["a = DecodePng(other)"], {}, [], id="of another"),
        pytest.param(["a = DecodePng(^x)"], {}, [], id="control"),
        pytest.param(["b = Identity(a)", "c = DecodePng(b)", "a = DecodeRaw(x)"], {}, ["a"], id="not beyond"),
        pytest.param(["a = Identity(x)", "b = DecodeRaw(a)", "c = DecodePng(x)"], {}, ["c", "b"], id="nearest first"),
        pytest.param(["a = Identity(x)", "b = Identity(a, b)", "c = DecodePng(b)"], {}, ["c"], id="cycle"),
        pytest.param(
            ["a = StatefulPartitionedCall(other, x) f=f"],
            {"f(o, t) -> t": ["a = DecodePng(t)", "b = DecodeRaw(o)"]},
            ["a"],
            id="in a call",
        ),
        pytest.param(
            ["a = StatefulPartitionedCall(x) f=f", "b = DecodePng(a)"], {"f(t) -> t": []}, ["b"], id="out of a call"
        ),
        pytest.param(["a = If(other, x) then_branch=f"], {"f(t) -> t": ["a = DecodePng(t)"]}, ["a"], id="branch"),
        pytest.param(
            ["a = While(other, x) body=f"],
            {"f(i, t) -> i, t": ["g = TensorListGetItem(t, i)", "a = DecodePng(g:item:0)"]},
            ["a"],
            id="loop",
        ),
        pytest.param(
            ["a = MapDefun(other, x) f=f"], {"f(t) -> t": ["a = DecodePng(t)"]}, ["a"], id="another kind of call"
        ),
    ],
)
def test_first(lines: list[str], functions: dict[str, list[str]], met: list[str]) -> None:
    """The nearest operations of the types that are asked for are found wherever the tensor goes."""
    flow = Flow(index(*LINES, *lines, functions=functions))
    assert [each.node.name for each in flow.first(MAIN, "x", ("DecodePng", "DecodeRaw"))] == met


@pytest.mark.parametrize(("port", "met"), [("0", ["a"]), ("", ["a"]), ("1", ["b"]), (None, ["a", "b"])])
def test_one_of_several_outputs(port: str | None, met: list[str]) -> None:
    """The first output may be named without a number."""
    flow = Flow(index("a = DecodePng(x)", "b = DecodePng(x:1)"))
    assert [each.node.name for each in flow.first(MAIN, "x", ("DecodePng",), port=port)] == met


def with_constant(*lines: str, functions: dict[str, list[str]] | None = None) -> GraphIndex:
    made = meta_graph("c = Const()", *lines, functions=functions)
    made.graph_def.node[0].attr["value"].tensor.dtype = DataType.INT32
    return GraphIndex(made.graph_def)


@pytest.mark.parametrize(
    ("scope", "name", "there"),
    [
        pytest.param(MAIN, "c", True, id="constant"),
        pytest.param(MAIN, "i:0", True, id="behind others"),
        pytest.param("f", "a", True, id="given to a call"),
        pytest.param("g", "a", True, id="given to a call in a call"),
        pytest.param("f", "b", False, id="given, but no constant"),
        pytest.param("h", "a", False, id="never given"),
        pytest.param("m", "a", False, id="given nobody knows how"),
        pytest.param("r", "a", False, id="given by itself"),
        pytest.param(MAIN, "x", False, id="another"),
        pytest.param(MAIN, "nothing", False, id="missing"),
    ],
)
def test_constants(scope: str, name: str, there: bool) -> None:
    """Constants are found behind what passes them on, and behind arguments."""
    functions = {
        "f(b, a) -> a": ["g = PartitionedCall(a) f=g"],
        "g(a) -> a": [],
        "h(a) -> a": [],
        "m(a) -> a": [],
        "r(a) -> a": ["c = PartitionedCall(a) f=r"],
    }
    calls = ["f = StatefulPartitionedCall(x, i) f=f", "m = MapDefun(c) f=m"]
    made = with_constant("i = Identity(c)", "x = Placeholder()", *calls, functions=functions)
    assert (constant(made, scope, name) is not None) is there
