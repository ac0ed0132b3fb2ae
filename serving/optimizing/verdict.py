"""What trying has found for the steps of one version, and what is needed to serve it: facts and open files."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

from serving.openvino.body import BodyPlan, plan_from
from serving.optimizing.candidates import NotOptimizedError
from serving.optimizing.choice import Engine, Table, table_from
from serving.optimizing.freezing import FrozenGraph


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenVinoPart:
    """A step with OpenVINO: the compiled model in the file ``blob``, whatever its streams, and TensorFlow's head."""

    plan: BodyPlan
    table: Table
    difference: float
    blob: int
    head: int | None

    @property
    def files(self) -> tuple[int, ...]:
        """All of them."""
        return tuple(fd for fd in (self.blob, self.head) if fd is not None)

    def close(self) -> None:
        """Close them."""
        for fd in self.files:
            os.close(fd)


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorFlowPart:
    """A frozen graph of a step that TensorFlow runs in place of the graph as saved.

    ``optimized``: for it is faster, by the seconds that a call takes then; else for it needs less memory, where another
    engine runs what it is fast in.
    """

    graph: FrozenGraph
    optimized: bool
    seconds: float
    difference: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StepVerdict:
    """One step: seconds of a call as saved, what is better, and for what is not there the reason.

    ``example`` is the file of what it was tried with (``read_example``).
    """

    plain_seconds: float
    example: int | None
    tensorflow: TensorFlowPart | None
    openvino: OpenVinoPart | None
    reasons: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[int, ...]:
        """All of them, in the order of ``facts``."""
        return (
            *(() if self.example is None else (self.example,)),
            *(() if self.tensorflow is None else self.tensorflow.graph.files),
            *(() if self.openvino is None else self.openvino.files),
        )

    def facts(self) -> dict[str, Any]:
        """For JSON, to be read back by ``verdict_from``."""
        facts: dict[str, Any] = {"plain_seconds": self.plain_seconds, "reasons": self.reasons}
        facts["example"] = self.example is not None
        if self.tensorflow is not None:
            part = self.tensorflow
            facts["tensorflow"] = {
                "weights": len(part.graph.weights),
                "optimized": part.optimized,
                "seconds": part.seconds,
                "difference": part.difference,
            }
        if self.openvino is not None:
            facts["openvino"] = {
                "plan": self.openvino.plan.as_json(),
                "table": self.openvino.table.as_json(),
                "difference": self.openvino.difference,
                "head": self.openvino.head is not None,
            }
        return facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A verdict for each step, in the order of the groups; it owns the files.

    ``lasting``: another trial would come to the same, as far as anybody can tell.
    """

    steps: tuple[StepVerdict, ...]
    lasting: bool = True

    @property
    def files(self) -> tuple[int, ...]:
        """All of them, in the order of ``facts``."""
        return tuple(fd for step in self.steps for fd in step.files)

    def facts(self) -> list[dict[str, Any]]:
        """For JSON, to be read back by ``verdict_from``."""
        return [step.facts() for step in self.steps]

    def check(self) -> None:
        """Raise NotOptimizedError with all reasons if no step has anything better than the graph as saved."""
        if all(step.tensorflow is None and step.openvino is None for step in self.steps):
            reasons = dict.fromkeys(reason for step in self.steps for reason in step.reasons)
            raise NotOptimizedError("; ".join(reasons))

    def close(self) -> None:
        """Close the files."""
        for fd in self.files:
            os.close(fd)


def verdict_from(facts: Sequence[Mapping[str, Any]], files: Sequence[int]) -> Verdict:
    """What ``Verdict.facts`` wrote, with the same files. Raises ValueError, KeyError or TypeError for anything else."""
    left = iter(files)
    verdict = Verdict(steps=tuple(_step_from(each, left) for each in facts))
    if any(True for _ in left):
        raise ValueError("there are more files than the facts tell of")
    return verdict


def _step_from(facts: Mapping[str, Any], files: Iterator[int]) -> StepVerdict:
    plain_seconds = float(facts["plain_seconds"])
    tensorflow = facts.get("tensorflow")
    openvino = facts.get("openvino")
    return StepVerdict(
        plain_seconds=plain_seconds,
        example=_next(files, 1)[0] if facts["example"] else None,
        reasons=tuple(facts["reasons"]),
        tensorflow=None if tensorflow is None else _tensorflow_from(tensorflow, files),
        openvino=None if openvino is None else openvino_from(openvino, files),
    )


def _tensorflow_from(facts: Mapping[str, Any], files: Iterator[int]) -> TensorFlowPart:
    graph, *weights = _next(files, 1 + facts["weights"])
    return TensorFlowPart(
        graph=FrozenGraph(graph=graph, weights=tuple(weights)),
        optimized=facts["optimized"],
        seconds=facts["seconds"],
        difference=facts["difference"],
    )


def _next(files: Iterator[int], count: int) -> tuple[int, ...]:
    taken = tuple(islice(files, count))
    if len(taken) < count:
        raise ValueError("there are fewer files than the facts tell of")
    return taken


def openvino_from(facts: Mapping[str, Any], files: Iterator[int]) -> OpenVinoPart:
    """The part that a trial's answer or ``StepVerdict.facts`` tells of, and its files. Raises as ``verdict_from``."""
    (blob,) = _next(files, 1)
    head = _next(files, 1)[0] if facts["head"] else None
    return OpenVinoPart(
        plan=plan_from(facts["plan"]),
        table=table_from(facts["table"]),
        difference=facts["difference"],
        blob=blob,
        head=head,
    )


class Tried(NamedTuple):
    """What a step was tried with, and TensorFlow's answers: TensorProtos in base64, by feeds and by fetches."""

    inputs: list[str]
    answers: list[str]


def read_example(file: int) -> Tried:
    """What is in the file of an example, which is JSON. Raises ValueError or TypeError for anything else."""
    return Tried(*json.loads(os.pread(file, os.fstat(file).st_size, 0)))


def all_won(verdict: Verdict, ratio: float) -> bool:
    """Whether OpenVINO takes every cell of every step, with at most ``ratio`` of TensorFlow's time."""
    cells = [cell for step in verdict.steps for cell in (step.openvino.table.cells if step.openvino else ())]
    return all(step.openvino is not None for step in verdict.steps) and all(
        cell.engine is not Engine.TENSORFLOW and cell.milliseconds <= ratio * cell.plain_milliseconds for cell in cells
    )
