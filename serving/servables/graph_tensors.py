"""The graph tensors that a call feeds and fetches, found by their names; which errors there are TensorFlow says.

TensorFlow's C API takes tensors that exist, and some that do not end the process (a result fed twice that its operation
lacks). So names are looked up here, in the order and with the codes and texts of a TensorFlow session that is given
names (docs/compatibility.md, "Predict").
"""

from collections.abc import Iterator, Sequence
from ctypes import byref, c_size_t
from itertools import pairwise
from typing import NamedTuple

from serving.core import tensor_name
from serving.core.tensor_name import TensorName
from serving.errors import Code, ServingError, invalid_argument
from serving.servables.libtensorflow import Library, Output


class GraphTensors(NamedTuple):
    """Feeds and fetches in the order of their names."""

    feeds: list[Output]
    fetches: list[Output]


def find(library: Library, graph: int, feeds: Sequence[str], fetches: Sequence[str]) -> GraphTensors:
    """Look all names up. INVALID_ARGUMENT or OUT_OF_RANGE in TensorFlow's words for what cannot be fed or fetched."""
    outputs = [_output(library, graph, tensor_name.parse(name)) for name in (*feeds, *fetches)]
    found = [output for output in outputs if output is not None]
    if len(found) < len(outputs) or _repeated(feeds, fetches):
        raise _refusal(library, graph, sorted(feeds), sorted(fetches))
    return GraphTensors(found[: len(feeds)], found[len(feeds) :])


def find_one(library: Library, graph: int, name: str) -> Output:
    """The graph tensor of one name; as ``find``."""
    return find(library, graph, (), (name,)).fetches[0]


def operation(library: Library, graph: int, name: str) -> int | None:
    """The operation called so, None if there is none."""
    encoded = name.encode("utf-8", "surrogateescape")
    if b"\0" in encoded:  # which would end the name for C
        return None
    return library.GraphOperationByName(graph, encoded) or None


def _output(library: Library, graph: int, name: TensorName) -> Output | None:
    found = operation(library, graph, name.operation)
    if found is None or not 0 <= name.index < library.OperationNumOutputs(found):
        return None
    return Output(found, name.index)


def _repeated(feeds: Sequence[str], fetches: Sequence[str]) -> bool:
    return len(set(feeds)) < len(feeds) or not set(feeds).isdisjoint(fetches)


def _refusal(library: Library, graph: int, feeds: Sequence[str], fetches: Sequence[str]) -> ServingError:
    """TensorFlow looks at the names in their order, feeds first: at those of operations, then for those of none."""
    parsed = [tensor_name.parse(name) for name in (*feeds, *fetches)]
    lacking = [name for name in parsed if operation(library, graph, name.operation) is not None]
    lacking = [name for name in lacking if _output(library, graph, name) is None]
    if lacking:
        return _lacks_output(library, graph, lacking)
    for name in parsed:
        if operation(library, graph, name.operation) is None:
            return invalid_argument(
                f"Tensor {name}, specified in either feed_devices or fetch_devices was not found in the Graph"
            )
    if not fetches:
        return invalid_argument("Must specify at least one target to fetch or execute.")
    for each, following in pairwise(feeds):
        if each == following:
            return invalid_argument(f'Endpoint "{each}" fed more than once.')
    return invalid_argument(f"{next(each for each in fetches if each in feeds)} is both fed and fetched.")


def _lacks_output(library: Library, graph: int, names: Sequence[TensorName]) -> ServingError:
    """Of several operations, TensorFlow names the one that comes first in the graph."""
    wanted = {operation(library, graph, name.operation): name for name in reversed(names)}
    found = next(each for each in (_operations(library, graph) if len(wanted) > 1 else wanted) if each in wanted)
    name = wanted[found]
    return ServingError(
        Code.OUT_OF_RANGE,
        f"Node '{name.operation}' (type: '{library.OperationOpType(found).decode()}', num of outputs: "
        f"{library.OperationNumOutputs(found)}) does not have output {name.index}",
    )


def _operations(library: Library, graph: int) -> Iterator[int]:
    position = c_size_t(0)
    while found := library.GraphNextOperation(graph, byref(position)):
        yield found
