"""Which signatures compute the same: graphs are compared by what they do, whatever nodes and functions are called.

Two bodies are equal if the same operations are applied to the same inputs, down to variables, constants and what is
fed. Of operations that keep state this says nothing.
"""

from collections.abc import Hashable, Iterator, Mapping
from hashlib import sha256
from typing import Any

from serving.core import tensor_name
from serving.core.signature import Signature
from serving.optimizing.graph_index import MAIN, GraphIndex, Scope, source

_HINTS = frozenset(("api_implements", "api_preferred_device", "forward_function_name", "backward_function_name"))
"""Attributes of which results do not depend; nor do they of those that begin with an underscore, with one exception."""

_COMPILED = "_XlaMustCompile"


class _IncomparableError(Exception):
    """The graph has a cycle, or lacks a node."""


class Bodies:
    """Numbers what the tensors of one graph compute: equal numbers, equal results for equal inputs."""

    def __init__(self, index: GraphIndex) -> None:
        self._index = index
        self._known: dict[Hashable, int] = {}
        self._functions: dict[str, int | None] = {}

    def key(self, signature: Signature) -> Hashable | None:
        """Equal for signatures with the same aliases, types, shapes and results; None if it cannot be said."""
        fed = {
            str(tensor_name.parse(info.name)): self._number("fed", alias, info.dtype, info.shape)
            for alias, info in signature.inputs.items()
        }
        walk = _Walk(self, MAIN, self._index.main, fed)
        try:
            outputs = [
                (alias, walk.result(info.name), info.dtype, info.shape)
                for alias, info in sorted(signature.outputs.items())
            ]
        except _IncomparableError:
            return None
        inputs = [(alias, info.dtype, info.shape) for alias, info in sorted(signature.inputs.items())]
        return tuple(inputs), tuple(outputs)

    def _number(self, *what: Hashable) -> int:
        return self._known.setdefault(what, len(self._known))

    def node(self, scope: str, node: Any, data: tuple[Hashable, ...], control: tuple[Hashable, ...]) -> int:
        """The number of a node with these inputs; control inputs have no order."""
        operation: Hashable = node.op
        if node.op in self._index.functions:
            operation = self.function(node.op)
        own = (scope, node.name) if _is_itself(node) else None
        return self._number(operation, own, node.device, data, control, tuple(self._attributes(node.attr)))

    def function(self, name: str) -> int:
        """The number of a function, whatever its name. Raises _IncomparableError for one that calls itself."""
        if name not in self._functions:
            self._functions[name] = None  # while it is looked at
            function = self._index.functions[name]
            scope = self._index.scope(name)
            walk = _Walk(self, name, scope, {})
            types = tuple(argument.type for argument in function.signature.input_arg)
            results = tuple(walk.result(each) for each in scope.results)
            control = tuple(sorted(walk.result(f"^{each}") for each in function.control_ret.values()))
            self._functions[name] = self._number(
                "function", types, results, control, tuple(self._attributes(function.attr))
            )
        number = self._functions[name]
        if number is None:
            raise _IncomparableError
        return number

    def argument(self, position: int) -> int:
        """The number of an argument of a function."""
        return self._number("argument", position)

    def _attributes(self, attributes: Mapping[str, Any]) -> Iterator[Hashable]:
        for name in sorted(attributes):
            if name not in _HINTS and (name == _COMPILED or not name.startswith("_")):
                yield name, self._value(attributes[name])

    def _value(self, value: Any) -> Hashable:
        if value.HasField("func"):
            return self._called(value.func)
        if value.list.func:
            return tuple(self._called(each) for each in value.list.func)
        return sha256(value.SerializeToString(deterministic=True)).digest()

    def _called(self, function: Any) -> Hashable:
        named = self.function(function.name) if function.name in self._index.functions else function.name
        return named, tuple(self._attributes(function.attr))


class _Walk:
    """Numbers the nodes of one scope, each after its inputs, without recursion: chains of nodes are long."""

    def __init__(self, bodies: Bodies, name: str, scope: Scope, fed: Mapping[str, int]) -> None:
        self._bodies = bodies
        self._name = name
        self._scope = scope
        self._fed = fed
        self._numbers: dict[str, int] = {}

    def result(self, name: str) -> tuple[int, str]:
        """The number and the port of what an input names."""
        outside = self._outside(name)
        if outside is not None:
            return outside, ""
        operation, port = source(name)
        if operation not in self._numbers:
            self._visit(operation)
        return self._numbers[operation], "" if port == "0" else port

    def _outside(self, name: str) -> int | None:
        """The number of what is fed, or of an argument; None for what a node of the scope gives."""
        if self._name == MAIN and (fed := self._fed.get(str(tensor_name.parse(name)))) is not None:
            return fed
        operation = source(name).operation
        if operation in self._scope.nodes:
            return None
        if operation not in self._scope.arguments:
            raise _IncomparableError
        return self._bodies.argument(self._scope.arguments[operation])

    def _waits_for(self, node: Any) -> list[str]:
        named = [source(name).operation for name in node.input if self._outside(name) is None]
        return [operation for operation in named if operation not in self._numbers]

    def _visit(self, first: str) -> None:
        waiting = [first]
        entered: set[str] = set()
        while waiting:
            operation = waiting[-1]
            node = self._scope.nodes[operation]
            missing = self._waits_for(node)
            if not missing:
                waiting.pop()
                self._numbers.setdefault(operation, self._number(node))
            elif operation in entered:
                raise _IncomparableError  # its inputs wait for itself
            else:
                entered.add(operation)
                waiting.extend(missing)

    def _number(self, node: Any) -> int:
        data = tuple(self.result(name) for name in node.input if not name.startswith("^"))
        control = tuple(sorted({self.result(name)[0] for name in node.input if name.startswith("^")}))
        return self._bodies.node(self._name, node, data, control)


def _is_itself(node: Any) -> bool:
    """Whether a node is another than one with the same inputs and attributes: it names what it holds, or is fed."""
    if node.op in ("Placeholder", "PlaceholderV2", "PlaceholderWithDefault"):
        return True
    return "shared_name" in node.attr and not node.attr["shared_name"].s
