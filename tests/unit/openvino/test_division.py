"""Where a graph is cut, and what is asked of the inputs of its body."""

from typing import Any

import numpy as np
import pytest

from serving.core.tensor import DataType
from serving.openvino.division import Division, body_graph, divide, head_graph
from serving.openvino.eligibility import Feed, NotEligibleError, TensorSpec
from tests.unit.openvino.graphs import attribute, graph

FLOATS = Feed("x:0", DataType.FLOAT, (-1, 4))
IDS = Feed("ids:0", DataType.INT32, (-1, 3))
KERNEL = np.ones((4, 2), np.float32)
TABLE = np.ones((10, 4), np.float32)


def names(graph_def: Any) -> set[str]:
    return {node.name for node in graph_def.node}


def dense() -> Any:
    return graph(("x", "Placeholder", []), ("y", "MatMul", ["x", "kernel"]), kernel=KERNEL)


def lookup(*indices: tuple[str, str, list[str]], **constants: Any) -> Any:
    """A gather of ``index``, which the given nodes compute of ``ids``."""
    return graph(
        ("ids", "Placeholder", []),
        *indices,
        ("y", "GatherV2", ["table", "index", "axis"]),
        table=TABLE,
        axis=0,
        **constants,
    )


def bounds(division: Division) -> tuple[int, int] | None:
    [given] = division.inputs
    return given.bounds


def test_without_a_head_the_body_takes_the_feeds() -> None:
    """Nothing is asked of TensorFlow."""
    division = divide(dense(), [FLOATS], ["y:0"])
    [given] = division.inputs
    assert division.head == ()
    assert (given.source, given.shape, given.bounds) == ("x:0", (-1, 4), None)
    assert [output.fetch for output in division.outputs] == ["y:0"]


def test_body_graph_has_a_placeholder_and_an_end_of_its_own() -> None:
    """Their names are those that the division says."""
    division = divide(dense(), [FLOATS], ["y:0"])
    body = body_graph(dense(), division)
    assert names(body) == {"openvino/input_0", "kernel", "y", "openvino/output_0"}
    [placeholder] = [node for node in body.node if node.op == "Placeholder"]
    assert [size.size for size in placeholder.attr["shape"].shape.dim] == [-1, 4]
    [product] = [node for node in body.node if node.name == "y"]
    assert list(product.input) == ["openvino/input_0:0", "kernel"]


@pytest.mark.parametrize(
    ("nodes", "constants", "expected"),
    [
        pytest.param([("index", "Identity", ["ids"])], {}, (0, 10), id="as-it-is"),
        pytest.param([("index", "AddV2", ["ids", "one"])], {"one": 1}, (0, 9), id="moved"),
        pytest.param(
            [
                ("less", "Less", ["ids", "zero"]),
                ("wrapped", "AddV2", ["ids", "ten"]),
                ("index", "SelectV2", ["less", "wrapped", "ids"]),
            ],
            {"zero": 0, "ten": 10},
            (0, 10),
            id="from-the-end",
        ),
        pytest.param(
            [("small", "Minimum", ["ids", "nine"]), ("index", "Maximum", ["small", "zero"])],
            {"zero": 0, "nine": 9},
            (-(2**24), 2**24 + 1),
            id="clipped-in-the-graph",
        ),
    ],
)
def test_indices_bound_their_input(
    nodes: list[tuple[str, str, list[str]]], constants: dict[str, int], expected: tuple[int, int]
) -> None:
    """An input is OpenVINO's while every index that is computed from it is in range."""
    assert bounds(divide(lookup(*nodes, **constants), [IDS], ["y:0"])) == expected


def test_an_index_that_tensorflow_computes_is_bounded_where_it_is_handed_over() -> None:
    """What divides integers is TensorFlow's, and the lookup behind it OpenVINO's."""
    nodes = lookup(("index", "FloorMod", ["ids", "ten"]), ten=10)
    division = divide(nodes, [IDS], ["y:0"], {"index:0": TensorSpec(DataType.INT32, (-1, 3))})
    assert bounds(division) == (0, 10)
    assert division.head
    assert division.reasons == ("FloorMod index: FloorMod is TensorFlow's alone",)


def asserted() -> Any:
    return graph(
        ("x", "Placeholder", []),
        ("fine", "IsFinite", ["x"]),
        ("check", "Assert", ["fine", "text"]),
        ("given", "Identity", ["x", "^check"]),
        ("y", "MatMul", ["given", "kernel"]),
        kernel=KERNEL,
        text=1,
    )


SPECS = {"fine:0": TensorSpec(DataType.BOOL, (-1, 4)), "given:0": TensorSpec(DataType.FLOAT, (-1, 4))}


def test_an_assertion_is_kept_in_a_head() -> None:
    """What OpenVINO is given comes from behind it."""
    division = divide(asserted(), [FLOATS], ["y:0"], SPECS)
    head = head_graph(asserted(), division)
    [fetch] = division.head
    [end] = [node for node in head.node if f"{node.name}:0" == fetch]
    assert "^check" in end.input
    assert [given.source for given in division.inputs] == [fetch]
    assert "kernel" not in names(head)
    assert "check" not in names(body_graph(asserted(), division))


def test_an_assertion_behind_the_weights_refuses_the_model() -> None:
    """TensorFlow would have nearly everything to compute."""
    nodes = graph(
        ("x", "Placeholder", []),
        ("product", "MatMul", ["x", "kernel"]),
        ("checked", "CheckNumerics", ["product"]),
        ("y", "Relu", ["checked"]),
        kernel=KERNEL,
    )
    with pytest.raises(NotEligibleError, match="CheckNumerics checked"):
        divide(nodes, [FLOATS], ["y:0"], {"checked:0": TensorSpec(DataType.FLOAT, (-1, 2))})


def test_a_reshape_that_merges_rows_is_not_openvinos() -> None:
    """12 of 4 times N divide by 6 for some N only."""
    nodes = graph(
        ("x", "Placeholder", []),
        ("flat", "Reshape", ["x", "sizes"]),
        ("y", "MatMul", ["flat", "kernel"]),
        sizes=[-1, 6],
        kernel=np.ones((6, 2), np.float32),
    )
    division = divide(nodes, [FLOATS], ["y:0"], {"flat:0": TensorSpec(DataType.FLOAT, (-1, 6))})
    assert division.head
    assert any("some numbers of rows" in reason for reason in division.reasons)


def test_open_sizes_that_meet_must_be_the_same() -> None:
    """The engine is told which sizes of which inputs."""
    nodes = graph(("x", "Placeholder", []), ("z", "Placeholder", []), ("y", "AddV2", ["x", "z"]))
    feeds = [Feed("x:0", DataType.FLOAT, (-1, -1, 4)), Feed("z:0", DataType.FLOAT, (-1, 1, 4))]
    assert divide(nodes, feeds, ["y:0"]).same_sizes == (((0, 0), (1, 0)),)


def test_an_open_size_that_meets_a_constant_is_refused() -> None:
    """It would be right for 1 and for 3 rows."""
    nodes = graph(("x", "Placeholder", []), ("y", "AddV2", ["x", "rows"]), rows=np.ones((3, 4), np.float32))
    with pytest.raises(NotEligibleError, match="need not be the same"):
        divide(nodes, [FLOATS], ["y:0"], {"y:0": TensorSpec(DataType.FLOAT, (-1, 4))})


def test_a_fetch_that_is_a_feed_is_given_by_the_head() -> None:
    """OpenVINO loses the name of what nobody computes."""
    nodes = dense()
    nodes.node.add(name="same", op="Identity", input=["x"])
    division = divide(nodes, [FLOATS], ["y:0", "same:0"], {"same:0": TensorSpec(DataType.FLOAT, (-1, 4))})
    assert list(division.given) == ["same:0"]
    assert division.given["same:0"] in division.head


def test_outputs_of_one_identity_are_taken_apart() -> None:
    """One may be TensorFlow's and the other OpenVINO's."""
    nodes = graph(
        ("x", "Placeholder", []), ("s", "Placeholder", []), ("p", "MatMul", ["x", "kernel"]),
        ("lower", "StringLower", ["s"]), ("both", "IdentityN", ["p", "lower"]), kernel=KERNEL,
    )  # fmt: skip
    nodes.node[-1].attr["T"].list.type.extend([int(DataType.FLOAT), int(DataType.STRING)])
    text = TensorSpec(DataType.STRING, (-1,))
    division = divide(
        nodes, [FLOATS, Feed("s:0", DataType.STRING, (-1,))], ["both:0", "both:1"], {"lower:0": text, "both:1": text}
    )
    assert [output.fetch for output in division.outputs] == ["both:0"]
    assert list(division.given) == ["both:1"]


@pytest.mark.parametrize("dtype", [DataType.DOUBLE, DataType.HALF, DataType.INT8, DataType.COMPLEX64])
def test_other_types_are_not_computed_in(dtype: DataType) -> None:
    """OpenVINO computes them otherwise."""
    nodes = graph(("x", "Placeholder", []), ("y", "AddV2", ["x", "x"]))
    with pytest.raises(NotEligibleError, match=dtype.word):
        divide(nodes, [Feed("x:0", dtype, (-1, 4))], ["y:0"], {"y:0": TensorSpec(dtype, (-1, 4))})


def test_constants_that_are_no_numbers_are_not_computed_with() -> None:
    """Engines differ in what a mask of infinities makes of a row that is masked out."""
    nodes = graph(("x", "Placeholder", []), ("y", "AddV2", ["x", "mask"]), mask=np.array(-np.inf, np.float32))
    with pytest.raises(NotEligibleError, match="no numbers"):
        divide(nodes, [FLOATS], ["y:0"], {"y:0": TensorSpec(DataType.FLOAT, (-1, 4))})


def test_what_only_moves_is_refused() -> None:
    """A second engine for it would cost more than it saves."""
    nodes = graph(("x", "Placeholder", []), ("y", "Transpose", ["x", "order"]), order=[1, 0])
    with pytest.raises(NotEligibleError, match="computes nothing"):
        divide(nodes, [FLOATS], ["y:0"])


def test_a_feed_that_is_not_there() -> None:
    """The reason names it."""
    with pytest.raises(NotEligibleError, match="no input z"):
        divide(dense(), [Feed("z:0", DataType.FLOAT, (-1, 4))], ["y:0"])


def test_integers_that_are_not_known_to_fit_32_bits_are_tensorflows() -> None:
    """OpenVINO computes 64 bits in 32."""
    nodes = attribute(
        graph(
            ("n", "Placeholder", []), ("square", "Mul", ["n", "n"]), ("x", "Cast", ["square"]),
            ("y", "MatMul", ["x", "kernel"]), kernel=KERNEL,
        ),
        "x",
        DstT=DataType.FLOAT,
    )  # fmt: skip
    specs = {"x:0": TensorSpec(DataType.FLOAT, (-1, 4)), "square:0": TensorSpec(DataType.INT64, (-1, 4))}
    division = divide(nodes, [Feed("n:0", DataType.INT64, (-1, 4))], ["y:0"], specs)
    assert any("32 bits" in reason for reason in division.reasons)
    assert [given.bounds for given in division.inputs] == [(-(2**24), 2**24 + 1)]


def test_operations_that_run_first_are_in_the_head() -> None:
    """With all that they need; those that the graph does not have are left out."""
    nodes = asserted()
    nodes.node.add(name="words", op="Const")
    nodes.node.add(name="fill", op="LookupTableImportV2", input=["table", "words"])
    nodes.node.add(name="table", op="HashTableV2")
    nodes.node.add(name="fill_all", op="NoOp", input=["^fill"])
    division = divide(nodes, [FLOATS], ["y:0"], SPECS)
    head = names(head_graph(nodes, division, ("fill_all", "another")))
    assert {"fill_all", "fill", "table", "words"} <= head
    assert "another" not in head
    assert not {"fill_all", "table"} & names(body_graph(nodes, division))


def decoded(*more: tuple[str, str, list[str]]) -> Any:
    """An operation of TensorFlow's, of whose result nothing is known, in front of the weights."""
    return graph(
        ("x", "Placeholder", []),
        ("decoded", "Decode", ["x"]),
        *more,
        ("y", "MatMul", ["decoded", "kernel"]),
        kernel=KERNEL,
        order=np.array([1, 0], np.int32),
    )


UNKNOWN = {"decoded:0": TensorSpec(DataType.FLOAT, None), "other:0": TensorSpec(DataType.FLOAT, None)}


def test_shapes_that_were_seen_are_taken() -> None:
    """Without them the model is refused; with them its input has them."""
    with pytest.raises(NotEligibleError, match="unknown"):
        divide(decoded(), [FLOATS], ["y:0"], UNKNOWN)
    division = divide(decoded(), [FLOATS], ["y:0"], UNKNOWN, {"decoded:0": (-1, 4)})
    [given] = division.inputs
    assert (given.source, given.shape) == (division.head[0], (-1, 4))


def test_shapes_that_were_seen_of_what_is_no_input_are_not_taken() -> None:
    """No request is held to these: what may refuse them is TensorFlow's."""
    nodes = decoded(("other", "Decode", ["x"]), ("check", "Transpose", ["other", "order"]))
    [end] = [node for node in nodes.node if node.name == "y"]
    end.input.append("^check")
    division = divide(nodes, [FLOATS], ["y:0"], UNKNOWN, {"decoded:0": (-1, 4), "other:0": (-1, 4)})
    head = head_graph(nodes, division)
    assert "check" in names(head)
    assert all("^check" in node.input for node in head.node if f"{node.name}:0" in division.head)
