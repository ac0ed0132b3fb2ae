"""Weights: large constants that leave a graph, which reads each from a file instead."""

from typing import Any

from serving.optimizing.child.modules import TensorFlow

_WEIGHT_BYTES = 16 * 1024
"""Constants from this size on become files of their own; smaller ones stay in the graph."""


def extract_weights(tf: TensorFlow, graph: Any, limit: int) -> list[bytes]:
    """The bytes of the ``limit`` largest constants, taken out of a GraphDef, which names them by their index.

    TensorFlow then has one copy less of each.
    """
    sized = [(node.ByteSize(), index) for index, node in enumerate(graph.node) if node.op == "Const"]
    weights: list[bytes] = []
    for size, index in sorted(sized, reverse=True)[:limit]:
        node = graph.node[index]
        array = tf.tensor_util.MakeNdarray(node.attr["value"].tensor) if size >= _WEIGHT_BYTES else None
        if array is None or array.dtype.hasobject or array.nbytes < _WEIGHT_BYTES:
            continue
        shape, dtype = node.attr["value"].tensor.tensor_shape.SerializeToString(), node.attr["dtype"].type
        node.op = "ImmutableConst"
        node.attr.clear()
        node.attr["dtype"].type = dtype
        node.attr["shape"].shape.MergeFromString(shape)
        node.attr["memory_region_name"].s = str(len(weights)).encode()
        weights.append(array.tobytes())
    return weights
