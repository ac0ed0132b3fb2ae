"""Small frozen graphs made by hand, as serialised GraphDefs, and models that OpenVINO compiles of them."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.core.tensor import STORAGE, DataType, Tensor
from serving.openvino import compiling, library
from serving.openvino.compiled import CompiledModel, Port
from serving.openvino.compiling import EngineSettings
from serving.protos import message

GraphDef = message("tensorflow.GraphDef")

SETTINGS = EngineSettings(threads=2)
WIDTH = 64
"""Of the rows that the graphs take."""

_TYPES = {STORAGE[dtype]: dtype for dtype in (DataType.FLOAT, DataType.INT32)}


class Graph:
    """A GraphDef to which operations are added one by one."""

    def __init__(self) -> None:
        self._message = GraphDef()

    def node(self, name: str, operation: str, *inputs: str, **types: DataType) -> Any:
        """An operation; ``types`` are its attributes that are types, float32 for ``T`` if there is none."""
        node = self._message.node.add(name=name, op=operation, input=inputs)
        for key, dtype in (types or {"T": DataType.FLOAT}).items():
            node.attr[key].type = dtype
        return node

    def placeholder(self, name: str, dtype: DataType, shape: Sequence[int]) -> None:
        """An input; -1 is an open size."""
        node = self.node(name, "Placeholder", dtype=dtype)
        node.attr["shape"].shape.SetInParent()
        for size in shape:
            node.attr["shape"].shape.dim.add(size=size)

    def constant(self, name: str, array: NDArray[Any]) -> None:
        """An array of the graph."""
        dtype = _TYPES[array.dtype]
        tensor = self.node(name, "Const", dtype=dtype).attr["value"].tensor
        tensor.dtype = dtype
        tensor.tensor_shape.SetInParent()
        for size in array.shape:
            tensor.tensor_shape.dim.add(size=size)
        tensor.tensor_content = array.tobytes()

    def serialized(self) -> bytes:
        """All of it."""
        return bytes(self._message.SerializeToString())


def weights(width: int = WIDTH, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((width, width)).astype(np.float32)


def dense(width: int = WIDTH, layers: int = 1) -> bytes:
    """``y`` is the positive part of ``x``, rows of ``width``, times the weights, as often as there are layers."""
    graph = Graph()
    graph.placeholder("x", DataType.FLOAT, (-1, width))
    last = "x"
    for layer in range(layers):
        graph.constant(f"w{layer}", weights(width, layer) / np.float32(np.sqrt(width)))
        graph.node(f"product{layer}", "MatMul", last, f"w{layer}")
        last = graph.node(f"layer{layer}", "Relu", f"product{layer}").name
    graph.node("y", "Identity", last)
    return graph.serialized()


def expected(x: NDArray[Any], layers: int = 1) -> NDArray[Any]:
    """What ``dense`` gives."""
    for layer in range(layers):
        x = np.maximum(x @ (weights(x.shape[1], layer) / np.float32(np.sqrt(x.shape[1]))), 0)
    return x


def same(dtype: DataType) -> bytes:
    """``y`` is ``x`` in the other order, rows of three."""
    graph = Graph()
    graph.placeholder("x", dtype, (-1, 3))
    graph.constant("axis", np.array([0], np.int32))
    graph.node("turned", "ReverseV2", "x", "axis", T=dtype, Tidx=DataType.INT32)
    graph.node("y", "Identity", "turned", T=dtype)
    return graph.serialized()


def total() -> bytes:
    """``y`` is a scalar: the sum of all of ``x``, rows of three, times the scalar ``k``."""
    graph = Graph()
    graph.placeholder("x", DataType.FLOAT, (-1, 3))
    graph.placeholder("k", DataType.FLOAT, ())
    graph.node("scaled", "Mul", "x", "k")
    graph.constant("axes", np.array([0, 1], np.int32))
    graph.node("sum", "Sum", "scaled", "axes", T=DataType.FLOAT, Tidx=DataType.INT32)
    graph.node("y", "Identity", "sum")
    return graph.serialized()


def folded() -> bytes:
    """``y`` is ``x`` of any two sizes, cut into rows of ``WIDTH`` and multiplied; what cannot be cut so fails."""
    graph = Graph()
    graph.placeholder("x", DataType.FLOAT, (-1, -1))
    graph.constant("shape", np.array([-1, WIDTH], np.int32))
    graph.constant("w", weights())
    graph.node("rows", "Reshape", "x", "shape", T=DataType.FLOAT, Tshape=DataType.INT32)
    graph.node("product", "MatMul", "rows", "w")
    graph.node("y", "Identity", "product")
    return graph.serialized()


def convolution(channels: int = 16) -> bytes:
    """``y`` is the mean of each channel of what is folded out of images of any size."""
    graph = Graph()
    graph.placeholder("x", DataType.FLOAT, (-1, -1, -1, 3))
    graph.constant("w", np.ones((3, 3, 3, channels), np.float32))
    folding = graph.node("folded", "Conv2D", "x", "w")
    folding.attr["strides"].list.i.extend([1, 1, 1, 1])
    folding.attr["padding"].s = b"SAME"
    graph.constant("axes", np.array([1, 2], np.int32))
    graph.node("mean", "Mean", "folded", "axes", T=DataType.FLOAT, Tidx=DataType.INT32)
    graph.node("y", "Identity", "mean")
    return graph.serialized()


def floats(*shape: int, seed: int = 0) -> Tensor:
    return Tensor(DataType.FLOAT, np.random.default_rng(seed).standard_normal(shape).astype(np.float32))


def memory_file(data: bytes) -> int:
    fd = os.memfd_create("f")
    os.write(fd, data)
    return fd


X, Y = Port("x:0", DataType.FLOAT), Port("y:0", DataType.FLOAT)


@contextmanager
def compiled(graph: bytes, settings: EngineSettings = SETTINGS) -> Iterator[int]:
    """The file of a compiled model."""
    blob = compiling.compiled(library.load(), settings, graph)
    try:
        yield blob
    finally:
        os.close(blob)


@contextmanager
def opened(
    graph: bytes,
    inputs: Sequence[Port] = (X,),
    outputs: Sequence[Port] = (Y,),
    settings: EngineSettings = SETTINGS,
) -> Iterator[CompiledModel]:
    """A compiled model as the server opens it."""
    with compiled(graph, settings) as blob:
        model = CompiledModel(library.load(), settings, blob, inputs, outputs)
    try:
        yield model
    finally:
        model.close()
