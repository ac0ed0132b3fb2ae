"""Optimising: a frozen graph as TensorFlow's session runs it on this CPU, with everything fused and placed."""

import base64
import re
from collections.abc import Sequence
from typing import Any

from serving.optimizing.child.graphs import all_nodes, check_fetches, operation, rewritten
from serving.optimizing.child.modules import RefusedError, TensorFlow
from serving.optimizing.child.tables import FILL_TABLES, check_tables, needed

_FEED = re.compile(r"_arg_(.+)_(\d+)_\d+")
"""What TensorFlow calls the argument that a fed tensor becomes: operation, output, position."""

_TRANSFERS = ("_Send", "_Recv", "_HostSend", "_HostRecv")


def optimized(tf: TensorFlow, config: Any, meta_graph: Any, fills: Any, step: dict[str, Any]) -> Any:
    """The GraphDef as TensorFlow's session would run it. ``fills`` are the nodes that fill its tables.

    ``step`` names its feeds and fetches, what may be ``kept`` though it is marked as if it had state, and gives
    ``tensors`` to run it with once. Raises RefusedError.
    """
    feeds, fetches = step["feeds"], step["fetches"]
    dtypes = _dtypes(meta_graph)
    config.graph_options.rewrite_options.min_graph_nodes = -1  # a model may be one call, which is to be inlined
    graph = rewritten(tf, config, meta_graph.SerializeToString())
    examples = [tf.tensor_util.MakeNdarray(_tensor(tf, text)) for text in step["tensors"]]
    fills = needed(tf, graph, fills)
    graph.node.extend(fills.node)
    final = _placed(tf, config, graph, dict(zip(feeds, examples, strict=True)), fetches)
    del graph
    _check_state(tf, final, step["kept"])
    check_fetches(final, fetches)
    _restore_feeds(tf, final, feeds, dtypes)
    check_tables(final, fills)
    final.node.extend(fills.node)
    return final


def _tensor(tf: TensorFlow, text: str) -> Any:
    return tf.tensor_pb2.TensorProto.FromString(base64.b64decode(text))


def _dtypes(meta_graph: Any) -> dict[str, int]:
    """The data types of the fed operations."""
    infos = [info for each in meta_graph.signature_def.values() for info in each.inputs.values()]
    return {operation(info.name): info.dtype for info in infos}


def _placed(tf: TensorFlow, config: Any, graph: Any, feed: dict[str, Any], fetches: Sequence[str]) -> Any:
    """The graph as it is executed, with the kernels that TensorFlow chose for this CPU, each told which weights stay.

    A session says that only of a step that has run, hence the example.
    """
    running = tf.config_pb2.ConfigProto()
    running.CopyFrom(config)
    running.graph_options.rewrite_options.disable_meta_optimizer = True
    imported = tf.ops.Graph()
    with imported.as_default():
        tf.importer.import_graph_def(graph, name="")
    graph.Clear()
    metadata = tf.config_pb2.RunMetadata()
    with tf.session.Session(graph=imported, config=running) as session:
        if any(each.name == FILL_TABLES for each in imported.get_operations()):
            session.run(FILL_TABLES)
        options = tf.config_pb2.RunOptions(output_partition_graphs=True)
        session.run(list(fetches), feed, options=options, run_metadata=metadata)
    if len(metadata.partition_graphs) != 1:
        raise RefusedError(f"it runs on {len(metadata.partition_graphs)} devices; only what runs on one is optimised")
    return metadata.partition_graphs[0]


def _check_state(tf: TensorFlow, graph: Any, kept: Sequence[str]) -> None:
    """Nothing that keeps state may be left; ``kept`` are marked as if they did."""
    allowed = {"_Arg", "_Retval", *kept}
    for node in all_nodes(graph):
        known = tf.op_def_registry.get(node.op)
        if node.op in _TRANSFERS or (known is not None and known.is_stateful and node.op not in allowed):
            raise RefusedError(f"the operation {node.op} is left in it")


def _restore_feeds(tf: TensorFlow, graph: Any, feeds: Sequence[str], dtypes: dict[str, int]) -> None:
    """Arguments become placeholders again, under the names that are fed; the ends of the fetches go."""
    names = {}
    for node in graph.node:
        if node.op == "_Arg":
            match = _FEED.fullmatch(node.name)
            if match is None or match[2] != "0":
                raise RefusedError(f"the fed tensor {node.name} is not the first output of its operation")
            names[node.name] = match[1]
    kept = [node for node in graph.node if node.op not in ("_Arg", "_Retval")]
    for node in kept:
        node.input[:] = [_renamed(name, names) for name in node.input]
        node.device = ""
        node.attr.pop("_class", None)
    others = tf.graph_pb2.GraphDef(node=kept)
    del graph.node[:]
    for name in map(operation, feeds):
        placeholder = graph.node.add(name=name, op="Placeholder")
        placeholder.attr["dtype"].type = dtypes[name]
        placeholder.attr["shape"].shape.unknown_rank = True
    graph.node.MergeFrom(others.node)


def _renamed(name: str, names: dict[str, str]) -> str:
    control = "^" if name.startswith("^") else ""
    of, colon, index = name.removeprefix("^").partition(":")
    return f"{control}{names.get(of, of)}{colon}{index}"
