"""Freezing: one step of a loaded model with constants for its variables."""

from collections.abc import Iterator
from typing import Any

from serving.optimizing.child.graphs import all_nodes, operation
from serving.optimizing.child.modules import TensorFlow


def frozen(tf: TensorFlow, session: Any, signature_defs: Any, step: dict[str, Any]) -> Any:
    """The MetaGraphDef of one step with constants for its variables, ready for grappler.

    ``step`` names its feeds and fetches, and its ``signatures``, which are those of ``signature_defs``.
    """
    names = sorted({operation(name) for name in (*step["feeds"], *step["fetches"])})
    graph = session.graph.as_graph_def()
    _split_gathers(tf, graph.node, "")
    for function in graph.library.function:
        _split_gathers(tf, function.node_def, ":value:0")
    constant = tf.convert_to_constants.convert_variables_to_constants_from_session_graph(session, graph, names)
    _restore_names(constant, graph)
    meta_graph = tf.meta_graph_pb2.MetaGraphDef(graph_def=constant)
    for name in step["signatures"]:
        meta_graph.signature_def[name].CopyFrom(signature_defs[name])
    meta_graph.collection_def["train_op"].node_list.value.extend(step["fetches"])
    return meta_graph


def _split_gathers(tf: TensorFlow, nodes: Any, port: str) -> None:
    """Lookups in variables become reads and lookups in what was read; what makes constants passes over the former.

    ``port`` is how the result of a read is named in these nodes.
    """
    for node in [each for each in nodes if each.op == "ResourceGather"]:
        first = node.attr["batch_dims"].i if "batch_dims" in node.attr else 0
        read = nodes.add(name=f"{node.name}/variable", op="ReadVariableOp", input=node.input[:1])
        read.attr["dtype"].CopyFrom(node.attr["dtype"])
        axis = nodes.add(name=f"{node.name}/axis", op="Const")
        axis.attr["dtype"].type = tf.int32
        axis.attr["value"].tensor.CopyFrom(tf.tensor_util.make_tensor_proto(first, tf.int32))
        node.op = "GatherV2"
        others = [name for name in node.input[2:] if name.startswith("^")]
        node.input[:] = [f"{read.name}{port}", node.input[1], f"{axis.name}{port and ':output:0'}", *others]
        node.attr["Tparams"].CopyFrom(node.attr["dtype"])
        node.attr["Taxis"].type = tf.int32
        for name in ("dtype", "validate_indices", "_class"):
            node.attr.pop(name, None)


def _restore_names(constant: Any, saved: Any) -> None:
    """Functions that were changed get their names back: TensorFlow tells clients where an input made it fail."""
    kept = {function.signature.name for function in constant.library.function}
    names = {new: old for new, old in _saved_names(constant, saved).items() if old not in kept}
    for function in constant.library.function:
        function.signature.name = names.get(function.signature.name, function.signature.name)
    for node in all_nodes(constant):
        for called in _called(node):
            called.name = names.get(called.name, called.name)


def _saved_names(constant: Any, saved: Any) -> dict[str, str]:
    """What each function of ``constant`` is called in ``saved``: nodes have the same names in both."""
    functions, others = ({each.signature.name: each for each in graph.library.function} for graph in (constant, saved))
    names: dict[str, str] = {}
    waiting = [(constant.node, saved.node)]
    while waiting:
        nodes, saved_nodes = waiting.pop()
        callers = {node.name: node for node in saved_nodes}
        for node in (each for each in nodes if each.name in callers):
            for new, old in zip(_called(node), _called(callers[node.name]), strict=False):
                if new.name in functions and old.name in others and new.name not in names:
                    names[new.name] = old.name
                    waiting.append((functions[new.name].node_def, others[old.name].node_def))
    return names


def _called(node: Any) -> Iterator[Any]:
    """The functions that a node calls, in the order of its attributes' names."""
    for _, value in sorted(node.attr.items()):
        if value.HasField("func"):
            yield value.func
        yield from value.list.func
