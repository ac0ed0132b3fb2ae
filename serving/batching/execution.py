"""What becomes of a batch: its callers' tensors merged, run, and taken apart again. It waits for nothing and nobody.

One bad request does not fail the others: a merged run that fails is made again for each caller alone
(docs/models.md, "Batching").
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from serving.batching import merging
from serving.batching.parameters import BatchingParameters
from serving.batching.task import Task
from serving.core.batch_queue import Part
from serving.core.batch_run import BatchRun
from serving.core.servable import Outcome, Run
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

    def alone(self, rows: int, inputs: int) -> None:
        """Both at once: a request with so many inputs, which has not waited, is a batch without padding."""
        ...


class Unobserved:
    """An observer that does not care."""

    def batched(self, queued_seconds: float, input_rows: Sequence[int]) -> None:
        """Do nothing."""

    def ran(self, rows: int, padding_rows: int) -> None:
        """Do nothing."""

    def alone(self, rows: int, inputs: int) -> None:
        """Do nothing."""


class Request(NamedTuple):
    """The rows of one caller in a batch; ``deadline`` is in the seconds of the execution's clock, or infinite."""

    inputs: merging.Inputs
    rows: int
    deadline: float


def deadline(now: float, timeout_ms: int) -> float:
    """When a limit that begins ``now`` is over; never for one that is not positive."""
    return now + timeout_ms / 1000 if timeout_ms > 0 else math.inf


class Execution:
    """Runs the batches of one combination of feeds and fetches; several threads may do so at a time.

    With a ``wall`` clock, of Unix time, the tasks' futures have what is known of their batches.
    """

    __slots__ = ("_clock", "_fills", "_observer", "_parameters", "_run", "_wall")

    def __init__(
        self,
        run: Run,
        parameters: BatchingParameters,
        clock: Clock,
        observer: BatchObserver,
        wall: Clock | None = None,
    ) -> None:
        self._run = run
        self._parameters = parameters
        self._fills = bool(parameters.allowed_batch_sizes)
        self._clock = clock
        self._observer = observer
        self._wall = wall

    @property
    def padding(self) -> bool:
        """Whether rows of different shapes are padded to share a run."""
        return self._parameters.pad_variable_length_inputs

    def __call__(self, parts: Sequence[Part[Task]]) -> None:
        """Run ``parts``, whose tasks have begun, and settle them; raises nothing that belongs to a caller."""
        now = self._clock()
        requests = [Request(part.task.slice(part), part.stop - part.start, part.task.deadline) for part in parts]
        queued = [now - part.task.enqueued_at for part in parts]
        for part, seconds in zip(parts, queued, strict=True):
            part.task.future.queued_seconds = seconds
        outcomes = self.outcomes if self._wall is None else self._noted(parts, self._wall)
        for part, outcome in zip(parts, outcomes(requests, now, queued), strict=True):
            part.task.settle(part, outcome)

    def _noted(
        self, parts: Sequence[Part[Task]], wall: Clock
    ) -> Callable[[Sequence[Request], float, Sequence[float]], Sequence[Outcome]]:
        """``outcomes``, and the tasks' futures know when they had theirs."""

        def outcomes(requests: Sequence[Request], now: float, queued: Sequence[float]) -> Sequence[Outcome]:
            batch = BatchRun(len(parts), sum([request.rows for request in requests]), wall())
            for part in parts:
                part.task.note(batch)
            found = self.outcomes(requests, now, queued)
            batch.ended = wall()
            return found

        return outcomes

    def alone(self, inputs: merging.Inputs, rows: int, timeout_ms: int) -> list[Tensor]:
        """The outputs of a batch of one caller that never waited; raises what its run raises."""
        if self._fills and self._parameters.padded(rows) != rows:
            self._observer.batched(0.0, (rows,) * len(inputs))
            return self._merged([Request(inputs, rows, deadline(self._clock(), timeout_ms))], padding=False)[0]
        self._observer.alone(rows, len(inputs))
        outputs = self._run(inputs, timeout_ms)
        merging.check(outputs, rows)
        return outputs

    def outcomes(self, requests: Sequence[Request], now: float, queued_seconds: Sequence[float]) -> Sequence[Outcome]:
        """What each of ``requests`` comes to, run as one batch as far as they go together."""
        batched = self._observer.batched
        for seconds, (inputs, rows, _) in zip(queued_seconds, requests, strict=True):
            batched(seconds, (rows,) * len(inputs))
        if all(request.deadline <= now for request in requests):
            text = "Run() timeout exceeded while waiting in batching queue"
            return [ServingError(Code.RESOURCE_EXHAUSTED, text)] * len(requests)
        if merging.uniform([request.inputs for request in requests]):
            return self._together(requests, padding=False)
        found: dict[int, Outcome] = {}
        for group in merging.alike([request.inputs for request in requests], padding=self.padding):
            found.update(zip(group, self._without_empty([requests[position] for position in group]), strict=True))
        return [found[position] for position in range(len(requests))]

    def _without_empty(self, requests: Sequence[Request]) -> list[Outcome]:
        """Run those that padding can make alike, and tell the others that it cannot."""
        refused = frozenset(merging.unpaddable([request.inputs for request in requests]) if self.padding else ())
        kept = [request for position, request in enumerate(requests) if position not in refused]
        ran = iter(self._together(kept, padding=self.padding) if kept else ())
        return [merging.empty_tensor() if position in refused else next(ran) for position in range(len(requests))]

    def _together(self, requests: Sequence[Request], *, padding: bool) -> Sequence[Outcome]:
        """One run for all of ``requests``; one for each if that fails."""
        try:
            return self._merged(requests, padding=padding)
        except Exception as error:  # noqa: BLE001 - whatever a run raises is the answer of who asked for it
            if len(requests) == 1 or (isinstance(error, ServingError) and error.code in _OUT_OF_TIME):
                return [error] * len(requests)
        return [outcome for request in requests for outcome in self._together([request], padding=False)]

    def _merged(self, requests: Sequence[Request], *, padding: bool) -> Sequence[list[Tensor]]:
        sizes = [request.rows for request in requests]
        rows = sum(sizes)
        total = self._parameters.padded(rows)
        inputs = requests[0].inputs
        if len(requests) > 1 or total != rows:
            inputs = merging.merge([request.inputs for request in requests], total, padding=padding)
        self._observer.ran(total, total - rows)
        return merging.split(self._run(inputs, self._timeout_ms(requests)), sizes, total)

    def _timeout_ms(self, requests: Sequence[Request]) -> int:
        """What is left until the latest deadline; 0 for no limit."""
        latest = max([request.deadline for request in requests])
        return 0 if latest == math.inf else max(int((latest - self._clock()) * 1000), 1)
