"""Versions whose files are still coming: each is held back until nothing in it has changed for a while.

It also sees when the files of a version that failed have changed, so that it is tried again. What is loaded is not
looked at any more (docs/models.md, "Version directories").
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from serving.core.lifecycle import HarnessState
from serving.core.manager import Manager
from serving.core.servable import ServableId
from serving.sources.file_system import reservable
from serving.sources.stamp import Stamp, stamp
from serving.telemetry.log import logger

_SHORTEST_WAIT_SECONDS = 0.05
"""The times of files are coarser than the clock; without it, a look might come just too early, and many follow."""
_NANOS = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """What was seen of a version in ``state``, and since when its files have looked so; ``again`` is the next look.

    Times are seconds of the loop's clock; ``math.inf`` is the next poll. Another state is looked at at once.
    """

    state: HarnessState
    files: Stamp
    since: float
    again: float
    told: bool


class Settling:
    """Looks at the files of versions that are not loaded, for one manager, on the thread that steps it.

    ``settle_seconds`` is how long nothing may have changed; 0 holds nothing back, and looks at polls only.
    ``wall_clock`` is in nanoseconds, as the times of files are.
    """

    def __init__(
        self,
        manager: Manager,
        settle_seconds: float,
        *,
        wall_clock: Callable[[], int] = time.time_ns,
        stamp_of: Callable[[Path], Stamp] = stamp,
    ) -> None:
        self._manager = manager
        self._settle_seconds = max(settle_seconds, 0.0)
        self._wall_clock = wall_clock
        self._stamp_of = stamp_of
        self._paths: dict[str, Mapping[int, Path]] = {}
        self._looks: dict[ServableId, _Look] = {}

    def follow(self, name: str, versions: Mapping[int, Path]) -> None:
        """A poll has found these versions of a model: each is looked at in this round."""
        self._paths[name] = versions
        for each in [each for each in self._looks if each.name == name]:
            self._looks[each] = replace(self._looks[each], again=0.0)

    def look(self, now: float) -> None:
        """Look at every version for which it is time, and tell the manager."""
        unserved = self._manager.unserved()
        self._looks = {each: look for each, look in self._looks.items() if each in unserved}
        for each, state in unserved.items():
            before = self._looks.get(each)
            due = before is None or before.state is not state or before.again <= now
            path = self._paths.get(each.name, {}).get(each.version)
            if due and state is not HarnessState.LOADING and path is not None:
                self._look_at(each, state, path, now)

    def next_look(self) -> float | None:
        """When ``look`` is to be called again at the latest, on the loop's clock; None if no look is due by itself."""
        states = self._manager.unserved()
        times = [look.again for each, look in self._looks.items() if states.get(each) is look.state]
        return min((again for again in times if again < math.inf), default=None)

    def _look_at(self, servable_id: ServableId, state: HarnessState, path: Path, now: float) -> None:
        files, before = self._stamp_of(path), self._looks.get(servable_id)
        since = before.since if before is not None and before.files == files else now
        told = before is not None and before.told
        wait = self._wait(files, now - since) if reservable(path) else 0.0
        if wait > 0 and not told:
            self._tell(servable_id, files)
        failed = state in (HarnessState.WAITING, HarnessState.ERROR)
        pause = wait or (self._settle_seconds if failed else 0.0) or math.inf
        self._looks[servable_id] = _Look(
            state=state, files=files, since=since, again=now + pause, told=told or wait > 0
        )
        if self._manager.note_files(servable_id, files, settled=wait <= 0, now=now):
            logger.info("The files of servable version %s have changed since it failed; it is tried again", servable_id)

    def _wait(self, files: Stamp, unchanged_seconds: float) -> float:
        """Seconds until the files will have been left alone for long enough; 0 if they have been already.

        Their times are believed if they are in the past. Those of the future come from another clock: such files, as
        any others, are settled once they were not changed between two looks.
        """
        left = self._settle_seconds - unchanged_seconds
        age = (self._wall_clock() - files.changed_ns) / _NANOS
        if age >= 0:
            left = min(left, self._settle_seconds - age)
        return max(left, _SHORTEST_WAIT_SECONDS) if left > 0 else 0.0

    def _tell(self, servable_id: ServableId, files: Stamp) -> None:
        age = (self._wall_clock() - files.changed_ns) / _NANOS
        ago = f"{age:.1f} s ago" if age >= 0 else f"{-age:.1f} s in the future, by this machine's clock"
        logger.info(
            "Waiting until the files of servable version %s have been left alone for %g s "
            "(--version_settle_seconds): %s changed %s",
            servable_id,
            self._settle_seconds,
            files.shown,
            ago,
        )
