"""Shapes that TensorFlow's inference does not know, as they were in all that a step was tried with."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from serving.core.servable import Run
from serving.openvino.eligibility import TAKEN, TensorSpec
from serving.openvino.nodes import operation, ordered
from serving.openvino.operations import MULTIPLYING
from serving.optimizing.candidates import Step
from serving.optimizing.comparing import Example

_NO_LIMIT = 0


def seen_shapes(
    graph: Any,
    specs: Mapping[str, TensorSpec],
    step: Step,
    run: Callable[[Sequence[str]], Run],
    examples: Sequence[Example],
) -> dict[str, tuple[int, ...]]:
    """By graph tensor, -1 for sizes that differed between ``examples``; those whose ranks differed are left out.

    Only tensors that a head may give are looked at. ``run`` gives a run of the GraphDef ``graph`` from the step's feeds
    to some tensors. Raises ServingError as it does.
    """
    wanted = list(_unknown(graph, specs, step))
    if not wanted:
        return {}
    fetched = run(wanted)
    shapes = [[tensor.array.shape for tensor in fetched(example, _NO_LIMIT)] for example in examples]
    joined = {name: _joined(each) for name, each in zip(wanted, zip(*shapes, strict=True), strict=True)}
    return {name: shape for name, shape in joined.items() if shape is not None}


def _unknown(graph: Any, specs: Mapping[str, TensorSpec], step: Step) -> Iterator[str]:
    """Tensors in front of the costly operations, with unknown sizes beside the number of rows."""
    fed = set(map(operation, step.feeds))
    behind: set[str] = set()
    nodes = {node.name: node for node in graph.node}
    for node in ordered(nodes, map(operation, step.fetches)):
        if node.op in MULTIPLYING or any(operation(name) in behind for name in node.input):
            behind.add(node.name)
        elif node.name not in fed:
            for name in (f"{node.name}:{index}" for index in _outputs(node, specs)):
                if specs[name].dtype in TAKEN and _is_open(specs[name].shape):
                    yield name


def _outputs(node: Any, specs: Mapping[str, TensorSpec]) -> Iterator[int]:
    index = 0
    while f"{node.name}:{index}" in specs:
        yield index
        index += 1


def _is_open(shape: tuple[int, ...] | None) -> bool:
    return shape is None or -1 in shape[1:]


def _joined(shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...] | None:
    if len({len(shape) for shape in shapes}) != 1:
        return None
    return tuple(sizes[0] if len(set(sizes)) == 1 else -1 for sizes in zip(*shapes, strict=True))
