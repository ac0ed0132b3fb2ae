"""A frozen graph cut in two: a head that TensorFlow computes first, if it must, and a body that OpenVINO computes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from serving.core.tensor import DataType
from serving.openvino.eligibility import Feed, NotEligibleError, Survey, TensorSpec, needed_checks, survey
from serving.openvino.facts import COUNTERS
from serving.openvino.nodes import apart, data_inputs, graph_tensor, operation, ordered
from serving.protos import message

_GraphDef = message("tensorflow.GraphDef")


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyInput:
    """One tensor that OpenVINO takes.

    ``name`` is the Placeholder's tensor in the body graph, ``source`` the feed (``x:0``) or the head's fetch that
    brings it. ``shape`` has -1 for sizes that the graph leaves open. ``bounds``: of integers, the lowest value that
    OpenVINO may be given and the one that all must be below; a request with others is TensorFlow's.
    """

    name: str
    source: str
    dtype: DataType
    shape: tuple[int, ...]
    bounds: tuple[int, int] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyOutput:
    """One tensor that OpenVINO gives: ``name`` is its tensor in the body graph, ``fetch`` what requests ask for.

    ``tensor`` is what it is called where the graph is divided.
    """

    name: str
    fetch: str
    tensor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Division:
    """How a step is computed by two engines.

    ``head``: what TensorFlow is asked for first, as tensors of the head graph; empty if OpenVINO takes the feeds alone.
    ``given``: fetches that the head gives, with their tensor there. ``same_sizes``: groups of (input, axis) whose open
    sizes must be equal in a request, or it is TensorFlow's. Every size must be at least 1.
    """

    head: tuple[str, ...]
    inputs: tuple[BodyInput, ...]
    outputs: tuple[BodyOutput, ...]
    given: Mapping[str, str]
    same_sizes: tuple[tuple[tuple[int, int], ...], ...]
    reasons: tuple[str, ...]
    _found: Survey


def divide(
    graph: Any,
    feeds: Sequence[Feed],
    fetches: Sequence[str],
    specs: Mapping[str, TensorSpec] = MappingProxyType({}),
    seen: Mapping[str, tuple[int, ...]] = MappingProxyType({}),
) -> Division:
    """Cut the GraphDef ``graph``, frozen and with its functions inlined; NotEligibleError if OpenVINO may not have it.

    ``specs``: what TensorFlow's shape inference says of the graph's tensors. Without it only what needs no head passes.
    ``seen``: shapes by tensor, -1 for an open size, which say more than that. Of those that become inputs every request
    must be held to them.
    """
    found = survey(graph, feeds, fetches, specs, seen)
    tensors = found.inputs()
    if not tensors:
        raise NotEligibleError("its outputs do not depend on its inputs")
    asked = dict(zip(map(graph_tensor, fetches), found.fetches, strict=True))
    given = [name for name in dict.fromkeys(found.fetches) if _by_head(found, name)]
    headed = [name for name in tensors if name not in found.feeds]
    checks = needed_checks(found)
    if checks and not headed and not given:
        headed = tensors[:1]
    wanted = list(dict.fromkeys([*headed, *given]))
    heads = {name: f"openvino/head_{index}:0" for index, name in enumerate(wanted)}
    return Division(
        head=tuple(heads.values()),
        inputs=tuple(_input(found, index, name, heads.get(name, name)) for index, name in enumerate(tensors)),
        outputs=tuple(
            BodyOutput(name=f"openvino/output_{index}:0", fetch=fetch, tensor=name)
            for index, (fetch, name) in enumerate(asked.items())
            if name not in given
        ),
        given={fetch: heads[name] for fetch, name in asked.items() if name in given},
        same_sizes=_same_sizes(found, tensors),
        reasons=tuple(found.alone.values()),
        _found=found,
    )


def _by_head(found: Survey, fetch: str) -> bool:
    """Whether TensorFlow gives a fetch: for the head's it must, and of what nobody computes OpenVINO loses the name."""
    while (node := found.nodes[operation(fetch)]).op == "Identity" and node.name not in found.head:
        fetch = graph_tensor(data_inputs(node)[0])
    return node.name in found.head or node.op == "Const"


def _input(found: Survey, index: int, tensor: str, source: str) -> BodyInput:
    spec = found.input_spec(tensor)
    bounds = None
    if spec.dtype in COUNTERS:
        low, high = found.bounds[tensor]
        bounds = (int(low), int(high) + 1)
    shape = tuple(max(size, -1) for size in spec.shape or ())
    return BodyInput(name=f"openvino/input_{index}:0", source=source, dtype=spec.dtype, shape=shape, bounds=bounds)


def _same_sizes(found: Survey, tensors: Sequence[str]) -> tuple[tuple[tuple[int, int], ...], ...]:
    groups: dict[str, list[tuple[int, int]]] = {}
    for index, name in enumerate(tensors):
        for axis, size in enumerate(found.input_spec(name).shape or ()):
            if size < 0:
                own = f"{name}[{axis}]"
                groups.setdefault(str(found.same.get(own, own)), []).append((index, axis))
    return tuple(tuple(group) for group in groups.values() if len(group) > 1)


def body_graph(graph: Any, division: Division) -> Any:
    """The GraphDef that OpenVINO reads: Placeholders for ``division.inputs``, Identities for ``division.outputs``."""
    found = division._found
    result = _GraphDef(versions=graph.versions)
    renamed = {}
    for tensor, given in zip(found.inputs(), division.inputs, strict=True):
        renamed[tensor] = given.name
        placeholder = result.node.add(name=operation(given.name), op="Placeholder")
        placeholder.attr["dtype"].type = int(given.dtype)
        for size in given.shape:
            placeholder.attr["shape"].shape.dim.add(size=size)
        placeholder.attr["shape"].shape.SetInParent()
    for node in found.body():
        copy = result.node.add()
        copy.CopyFrom(node)
        copy.input[:] = [renamed.get(graph_tensor(name), name) for name in data_inputs(node)]
    for output in division.outputs:
        spec = found.specs.get(output.tensor)
        _add_identity(result, operation(output.name), output.tensor, dtype=None if spec is None else spec.dtype)
    _add_functions(result, found)
    return result


def head_graph(graph: Any, division: Division, first: Sequence[str] = ()) -> Any:
    """The GraphDef that TensorFlow runs first, with all feeds; each of ``division.head`` waits for every check.

    ``first``: operations of ``graph``, those that it has, which are run once before: they fill the tables.
    """
    found = division._found
    tensors = dict(zip(found.inputs(), (given.source for given in division.inputs), strict=True))
    wanted = {fetch: tensor for tensor, fetch in tensors.items() if fetch in division.head}
    wanted |= {name: apart(found.nodes, fetch) for fetch, name in division.given.items()}
    checks = needed_checks(found)
    result = _GraphDef(versions=graph.versions)
    needed = [*map(operation, (*sorted(found.feeds), *wanted.values())), *checks, *first]
    for node in ordered(found.nodes, needed):
        result.node.add().CopyFrom(node)
    for fetch, tensor in wanted.items():
        _add_identity(result, operation(fetch), tensor, checks, found.spec(tensor).dtype)
    result.library.CopyFrom(graph.library)
    return result


def _add_identity(
    graph: Any, name: str, tensor: str, checks: Sequence[str] = (), dtype: DataType | None = None
) -> None:
    """OpenVINO finds the type out, TensorFlow wants to be told."""
    node = graph.node.add(name=name, op="Identity", input=[tensor, *(f"^{check}" for check in checks)])
    if dtype is not None:
        node.attr["T"].type = int(dtype)


def _add_functions(result: Any, found: Survey) -> None:
    waiting = list(result.node)
    added: set[str] = set()
    while waiting:
        node = waiting.pop()
        for value in node.attr.values():
            name = value.func.name
            if value.HasField("func") and name in found.functions and name not in added:
                added.add(name)
                result.library.function.add().CopyFrom(found.functions[name])
                waiting += found.functions[name].node_def
