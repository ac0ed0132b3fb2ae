"""Whether a MetaGraph has variables to restore, told from its bytes: TensorFlow restores nothing if there is no file.

Only what the restore operation depends on is parsed, out of a graph that may have gigabytes.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from serving.codecs.protobuf import wire
from serving.protos import MetaGraphDef, message

GraphDef = message("tensorflow.GraphDef")
FunctionDefLibrary = message("tensorflow.FunctionDefLibrary")
FunctionDef = message("tensorflow.FunctionDef")
NodeDef = message("tensorflow.NodeDef")
OpDef = message("tensorflow.OpDef")
SaverDef = message("tensorflow.SaverDef")

_RESTORES = frozenset(("RestoreV2", "Restore", "RestoreSlice"))
_OBJECT_GRAPH = b"_CHECKPOINTABLE_OBJECT_GRAPH"
"""What every TF2 export restores, be there variables or not: the description of its Python objects."""

Span = tuple[int, int]
"""Where a message begins and ends in the bytes of the MetaGraph."""


def restored_variable(meta_graph: bytes) -> str | None:
    """The name of a tensor that loading would restore from the checkpoint; None if there is none to restore.

    It is what the saver's restore operation reaches: variables that are set otherwise need no checkpoint.
    """
    everything = (0, len(meta_graph))
    saver = b"".join(meta_graph[b:e] for b, e in _inside(meta_graph, everything, MetaGraphDef.SAVER_DEF_FIELD_NUMBER))
    target = SaverDef.FromString(saver).restore_op_name
    if not target:
        return None
    graphs = list(_inside(meta_graph, everything, MetaGraphDef.GRAPH_DEF_FIELD_NUMBER))
    nodes = _by_name(meta_graph, graphs, GraphDef.NODE_FIELD_NUMBER, NodeDef.NAME_FIELD_NUMBER)
    for scope in _scopes(meta_graph, graphs, _reached(meta_graph, nodes, target)):
        for node in scope.values():
            if node.op in _RESTORES:
                name = _restored(node, scope)
                if name is not None:
                    return name
    return None


def _reached(meta_graph: bytes, nodes: Mapping[str, Span], target: str) -> dict[str, Any]:
    """The nodes that an operation depends on, by name."""
    found: dict[str, Any] = {}
    waiting = [target]
    while waiting:
        name = waiting.pop()
        if name in found or name not in nodes:
            continue
        begin, end = nodes[name]
        found[name] = node = NodeDef.FromString(meta_graph[begin:end])
        waiting.extend(_operation(each) for each in node.input)
    return found


def _scopes(meta_graph: bytes, graphs: list[Span], reached: dict[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The nodes by name, then those of each function that they call, however deep."""
    libraries = [each for graph in graphs for each in _inside(meta_graph, graph, GraphDef.LIBRARY_FIELD_NUMBER)]
    functions = _functions(meta_graph, libraries)
    called: set[str] = set()
    waiting = [reached]
    while waiting:
        scope = waiting.pop()
        yield scope
        for node in scope.values():
            for name in {*_called(node), node.op} & functions.keys() - called:
                called.add(name)
                begin, end = functions[name]
                waiting.append({each.name: each for each in FunctionDef.FromString(meta_graph[begin:end]).node_def})


def _restored(node: Any, scope: Mapping[str, Any]) -> str | None:
    """A name that a restoring operation reads, other than that of the object graph."""
    if len(node.input) < 2:
        return str(node.name)
    names = scope.get(_operation(node.input[1]))
    if names is None or names.op != "Const":
        return str(node.name)
    tensor = names.attr["value"].tensor
    if tensor.tensor_content:
        return str(node.name)
    found = [name for name in tensor.string_val if name and name != _OBJECT_GRAPH]
    return found[0].decode("utf-8", "replace") if found else None


def _called(node: Any) -> Iterator[str]:
    for value in node.attr.values():
        if value.HasField("func"):
            yield value.func.name
        for function in value.list.func:
            yield function.name


def _functions(meta_graph: bytes, libraries: list[Span]) -> dict[str, Span]:
    found: dict[str, Span] = {}
    for library in libraries:
        for function in _inside(meta_graph, library, FunctionDefLibrary.FUNCTION_FIELD_NUMBER):
            for signature in _inside(meta_graph, function, FunctionDef.SIGNATURE_FIELD_NUMBER):
                found[_text(meta_graph, signature, OpDef.NAME_FIELD_NUMBER)] = function
    return found


def _by_name(data: bytes, parents: list[Span], number: int, name: int) -> dict[str, Span]:
    return {_text(data, each, name): each for parent in parents for each in _inside(data, parent, number)}


def _text(data: bytes, span: Span, number: int) -> str:
    """A name in a message. It comes first: what else there is is not walked over."""
    begin, end = next(_inside(data, span, number), (0, 0))
    return data[begin:end].decode("utf-8", "replace")


def _inside(data: bytes, span: Span, number: int) -> Iterator[Span]:
    """The messages or strings of one field in a message."""
    for tag, begin, end in wire.fields(data, *span):
        if tag >> 3 == number:
            yield begin, end


def _operation(name: str) -> str:
    """The operation of a node's input; in functions, the name of an output stands before its index."""
    return name.removeprefix("^").partition(":")[0]
