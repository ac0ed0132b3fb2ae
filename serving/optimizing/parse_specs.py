"""Which features an operation that parses a tf.Example wants, read from its attributes and constants."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import prod
from types import MappingProxyType
from typing import Any

from serving.core.tensor import DataType
from serving.optimizing.flow import Met, constant
from serving.optimizing.graph_index import MAIN, GraphIndex, data_inputs

_UNKNOWN_SIZE = 2
"""How many values a feature is given for a size that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """A feature that is parsed: so many values of a type. ``port`` names the output that has its values."""

    key: str
    dtype: DataType
    count: int
    port: str


def features(index: GraphIndex, met: Met) -> list[Feature] | None:
    """The features that a parser asks for; None if its keys are no constants."""
    keys = PARSERS[met.node.op](index, met)
    if keys is None:
        return None
    sparse, dense, ragged = keys
    attributes = met.node.attr
    shapes = [[dim.size for dim in shape.dim] for shape in attributes["dense_shapes"].list.shape]
    counts = [prod(size if size >= 0 else _UNKNOWN_SIZE for size in shape) for shape in shapes]
    parts = (
        (sparse, attributes["sparse_types"].list.type, [_UNKNOWN_SIZE] * len(sparse)),
        (dense, attributes["Tdense"].list.type, counts),
        (ragged, attributes["ragged_value_types"].list.type, [_UNKNOWN_SIZE] * len(ragged)),
    )
    # Outputs: indices, values and shapes of the sparse features, then the dense ones, then the ragged ones' values.
    firsts = accumulate((len(sparse), 2 * len(sparse), len(dense)))
    names = ("sparse_values", "dense_values", "ragged_values")
    made = []
    for (part, dtypes, sizes), first, name in zip(parts, firsts, names, strict=True):
        for number, (key, dtype, count) in enumerate(zip(part, dtypes, sizes, strict=True)):
            port = str(first + number) if met.scope == MAIN else f"{name}:{number}"
            made.append(Feature(key=key.decode(), dtype=DataType(dtype), count=count, port=port))
    return made


Keys = tuple[Sequence[bytes], Sequence[bytes], Sequence[bytes]]
"""Of the sparse, the dense and the ragged features."""


def _in_vectors(index: GraphIndex, met: Met) -> Keys | None:
    """Keys as three constants, behind the examples and their names."""
    keys = [_strings(index, met.scope, name) for name in data_inputs(met.node)[2:5]]
    sparse, dense, ragged = keys
    return None if sparse is None or dense is None or ragged is None else (sparse, dense, ragged)


def _in_scalars(index: GraphIndex, met: Met) -> Keys | None:
    """Each key as a constant of its own, behind the examples and their names."""
    sparse, dense = met.node.attr["Nsparse"].i, met.node.attr["Ndense"].i
    keys = [_strings(index, met.scope, name) for name in data_inputs(met.node)[2 : 2 + sparse + dense]]
    known = [key[0] for key in keys if key]
    return (known[:sparse], known[sparse:], ()) if len(known) == len(keys) else None


def _in_attributes(_: GraphIndex, met: Met) -> Keys | None:
    attributes = met.node.attr
    return attributes["sparse_keys"].list.s, attributes["dense_keys"].list.s, ()


PARSERS: Mapping[str, Callable[[GraphIndex, Met], Keys | None]] = MappingProxyType(
    {"ParseExample": _in_scalars, "ParseExampleV2": _in_vectors, "ParseSingleExample": _in_attributes}
)
"""The operations that parse tf.Examples, with how each is told its keys."""


def _strings(index: GraphIndex, scope: str, name: str) -> list[Any] | None:
    proto = constant(index, scope, name)
    return None if proto is None else list(proto.string_val)
