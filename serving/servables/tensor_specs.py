"""What TensorFlow's shape inference says of each tensor of a session's graph."""

from collections.abc import Iterator
from ctypes import byref, c_int64, c_size_t
from typing import NamedTuple

from serving.core.tensor import DataType
from serving.servables.libtensorflow import Library, Output
from serving.servables.session import Session

_KNOWN = frozenset(map(int, DataType))


class TensorSpec(NamedTuple):
    """``shape`` has -1 for an unknown size and is None for an unknown rank."""

    dtype: DataType
    shape: tuple[int, ...] | None


def tensor_specs(session: Session) -> dict[str, TensorSpec]:
    """By graph tensor, such as ``x:0``; tensors of types that no request has are left out."""
    return dict(_specs(session.library, session.graph))


def _specs(library: Library, graph: int) -> Iterator[tuple[str, TensorSpec]]:
    position = c_size_t(0)
    while operation := library.GraphNextOperation(graph, byref(position)):
        name = library.OperationName(operation).decode()
        for index in range(library.OperationNumOutputs(operation)):
            output = Output(operation, index)
            number = library.OperationOutputType(output)
            if number in _KNOWN:
                yield f"{name}:{index}", TensorSpec(DataType(number), _shape(library, graph, output))


def _shape(library: Library, graph: int, output: Output) -> tuple[int, ...] | None:
    with library.checked() as status:
        rank = library.GraphGetTensorNumDims(graph, output, status)
    if rank < 0:
        return None
    sizes = (c_int64 * rank)()
    with library.checked() as status:
        library.GraphGetTensorShape(graph, output, sizes, rank, status)
    return tuple(sizes)
