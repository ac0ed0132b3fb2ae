"""Where several workers are one server: its metrics and its page are those of all of them, whichever is asked."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from serving.errors import Code, ServingError
from serving.processes.child import Stage
from serving.processes.gathering import Gathered, Gathering
from serving.processes.group import Group
from serving.processes.supervisor import Member
from serving.telemetry import log, snapshot, summing
from serving.telemetry.log import logger
from serving.telemetry.metrics import Kind
from serving.telemetry.readings import Reading, by_label
from serving.telemetry.serving_metrics import ServingMetrics, Shown
from serving.telemetry.snapshot import Snapshot

if TYPE_CHECKING:
    from serving.composition.page_of_all import PageOfAll
    from serving.ui.summing import Look
    from serving.ui.view import View


class AllWorkers:
    """What the workers are asked for, and answer, together. Made before the group is joined."""

    def __init__(self, metrics: ServingMetrics, group: Group) -> None:
        self._group = group
        self._metrics: Gathering[Snapshot] = Gathering(
            group, "metrics", lambda: snapshot.snapshot(*metrics.own()), summing.fold
        )
        metrics.of_all = self.shown
        self.view: Callable[[], View] = _no_page
        """What is to be seen of this worker, made when somebody asks."""
        self._page: Gathering[Look] = Gathering(group, "page", self._look, _fold)
        self._starts = True
        group.on_members(self._started)

    def shown(self) -> Shown:
        """The metrics of all; blocks."""
        gathered = self._metrics.gather()
        workers = dict(gathered.workers)
        here = workers.pop(self._group.index)
        registry, readings = snapshot.restored(summing.together(here, list(workers.values()), gathered.gone))
        return registry, [*readings, *_of_workers(gathered, self._group.count)]

    def page(self, view: "Callable[[], View]") -> "PageOfAll":
        """What the page shows of all, this worker's ``view`` among them."""
        from serving.composition.page_of_all import PageOfAll

        return PageOfAll(view(), self._page.gather, self._group.index, self._group.count)

    def _started(self, members: Sequence[Member]) -> None:
        """What a worker says of its start is written if it starts again, and left out once it serves as the others."""
        here = next((each for each in members if each.worker == self._group.index), None)
        if not self._starts or here is None:
            return
        if here.restarts:
            self._starts = False
            log.let_go()
        elif here.stage == Stage.SERVING.value:
            self._starts = False
            if held := log.forget():
                logger.info("Process %d serves too; %d lines of its start are as those of worker 0", here.pid, held)

    def _look(self) -> "Look":
        from serving.ui.summing import look

        return look(self.view())


def _no_page() -> "View":
    raise ServingError(Code.UNIMPLEMENTED, "There is no page (--enable_ui)")


def _fold(looks: "Sequence[Look]") -> "Look":
    from serving.ui.summing import fold

    return fold(looks)


def _of_workers(gathered: Gathered[Snapshot], count: int) -> Iterator[Reading]:
    """How many workers have answered, and how often each was started again."""
    late, there = len(gathered.late), len(gathered.there)
    yield by_label("/serving/workers", "state", {"answered": there - late, "late": late, "away": count - there})
    restarts = [((str(each.worker),), each.restarts) for each in gathered.members.values()]
    yield Reading(name="/serving/worker_restarts", kind=Kind.COUNTER, labels=("worker",), points=restarts)
