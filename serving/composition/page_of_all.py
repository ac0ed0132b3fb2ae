"""The page where several workers are one server: what all have, and a row for each of them."""

from collections.abc import Callable
from dataclasses import replace

from serving.processes.gathering import Gathered
from serving.ui import summing
from serving.ui.recent import Recent
from serving.ui.summing import Look
from serving.ui.values import Sample, StateView, WorkerView
from serving.ui.view import View

_NEW_SECONDS = 0.1
"""The state and the sample that are looked at together are of one answer of the others."""


class PageOfAll:
    """What is seen of ``count`` workers, asked of worker ``here``. Both methods wait for the others."""

    def __init__(self, view: View, gather: Callable[[], Gathered[Look]], here: int, count: int) -> None:
        self._view = view
        self._recent = Recent(gather, _NEW_SECONDS)
        self._here = here
        self._count = count

    def state(self) -> StateView:
        """The server's models as all have them; its findings are looked for by this worker."""
        gathered = self._recent.now()
        seen = {number: each.state for number, each in gathered.workers.items() if each.state is not None}
        shadows = summing.added([*gathered.workers.values(), *gathered.gone])
        return replace(
            self._view.state(),
            server=replace(seen[self._here].server, started=min(each.server.started for each in seen.values())),
            models=tuple(summing.with_shadow(model, shadows) for model in summing.models(seen, self._here)),
        )

    def sample(self) -> Sample:
        """The numbers of all together, and each worker's row."""
        gathered = self._recent.now()
        workers = {number: each.sample for number, each in gathered.workers.items()}
        summed = summing.sample(list(workers.values()), [each.sample for each in gathered.gone])
        rows = tuple(_row(number, gathered, workers.get(number)) for number in range(self._count))
        return replace(summed, time=workers[self._here].time, workers=rows)


def _row(number: int, gathered: Gathered[Look], seen: Sample | None) -> WorkerView:
    member = gathered.members.get(number)
    state = "away" if number not in gathered.there or member is None else member.stage
    return WorkerView(
        worker=number,
        pid=0 if member is None else member.pid,
        state="late" if number in gathered.late else state,
        restarts=0 if member is None else member.restarts,
        last_end="" if member is None else member.last_end,
        requests=0 if seen is None else sum(each.requests for each in seen.models.values()),
        memory_bytes=0 if seen is None else seen.memory_bytes,
    )
