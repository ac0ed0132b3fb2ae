"""Where the tensors of a graph go: from one forward, through functions, to the first operations of some types."""

from collections import deque
from collections.abc import Container, Iterator
from functools import cache
from typing import Any, NamedTuple

from serving.optimizing.graph_index import GraphIndex, data_inputs, source

ANY = None
"""Stands for whichever output of a node."""


class Met(NamedTuple):
    """A node that a tensor reaches, and the scope that it is in."""

    scope: str
    node: Any


class Flow:
    """Follows the tensors of a graph. All outputs of a node count as made of each of its inputs."""

    def __init__(self, index: GraphIndex) -> None:
        self.index = index
        self._takers = cache(self._takers_in)

    def first(self, scope: str, operation: str, operations: Container[str], *, port: str | None = ANY) -> Iterator[Met]:
        """The nodes of the types ``operations`` that an output reaches, the nearest first; beyond them nothing.

        ``port`` names the output as ``Source`` does.
        """
        waiting = deque([(scope, operation, port)])
        seen = set(waiting)
        while waiting:
            for met, position in self._taking(*waiting.popleft()):
                places = [] if met.node.op in operations else list(self._beyond(met, position))
                if not places and (met.scope, met.node.name, "") not in seen:
                    seen.add((met.scope, met.node.name, ""))
                    yield met
                waiting.extend(place for place in places if place not in seen)
                seen.update(places)

    def _taking(self, scope: str, operation: str, port: str | None) -> Iterator[tuple[Met, int]]:
        for taken, node, position in self._takers(scope).get(operation, ()):
            if port is ANY or (taken or "0") == (port or "0"):
                yield Met(scope, node), position

    def _beyond(self, met: Met, position: int) -> Iterator[tuple[str, str, str | None]]:
        yield met.scope, met.node.name, ANY
        first = self.index.first_argument(met.node)
        for function in self.index.called(met.node):
            for argument, index in self.index.scope(function).arguments.items():
                if first is None or index == position - first:
                    yield function, argument, ANY

    def _takers_in(self, scope: str) -> dict[str, list[tuple[str, Any, int]]]:
        """For each operation the nodes that take an output of it: which output, the node, and as which input."""
        takers: dict[str, list[tuple[str, Any, int]]] = {}
        for node in self.index.scope(scope).nodes.values():
            for position, name in enumerate(data_inputs(node)):
                operation, port = source(name)
                takers.setdefault(operation, []).append((port, node, position))
        return takers


def constant(index: GraphIndex, scope: str, name: str) -> Any | None:
    """The TensorProto of the constant that an input names, or an argument in some call; None for anything else."""
    seen = set()
    while (scope, name) not in seen:
        seen.add((scope, name))
        operation = source(name).operation
        node = index.scope(scope).nodes.get(operation)
        if node is None and operation in index.scope(scope).arguments:
            scope, name = index.given(scope, operation) or (scope, name)
        elif node is not None and node.op == "Identity":
            name = node.input[0]
        elif node is not None and node.op == "Const":
            return node.attr["value"].tensor
    return None
