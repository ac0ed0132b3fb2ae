"""Which signatures of a SavedModel may be optimised, and with which of the others: the file is read, nothing is run."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving.core.signature import Signature
from serving.optimizing import candidates, graph_state
from serving.optimizing.bodies import Bodies
from serving.optimizing.candidates import Group
from serving.optimizing.graph_index import GraphIndex
from serving.optimizing.operations import operations_without_state


@dataclass(frozen=True, slots=True, kw_only=True)
class Qualified:
    """What may be optimised, that of the default signature first, and why the other signatures may not.

    ``index`` is the graph.
    """

    groups: tuple[Group, ...]
    refused: Mapping[str, str]
    index: GraphIndex


def qualified(saved_model: Path, tags: Collection[str], signatures: Mapping[str, Signature]) -> Qualified:
    """What of ``signatures`` may be optimised. Raises NotOptimizedError with the first reason if nothing may."""
    return of_meta_graph(graph_state.read_meta_graph(saved_model, tags), signatures)


def of_meta_graph(meta_graph: Any, signatures: Mapping[str, Signature]) -> Qualified:
    """The same of a MetaGraphDef message."""
    index = GraphIndex(meta_graph.graph_def)
    states = graph_state.states(index, signatures, operations_without_state())
    reasons = {name: state.reason for name, state in states.items() if state.reason is not None}
    groups, refused = candidates.grouped(signatures, Bodies(index).key, reasons)
    return Qualified(groups=groups, refused=refused, index=index)
