"""A GraphDef with its functions, to be walked: nodes by name, what they take and what they call. Nothing is judged."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

MAIN = ""
"""The name of the scope that is the graph itself; the others are functions, by their names."""

_CALLS = frozenset(("PartitionedCall", "StatefulPartitionedCall"))
_BRANCHES = frozenset(("If", "StatelessIf", "_If", "Case", "StatelessCase"))
_LOOPS = frozenset(("While", "StatelessWhile", "_While"))


class Source(NamedTuple):
    """What an input of a node names: an operation (or an argument of the function), and which of its outputs.

    ``port`` is as it is written, without the colon before it: ``1`` in the graph, ``output:0`` in a function; empty for
    the first output, and for arguments.
    """

    operation: str
    port: str


class Place(NamedTuple):
    """A node, or an argument, of a scope."""

    scope: str
    operation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The nodes of the graph or of a function, by name; ``arguments`` gives positions, ``results`` are inputs."""

    nodes: Mapping[str, Any]
    arguments: Mapping[str, int]
    results: tuple[str, ...]


class GraphIndex:
    """A GraphDef message and its functions."""

    def __init__(self, graph_def: Any) -> None:
        self.functions = {function.signature.name: function for function in graph_def.library.function}
        self._graph_def = graph_def
        self._scopes: dict[str, Scope] = {}

    @cached_property
    def main(self) -> Scope:
        """The graph itself."""
        return Scope(nodes={node.name: node for node in self._graph_def.node}, arguments={}, results=())

    def scope(self, name: str) -> Scope:
        """The scope of that name; KeyError if there is no such function."""
        if name == MAIN:
            return self.main
        if name not in self._scopes:
            function = self.functions[name]
            self._scopes[name] = Scope(
                nodes={node.name: node for node in function.node_def},
                arguments={argument.name: index for index, argument in enumerate(function.signature.input_arg)},
                results=tuple(function.ret[output.name] for output in function.signature.output_arg),
            )
        return self._scopes[name]

    @cached_property
    def _callers(self) -> Mapping[str, tuple[str, Any]]:
        """A node that calls each function, and its scope."""
        scopes = (MAIN, *self.functions)
        nodes = ((scope, node) for scope in scopes for node in self.scope(scope).nodes.values())
        return {name: (scope, node) for scope, node in nodes for name in self.called(node)}

    def given(self, function: str, argument: str) -> tuple[str, str] | None:
        """What some call gives for an argument: the scope of the call, and the input; None if nobody says it."""
        scope, node = self._callers.get(function, (MAIN, None))
        first = None if node is None else self.first_argument(node)
        if first is None:
            return None
        inputs = data_inputs(node)
        position = first + self.scope(function).arguments[argument]
        return (scope, inputs[position]) if position < len(inputs) else None

    def called(self, node: Any) -> Iterator[str]:
        """The functions that a node calls, of those that there are: by its attributes, or by being one itself."""
        if node.op in self.functions:
            yield node.op
        for value in node.attr.values():
            if value.HasField("func") and value.func.name in self.functions:
                yield value.func.name
            for function in value.list.func:
                if function.name in self.functions:
                    yield function.name

    def first_argument(self, node: Any) -> int | None:
        """Which input of a call is the first argument of what it calls; None if this is not a matter of position."""
        if node.op in _CALLS or node.op in _LOOPS or node.op in self.functions:
            return 0
        return 1 if node.op in _BRANCHES else None


def is_loop(node: Any) -> bool:
    """Whether a node calls a function with what it has returned."""
    return node.op in _LOOPS


def source(name: str) -> Source:
    """What an input names."""
    operation, _, port = name.removeprefix("^").partition(":")
    return Source(operation, port)


def data_inputs(node: Any) -> list[str]:
    """The inputs that are tensors, in order."""
    return [name for name in node.input if not name.startswith("^")]
