"""Has a SavedModel frozen by the child that imports TensorFlow's Python; what the child does is its own matter."""

import base64
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from serving.optimizing.candidates import Group
from serving.optimizing.operations import KEPT_IN_FROZEN
from serving.optimizing.process import Answer, Children

MAX_FILES = 256
"""A graph has at most so many files of weights; smaller ones stay in it."""


class Kind(Enum):
    """How a graph is frozen.

    FLAT: functions inlined and constants computed: for other engines, and for TensorFlow in their background.
    OPTIMIZED: as TensorFlow's session runs it on this CPU. Large weights are apart in both.
    """

    FLAT = "flat"
    OPTIMIZED = "optimized"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """The SavedModel to freeze: ``config`` is a serialised ConfigProto, ``libraries`` have custom operations."""

    path: Path
    tags: tuple[str, ...]
    config: bytes
    libraries: tuple[str, ...] = ()

    def facts(self) -> dict[str, Any]:
        """For a request in JSON."""
        return {
            "path": str(self.path),
            "tags": self.tags,
            "config": base64.b64encode(self.config).decode(),
            "libraries": self.libraries,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenGraph:
    """A serialised GraphDef in the file ``graph``, and the files of the weights that it names by their index."""

    graph: int
    weights: tuple[int, ...] = ()

    @property
    def files(self) -> tuple[int, ...]:
        """All of them."""
        return self.graph, *self.weights

    def read(self) -> bytes:
        """The serialised GraphDef."""
        return os.pread(self.graph, os.fstat(self.graph).st_size, 0)

    def close(self) -> None:
        """Close the files."""
        for fd in self.files:
            os.close(fd)


def frozen(
    children: Children,
    model: Model,
    groups: Sequence[Group],
    kind: Kind,
    *,
    examples: Sequence[Sequence[str]] = (),
    max_files: int = MAX_FILES,
    given_up: Callable[[], bool] = lambda: False,
) -> list[FrozenGraph | str]:
    """A graph for the step of each group, or why there is none.

    ``examples`` are what the steps can be run with: TensorProtos in base64, one for each feed. Blocks. Raises
    NotOptimizedError if nothing came of it at all.
    """
    steps = [
        {
            "signatures": group.signatures,
            "feeds": group.step.feeds,
            "fetches": group.step.fetches,
            "kept": sorted(KEPT_IN_FROZEN),
            "tensors": examples[index] if examples else (),
        }
        for index, group in enumerate(groups)
    ]
    request = {**model.facts(), "kind": kind.value, "max_files": max_files, "steps": steps}
    return _graphs(children.ask(children.programs.freezing, request, given_up=given_up))


def _graphs(answer: Answer) -> list[FrozenGraph | str]:
    graphs: list[FrozenGraph | str] = []
    files = iter(answer.files)
    for part in answer.facts["parts"]:
        if "error" in part:
            graphs.append(str(part["error"]))
        else:
            graphs.append(FrozenGraph(graph=next(files), weights=tuple(next(files) for _ in range(part["weights"]))))
    return graphs
