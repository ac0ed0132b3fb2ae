"""What is asked of any GraphDef, and grappler, which rewrites one."""

from collections.abc import Iterator, Sequence
from typing import Any

from serving.optimizing.child.modules import RefusedError, TensorFlow


def operation(tensor: str) -> str:
    """The operation of a graph tensor."""
    return tensor.partition(":")[0]


def all_nodes(graph: Any) -> Iterator[Any]:
    """The nodes of a GraphDef and of its functions."""
    yield from graph.node
    for function in graph.library.function:
        yield from function.node_def


def check_fetches(graph: Any, fetches: Sequence[str]) -> None:
    """Nothing that is fetched may be lost. RefusedError."""
    lost = {operation(name) for name in fetches} - {node.name for node in graph.node}
    if lost:
        raise RefusedError(f"the operation {min(lost)} was lost")


def rewritten(tf: TensorFlow, config: Any, meta_graph: bytes) -> Any:
    """The GraphDef that grappler makes of a serialised MetaGraphDef: functions inlined, constants folded, and so on.

    ``config`` is the ConfigProto that says what it may do.
    """
    cluster = tf.cluster.Cluster()
    try:
        graph = tf.grappler.TF_OptimizeGraphSerialized(
            cluster.tf_cluster, config.SerializeToString(), meta_graph, False, "graph", False
        )
    finally:
        cluster.Shutdown()
    made = tf.graph_pb2.GraphDef.FromString(graph)
    # What a model was saved with; where grappler has changed the order of products it is wrong, and no import takes it.
    for node in all_nodes(made):
        node.attr.pop("_output_shapes", None)
    return made
