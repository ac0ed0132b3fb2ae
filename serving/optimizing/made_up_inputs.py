"""Inputs made up for the signatures of a loaded version, for who wants to show how it is called. Nothing is run here.

They are those that engines are tried with, but for recorded requests: somebody sent these, and they are not for others
to see.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from google.protobuf.message import DecodeError

from serving.core.signature import LOADER_SIGNATURES, Signature
from serving.core.version_files import SAVED_MODEL
from serving.optimizing import graph_state
from serving.optimizing.candidates import MAX_GRAPH_BYTES, NotOptimizedError
from serving.optimizing.comparing import Example
from serving.optimizing.examples import guesses
from serving.optimizing.flow import Flow
from serving.optimizing.graph_index import GraphIndex
from serving.optimizing.operations import operations_without_state
from serving.optimizing.version_graph import read_graph

_ONE_ROW = (1,)


def made_up_inputs(
    path: Path, tags: tuple[str, ...], signatures: Mapping[str, Signature]
) -> Mapping[str, Iterator[Example]]:
    """By signature the tensors for its inputs, in their order, the likeliest first; of one row where rows are open.

    ``path`` is the version's directory, ``tags`` are those of its graph. Signatures that keep state have none, for who
    tries them changes what the next call is answered; those of a graph that cannot be looked at have none either.
    Reads the graph, so it may take long.
    """
    if _size(path / SAVED_MODEL) > MAX_GRAPH_BYTES:
        return {}
    try:
        index = read_graph(path, tags)
    except (NotOptimizedError, DecodeError):
        return {}
    stateful = set() if index is None else _stateful(index, signatures)
    flow = None if index is None else Flow(index)
    return {
        name: guesses([*each.inputs.values()], flow, _ONE_ROW)
        for name, each in signatures.items()
        if each.inputs and name not in stateful and not name.startswith(LOADER_SIGNATURES)
    }


def _stateful(index: GraphIndex, signatures: Mapping[str, Signature]) -> set[str]:
    """The signatures that keep something from call to call."""
    states = graph_state.states(index, signatures, operations_without_state())
    return {name for name, state in states.items() if state.reason is not None}


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0
