"""What becomes of a batch: its callers' tensors merged, run, and taken apart again. It waits for nothing and nobody.

One bad request does not fail the others: a merged run that fails is made again for each caller alone
(docs/compatibility.md, "Batching").
"""

import math
from collections.abc import Callable, Sequence
from typing import Protocol

from serving.batching import forming
from serving.batching.parameters import BatchingParameters
from serving.batching.task import Task
from serving.core.batch_queue import Part
from serving.core.servable import Run
from serving.core.tensor import Tensor
from serving.errors import Code, ServingError

Clock = Callable[[], float]
"""Seconds that only grow."""

_OUT_OF_TIME = (Code.DEADLINE_EXCEEDED, Code.CANCELLED)


class BatchObserver(Protocol):
    """Told what happens, for metrics; called on the batch threads, several at a time."""

    def batched(self, queued_seconds: float, input_rows: Sequence[int]) -> None:
        """A request that has waited so long is in a batch; ``input_rows`` has the 0th dimension of each input."""
        ...

    def ran(self, rows: int, padding_rows: int) -> None:
        """A batch of ``rows``, ``padding_rows`` of them padding, is run."""
        ...


class Unobserved:
    """An observer that does not care."""

    def batched(self, queued_seconds: float, input_rows: Sequence[int]) -> None:
        """Do nothing."""

    def ran(self, rows: int, padding_rows: int) -> None:
        """Do nothing."""


class Execution:
    """Runs the batches of one combination of feeds and fetches; several threads may do so at a time."""

    __slots__ = ("_clock", "_observer", "_parameters", "_run")

    def __init__(self, run: Run, parameters: BatchingParameters, clock: Clock, observer: BatchObserver) -> None:
        self._run = run
        self._parameters = parameters
        self._clock = clock
        self._observer = observer

    @property
    def padding(self) -> bool:
        """Whether rows of different shapes are padded to share a run."""
        return self._parameters.pad_variable_length_inputs

    def __call__(self, parts: Sequence[Part[Task]]) -> None:
        """Run ``parts``, whose tasks have begun, and settle them; raises nothing that belongs to a caller."""
        now = self._clock()
        batch = [part.task.slice(part) for part in parts]
        for part in parts:
            self._observer.batched(now - part.task.enqueued_at, [part.stop - part.start] * len(part.task.tensors))
        if all(part.task.deadline <= now for part in parts):
            _settle(
                parts,
                ServingError(Code.RESOURCE_EXHAUSTED, "Run() timeout exceeded while waiting in batching queue"),
            )
            return
        if len(parts) == 1:
            self._together(parts, batch)
            return
        for group in forming.alike(batch, padding=self.padding):
            self._without_empty([parts[position] for position in group], [batch[position] for position in group])

    def _without_empty(self, parts: Sequence[Part[Task]], batch: Sequence[forming.Inputs]) -> None:
        """Run those that padding can make alike, and tell the others that it cannot."""
        refused = frozenset(forming.unpaddable(batch) if self.padding else ())
        _settle([parts[position] for position in refused], forming.empty_tensor())
        kept = [position for position in range(len(parts)) if position not in refused]
        if kept:
            self._together([parts[position] for position in kept], [batch[position] for position in kept])

    def _together(self, parts: Sequence[Part[Task]], batch: Sequence[forming.Inputs]) -> None:
        """One run for all of ``parts``; one for each if that fails."""
        try:
            outcome = self._merged(parts, batch)
        except Exception as error:  # noqa: BLE001 - whatever a run raises is the answer of who asked for it
            if len(parts) == 1 or (isinstance(error, ServingError) and error.code in _OUT_OF_TIME):
                _settle(parts, error)
                return
        else:
            for part, outputs in zip(parts, outcome, strict=True):
                part.task.settle(part, outputs)
            return
        for part, inputs in zip(parts, batch, strict=True):
            self._together([part], [inputs])

    def _merged(self, parts: Sequence[Part[Task]], batch: Sequence[forming.Inputs]) -> list[list[Tensor]]:
        sizes = [part.stop - part.start for part in parts]
        rows = sum(sizes)
        total = self._parameters.padded(rows)
        alone = len(batch) == 1 and total == rows
        inputs = batch[0] if alone else forming.merge(batch, total, padding=self.padding)
        self._observer.ran(total, total - rows)
        outputs = self._run(inputs, self._timeout_ms(parts))
        return forming.split(outputs, sizes, total)

    def _timeout_ms(self, parts: Sequence[Part[Task]]) -> int:
        """What is left until the latest deadline; 0 for no limit."""
        deadline = max(part.task.deadline for part in parts)
        return 0 if deadline == math.inf else max(int((deadline - self._clock()) * 1000), 1)


def _settle(parts: Sequence[Part[Task]], error: Exception) -> None:
    for part in parts:
        part.task.settle(part, error)
