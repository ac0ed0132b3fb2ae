"""Flattening: a frozen graph for other engines, and for TensorFlow in their background."""

from collections.abc import Sequence
from typing import Any

from serving.optimizing.child.graphs import all_nodes, check_fetches, rewritten
from serving.optimizing.child.modules import TensorFlow
from serving.optimizing.child.tables import needed

_PASSES = ("pruning", "function", "constfold", "pruning")


def flat(tf: TensorFlow, meta_graph: Any, fills: Any, fetches: Sequence[str]) -> Any:
    """The GraphDef with its functions inlined and what is constant computed; nothing is fused or placed.

    ``fills`` are the nodes that fill its tables. Raises RefusedError.
    """
    config = tf.config_pb2.ConfigProto()
    rewriting = config.graph_options.rewrite_options
    rewriting.min_graph_nodes = -1
    rewriting.meta_optimizer_iterations = rewriting.ONE
    rewriting.optimizers.extend(_PASSES)
    # Loops stay operations with functions, which is what other engines know.
    for node in all_nodes(meta_graph.graph_def):
        node.attr.pop("_lower_using_switch_merge", None)
    graph = rewritten(tf, config, meta_graph.SerializeToString())
    check_fetches(graph, fetches)
    graph.node.extend(needed(tf, graph, fills).node)
    return graph
