"""Loops of a flat graph are TensorFlow's to take apart, wherever they are."""

from serving.optimizing.session import lower
from tests.unit.openvino.graphs import graph

MARK = "_lower_using_switch_merge"


def test_loops_and_branches_are_marked() -> None:
    """In the graph and in its functions; what has no functions is not."""
    made = graph(("loop", "StatelessWhile", []), ("sum", "AddV2", []))
    made.library.function.add().node_def.add(name="branch", op="If")
    lower(made)
    loop, other = made.node
    [branch] = made.library.function[0].node_def
    assert loop.attr[MARK].b
    assert branch.attr[MARK].b
    assert MARK not in other.attr
