"""Which part of a graph OpenVINO may compute, found by asking the table of each operation in turn; pure.

An operation that is TensorFlow's alone takes all that it needs with it to TensorFlow, which runs first. Where a model's
inputs could see to it that an operation is OpenVINO's, they are bounded, and the engine asks TensorFlow for the rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any, NamedTuple

from serving.core.tensor import DataType
from serving.openvino import moves
from serving.openvino.elementwise import EXACT_FLOATS
from serving.openvino.facts import COUNTERS, Fact, IndexRangeError, Shape, SizesDifferError, TensorFlowOnlyError
from serving.openvino.nodes import apart, data_inputs, graph_tensor, operation, ordered, outputs_of, taken_apart
from serving.openvino.operations import MULTIPLYING, RULES
from serving.openvino.sizes import Size, known, symbol

TAKEN = frozenset((DataType.FLOAT, DataType.BOOL, DataType.UINT8, *COUNTERS))
"""Types that OpenVINO is handed over."""

_MOVING = frozenset((*moves.RULES, "Const", "NoOp"))
"""A body of these alone is not worth a second engine."""

_MAX_NARROWINGS = 64
"""How often the inputs of indices are bounded closer. Most models take one per lookup."""

_MAX_HEAD_WEIGHTS = 0.1
"""The part of a model's weights that may stay with TensorFlow: with more, the better engine has little to do."""


class NotEligibleError(Exception):
    """OpenVINO may not serve the model; the text says which operation it is that stands against it."""


class TensorSpec(NamedTuple):
    """What TensorFlow says of a tensor: ``shape`` has -1 for an unknown size and is None for an unknown rank."""

    dtype: DataType
    shape: tuple[int, ...] | None


class Feed(NamedTuple):
    """A tensor that requests bring: ``name`` is the graph tensor (``x:0``)."""

    name: str
    dtype: DataType
    shape: tuple[int, ...] | None


@dataclass(slots=True)
class Survey:
    """What has been found so far. ``alone``: why an operation is TensorFlow's, by its name.

    ``seen`` are the shapes that ``divide`` is given.
    """

    nodes: Mapping[str, Any]
    functions: Mapping[str, Any]
    specs: Mapping[str, TensorSpec]
    fetches: tuple[str, ...]
    feeds: frozenset[str]
    seen: Mapping[str, tuple[int, ...]]
    alone: dict[str, str] = field(default_factory=dict)
    bounds: dict[str, tuple[float, float]] = field(default_factory=dict)
    same: dict[str, Size] = field(default_factory=dict)
    head: frozenset[str] = frozenset()
    narrowings: int = 0
    order: Sequence[Any] = ()

    def spec(self, tensor: str) -> TensorSpec:
        """What TensorFlow says of a tensor. NotEligibleError if nothing."""
        if tensor not in self.specs:
            raise NotEligibleError(f"nothing is known of the tensor {tensor}")
        return self.specs[tensor]

    def input_spec(self, tensor: str) -> TensorSpec:
        """The same of one that OpenVINO is given. Only of these, for no request with others gets to it."""
        spec = self.spec(tensor)
        return TensorSpec(spec.dtype, self.seen.get(tensor, spec.shape))

    def inputs(self) -> list[str]:
        """The tensors that OpenVINO is given: of TensorFlow's part, or of the request."""
        found = {}
        for node in self.body():
            for name in map(graph_tensor, data_inputs(node)):
                if operation(name) in self.head and self.nodes[operation(name)].op != "Const":
                    found[name] = True
        return list(found)

    def body(self) -> list[Any]:
        """The nodes that OpenVINO computes: those behind TensorFlow's that the fetches take values from."""
        needed = set()
        waiting = [operation(name) for name in self.fetches]
        while waiting:
            name = waiting.pop()
            if name not in needed and (name not in self.head or self.nodes[name].op == "Const"):
                needed.add(name)
                waiting += [operation(each) for each in data_inputs(self.nodes[name])]
        return [node for node in self.order if node.name in needed]


def survey(
    graph: Any,
    feeds: Sequence[Feed],
    fetches: Sequence[str],
    specs: Mapping[str, TensorSpec],
    seen: Mapping[str, tuple[int, ...]],
) -> Survey:
    """Decide, for the arguments of ``divide``. Raises NotEligibleError."""
    fed = {operation(feed.name): feed for feed in feeds}
    known_specs = {**specs, **{graph_tensor(feed.name): TensorSpec(feed.dtype, feed.shape) for feed in feeds}}
    nodes = taken_apart({node.name: node for node in graph.node}, known_specs)
    for name in fed:
        if name not in nodes:
            raise NotEligibleError(f"its graph has no input {name}")
        nodes[name] = _without_inputs(nodes[name])
    found = Survey(
        nodes=nodes,
        functions={function.signature.name: function for function in graph.library.function},
        specs=known_specs,
        fetches=tuple(apart(nodes, graph_tensor(name)) for name in fetches),
        feeds=frozenset(graph_tensor(feed.name) for feed in feeds),
        seen=seen,
    )
    found.order = ordered(nodes, map(operation, found.fetches))
    weights = _weights(found)
    found.head = frozenset(fed)
    _check_head(found, weights)
    while _asked_again(found):
        _check_head(found, weights)
    return found


def _without_inputs(node: Any) -> Any:
    copy = type(node)()
    copy.CopyFrom(node)
    del copy.input[:]
    return copy


def _asked_again(found: Survey) -> bool:
    """Ask every operation behind the head; whether something changed, so that all must be asked once more."""
    inputs = frozenset(found.inputs())
    facts = {name: _given(found, name, name in inputs) for name in _crossing(found)}
    for node in found.order:
        if node.name in found.head and node.op != "Const":
            continue
        names = [graph_tensor(name) for name in data_inputs(node)]
        try:
            outputs = outputs_of(node, facts, names, RULES, found.functions)
        except IndexRangeError as error:
            if not _narrowed(found, error):
                _leave(found, node, error)
            return True
        except SizesDifferError as error:
            if not _equated(found, error):
                _leave(found, node, error)
            return True
        except TensorFlowOnlyError as error:
            _leave(found, node, error)
            return True
        facts |= {f"{node.name}:{index}": fact for index, fact in enumerate(outputs)}
    for name in found.fetches:
        if name in facts and facts[name].coarse and operation(name) not in found.head:
            _leave(found, found.nodes[operation(name)], TensorFlowOnlyError("it gives out an error function"))
            return True
    return _left_for_types(found)


def _crossing(found: Survey) -> list[str]:
    """All tensors that any operation behind the head takes from it, with those that only control others."""
    names = (graph_tensor(name) for node in found.order if node.name not in found.head for name in data_inputs(node))
    return [name for name in dict.fromkeys(names) if operation(name) in found.head]


def _given(found: Survey, name: str, is_input: bool) -> Fact:
    """What is known of a tensor that OpenVINO is given, or that operations take of which it needs no value."""
    if found.nodes[operation(name)].op == "Const":
        return outputs_of(found.nodes[operation(name)], {}, (), RULES, {})[0]
    spec = found.input_spec(name) if is_input else found.spec(name)
    low, high = (-inf, inf) if spec.dtype is DataType.FLOAT else (0, 255)
    if spec.dtype in COUNTERS:
        low, high = found.bounds.setdefault(name, (-EXACT_FLOATS, EXACT_FLOATS))
    shape = None if spec.shape is None else _open_sizes(found, name, spec.shape)
    sources = frozenset((name,)) if spec.dtype in COUNTERS else frozenset()
    return Fact(dtype=spec.dtype, shape=shape, low=low, high=high, exact=True, sources=sources)


def _open_sizes(found: Survey, name: str, shape: tuple[int, ...]) -> Shape:
    sizes = (symbol(f"{name}[{axis}]") if size < 0 else known(size) for axis, size in enumerate(shape))
    return tuple(size.replaced(found.same) for size in sizes)


def _narrowed(found: Survey, error: IndexRangeError) -> bool:
    """Bound the inputs that an index is computed from; False if they are already as narrow as that could help."""
    under, over = error.over
    changed = False
    found.narrowings += 1
    if found.narrowings > _MAX_NARROWINGS:
        return False
    for name in error.sources:
        low, high = found.bounds[name]
        wished = (max(low, 0), min(high, error.count - 1))
        if wished == (low, high):
            wished = (low + under, high - over)
        if wished[0] > wished[1]:
            return False
        changed |= wished != (low, high)
        found.bounds[name] = wished
    return changed


def _equated(found: Survey, error: SizesDifferError) -> bool:
    """Ask that two open sizes of the inputs be the same; False if they are not sizes of inputs."""
    one, other = sorted((error.one, error.other))
    names = {name for tensor in found.inputs() for name in _sizes_of(found, tensor)}
    if not {one, other} <= names:
        return False
    for name, size in list(found.same.items()):
        found.same[name] = size.replaced({other: symbol(one)})
    found.same[other] = symbol(one)
    return True


def _sizes_of(found: Survey, tensor: str) -> list[str]:
    return [f"{tensor}[{axis}]" for axis, size in enumerate(found.input_spec(tensor).shape or ()) if size < 0]


def _leave(found: Survey, node: Any, error: TensorFlowOnlyError) -> None:
    """Give an operation, and all that it needs, to TensorFlow."""
    found.alone[node.name] = f"{node.op} {node.name}: {error}"
    needed = ordered(found.nodes, [*found.head, node.name])
    found.head = frozenset(each.name for each in needed)


def _left_for_types(found: Survey) -> bool:
    """Give to TensorFlow what takes tensors that OpenVINO is not handed over."""
    for node in found.body():
        for name in map(graph_tensor, data_inputs(node)):
            if operation(name) in found.head and found.nodes[operation(name)].op != "Const":
                spec = found.input_spec(name)
                if spec.dtype not in TAKEN or spec.shape is None:
                    what = spec.dtype.word if spec.dtype not in TAKEN else "unknown rank"
                    _leave(found, node, TensorFlowOnlyError(f"it takes a tensor of {what}"))
                    return True
    return False


def _check_head(found: Survey, weights: Mapping[str, int]) -> None:
    """NotEligibleError if TensorFlow would have the costly part to compute, or all."""
    if all(node.op in _MOVING for node in found.body()):
        raise NotEligibleError(f"TensorFlow alone computes {_latest(found)}" if found.alone else "it computes nothing")
    own = sum(count for name, count in weights.items() if name in found.head)
    whole = sum(weights.values())
    if own > _MAX_HEAD_WEIGHTS * whole:
        raise NotEligibleError(f"TensorFlow alone computes {_latest(found)}")


def _latest(found: Survey) -> str:
    """The reason that stands behind most of the graph."""
    places = {node.name: place for place, node in enumerate(found.order)}
    return found.alone[max(found.alone, key=lambda name: places.get(name, -1))]


def _weights(found: Survey) -> dict[str, int]:
    """How many constants each multiplying operation, or loop of such, has as inputs."""
    sizes = {}
    for node in found.order:
        if node.op in MULTIPLYING or (node.op in ("While", "StatelessWhile") and _multiplies(found, node)):
            sizes[node.name] = max(1, sum(_constant_size(found, name) for name in data_inputs(node)))
    return sizes


def _multiplies(found: Survey, node: Any) -> bool:
    body = found.functions.get(node.attr["body"].func.name)
    return body is not None and any(each.op in MULTIPLYING for each in body.node_def)


def _constant_size(found: Survey, name: str) -> int:
    node = found.nodes.get(operation(name))
    while node is not None and node.op == "Identity":
        node = found.nodes.get(operation(node.input[0]))
    if node is None or node.op != "Const":
        return 0
    count = 1
    for dimension in node.attr["value"].tensor.tensor_shape.dim:
        count *= dimension.size
    return count


def needed_checks(found: Survey) -> list[str]:
    """The operations of TensorFlow's part that nobody takes values from but that must have run: assertions."""
    return [name for name in found.alone if name in found.head]
