"""Whether signatures keep state between calls, as their MetaGraph says: only what keeps none may be frozen.

All signatures are looked at together: a variable that one assigns to is state for each that reads it.
"""

from collections.abc import Collection, Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving.core import tensor_name
from serving.core.signature import LOADER_SIGNATURES, Signature
from serving.optimizing import operations
from serving.optimizing.candidates import NotOptimizedError
from serving.optimizing.graph_index import MAIN, GraphIndex, Place, data_inputs, is_loop, source
from serving.protos import message

_SavedModel = message("tensorflow.SavedModel")

_HOLDERS = operations.VARIABLES.operations | operations.TABLES.operations
_READERS = operations.READS.operations | operations.LOOKUPS.operations


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureState:
    """What a signature keeps: ``reason`` says it for the log, None if nothing."""

    reason: str | None = None


def read_meta_graph(saved_model: Path, tags: Collection[str]) -> Any:
    """The MetaGraphDef message with ``tags`` in the file. Raises NotOptimizedError if there is none."""
    try:
        meta_graphs = _SavedModel.FromString(saved_model.read_bytes()).meta_graphs
    except OSError as error:
        raise NotOptimizedError(f"{saved_model.name} cannot be read: {error.strerror}") from error
    found = next((each for each in meta_graphs if set(each.meta_info_def.tags) == set(tags)), None)
    if found is None:
        raise NotOptimizedError(f"{saved_model.name} has no graph with its tags")
    return found


def states(
    index: GraphIndex, signatures: Mapping[str, Signature], without_state: Container[str]
) -> dict[str, SignatureState]:
    """What each signature keeps, those for the loader apart. ``without_state`` has the operations that keep nothing."""
    reached = {
        name: _Reached(index, signature, without_state)
        for name, signature in signatures.items()
        if not name.startswith(LOADER_SIGNATURES)
    }
    changed: dict[str, str] = {}
    for name, each in reached.items():
        for node, held in each.changed():
            changed.setdefault(
                held, f"the operation {node.op} ({node.name}) of the signature {name} changes {held}, which it uses"
            )
    return {name: each.state(changed) for name, each in reached.items()}


class _Reached:
    """What the outputs of a signature depend on, down to what it feeds, and all nodes of the functions called there."""

    def __init__(self, index: GraphIndex, signature: Signature, without_state: Container[str]) -> None:
        self._index = index
        self._callers: dict[str, list[tuple[str, Any]]] = {}
        """The nodes that call each function, with their scopes."""
        nodes = list(self._walk(signature))
        self._with_state = [
            (scope, node) for scope, node in nodes if node.op not in without_state and node.op not in index.functions
        ]
        self._held = {_held(node) for _, node in nodes if node.op in _HOLDERS}

    def state(self, changed: Mapping[str, str]) -> SignatureState:
        """``changed`` says what changes each variable and table that calls of any signature change."""
        for _, node in self._with_state:
            return SignatureState(reason=f"the operation {node.op} ({node.name}) keeps state from call to call")
        for held in sorted(self._held & changed.keys()):
            return SignatureState(reason=changed[held])
        return SignatureState()

    def changed(self) -> Iterator[tuple[Any, str]]:
        """The variables and tables that each operation with state may change: all that its inputs lead back to."""
        for scope, node in self._with_state:
            for held in sorted(self._held_by([Place(scope, source(name).operation) for name in data_inputs(node)])):
                yield node, held

    def _walk(self, signature: Signature) -> Iterator[tuple[str, Any]]:
        fed = {str(tensor_name.parse(info.name)) for info in signature.inputs.values()}
        waiting = [info.name for info in signature.outputs.values()]
        seen: set[str] = set()
        while waiting:
            name = tensor_name.parse(waiting.pop())
            node = self._index.main.nodes.get(name.operation)
            if str(name) in fed or name.operation in seen or node is None:
                continue
            seen.add(name.operation)
            waiting.extend(node.input)
            yield MAIN, node
            yield from self._called(node)

    def _called(self, node: Any) -> Iterator[tuple[str, Any]]:
        waiting = [(MAIN, node)]
        while waiting:
            scope, node = waiting.pop()
            for name in self._index.called(node):
                if name not in self._callers:
                    inner = [(name, each) for each in self._index.functions[name].node_def]
                    waiting.extend(inner)
                    yield from inner
                self._callers.setdefault(name, []).append((scope, node))

    def _held_by(self, waiting: list[Place]) -> set[str]:
        held: set[str] = set()
        seen: set[Place] = set()
        while waiting:
            place = waiting.pop()
            if place in seen:
                continue
            seen.add(place)
            scope = self._index.scope(place.scope)
            node = scope.nodes.get(place.operation)
            if node is None:
                waiting.extend(self._passed(place.scope, scope.arguments.get(place.operation)))
            elif node.op in _HOLDERS:
                held.add(_held(node))
            elif node.op not in _READERS:
                waiting.extend(self._before(place.scope, node))
        return held

    def _passed(self, function: str, position: int | None) -> Iterator[Place]:
        """What the reached calls of ``function`` give to the argument at ``position``; all they give if it moves."""
        for scope, node in self._callers.get(function, ()):
            first = self._index.first_argument(node)
            inputs = data_inputs(node)
            if position is not None and first is not None and not is_loop(node):
                inputs = inputs[position + first : position + first + 1]
            yield from (Place(scope, source(name).operation) for name in inputs)

    def _before(self, scope: str, node: Any) -> Iterator[Place]:
        yield from (Place(scope, source(name).operation) for name in data_inputs(node))
        for function in self._index.called(node):
            yield from (Place(function, source(name).operation) for name in self._index.scope(function).results)


def _held(node: Any) -> str:
    """What a variable or a table is called across graph and functions."""
    shared = node.attr["shared_name"].s if "shared_name" in node.attr else b""
    return shared.decode(errors="replace") or str(node.name)
