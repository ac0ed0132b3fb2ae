"""GraphDefs by hand, one node a line."""

from typing import Any

import numpy as np

from serving.core.tensor import STORAGE, DataType
from serving.protos import message

_GraphDef = message("tensorflow.GraphDef")
_CODES = {np.dtype(np.float32): DataType.FLOAT, np.dtype(np.int32): DataType.INT32, np.dtype(np.int64): DataType.INT64}


def graph(*nodes: tuple[str, str, list[str]], **constants: Any) -> Any:
    """Nodes as (name, operation, inputs), and constants by name: arrays, or what numpy makes int32 and float32 of."""
    result = _GraphDef()
    for name, value in constants.items():
        array = value if isinstance(value, np.ndarray) else _plain(value)
        node = result.node.add(name=name, op="Const")
        tensor = node.attr["value"].tensor
        tensor.dtype = int(_CODES[array.dtype])
        tensor.tensor_content = array.astype(STORAGE[_CODES[array.dtype]]).tobytes()
        tensor.tensor_shape.SetInParent()
        for size in array.shape:
            tensor.tensor_shape.dim.add(size=size)
    for name, operation, inputs in nodes:
        result.node.add(name=name, op=operation, input=inputs)
    return result


def _plain(value: Any) -> Any:
    array = np.array(value)
    return array.astype(np.float32 if array.dtype.kind == "f" else np.int32)


def attribute(graph_def: Any, node: str, **values: Any) -> Any:
    """The graph with attributes of one node: booleans, integers, types."""
    [found] = [each for each in graph_def.node if each.name == node]
    for name, value in values.items():
        if isinstance(value, DataType):
            found.attr[name].type = int(value)
        elif isinstance(value, bool):
            found.attr[name].b = value
        else:
            found.attr[name].i = value
    return graph_def
