"""Whether a model keeps state between its calls, as its MetaGraph says: only what keeps none may be frozen."""

from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from serving.core import tensor_name
from serving.optimizing.candidates import NotOptimizedError
from serving.protos import message
from serving.servables import libtensorflow

_SavedModel = message("tensorflow.SavedModel")

_VARIABLES = ("Placeholder", "PlaceholderV2", "VarHandleOp", "ReadVariableOp", "Variable", "VariableV2")
_HARMLESS = frozenset((*_VARIABLES, "StatefulPartitionedCall", "If", "While", "Case"))
"""Marked as stateful, yet nothing changes: variables that are only read, and calls, whose functions are looked into."""


@cache
def operations_without_state() -> frozenset[str]:
    """The types of operations that keep none, of those that TensorFlow knows once custom operations are loaded.

    The list in a SavedModel is not enough: it leaves out what only nested functions use.
    """
    library = libtensorflow.load()
    known = message("tensorflow.OpList").FromString(library.take_buffer(library.GetAllOpList()))
    return _HARMLESS | {op.name for op in known.op if not _has_state(op)}


def _has_state(op: Any) -> bool:
    """TF1's assignments are not marked as stateful, but they take a reference."""
    return op.is_stateful or any(argument.is_ref for argument in op.input_arg)


def check(saved_model: Path, tags: Collection[str], tensors: Iterable[str]) -> None:
    """NotOptimizedError unless the graph with ``tags`` in the file keeps no state for ``tensors``."""
    try:
        meta_graphs = _SavedModel.FromString(saved_model.read_bytes()).meta_graphs
    except OSError as error:
        raise NotOptimizedError(f"{saved_model.name} cannot be read: {error.strerror}") from error
    found = next((each for each in meta_graphs if set(each.meta_info_def.tags) == set(tags)), None)
    if found is None:
        raise NotOptimizedError(f"{saved_model.name} has no graph with its tags")
    operation = operation_with_state(found, tensors, operations_without_state())
    if operation is not None:
        raise NotOptimizedError(f"the operation {operation} may keep state from call to call")


def operation_with_state(meta_graph: Any, tensors: Iterable[str], without_state: Container[str]) -> str | None:
    """The type of an operation that is not one of ``without_state`` and that one of ``tensors`` depends on, or None.

    ``meta_graph`` is a MetaGraphDef message.
    """
    for node in _reachable(meta_graph.graph_def, tensors):
        if node.op not in without_state:
            return str(node.op)
    return None


def _reachable(graph: Any, tensors: Iterable[str]) -> Iterator[Any]:
    """The nodes that ``tensors`` depend on, and all nodes of the functions that these call."""
    functions = {function.signature.name: function for function in graph.library.function}
    nodes = {node.name: node for node in graph.node}
    seen: set[str] = set()
    called: set[str] = set()
    waiting = [tensor_name.parse(name).operation for name in tensors]
    while waiting:
        name = waiting.pop()
        node = nodes.get(name)
        if name in seen or node is None:
            continue
        seen.add(name)
        waiting.extend(tensor_name.parse(each).operation for each in node.input)
        yield from _with_called(node, functions, called)


def _with_called(node: Any, functions: Mapping[str, Any], called: set[str]) -> Iterator[Any]:
    waiting = [node]
    while waiting:
        node = waiting.pop()
        for name in _functions(node):
            if name not in called and name in functions:
                called.add(name)
                waiting.extend(functions[name].node_def)
        # A call is what its function is; as an operation, a function has no description.
        if node.op not in functions:
            yield node
        elif node.op not in called:
            called.add(node.op)
            waiting.extend(functions[node.op].node_def)


def _functions(node: Any) -> Iterator[str]:
    for value in node.attr.values():
        if value.HasField("func"):
            yield value.func.name
        for function in value.list.func:
            yield function.name
