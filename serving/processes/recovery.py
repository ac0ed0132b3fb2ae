"""What becomes of workers that have ended: when each is started again, and which version is set aside for it."""

import time
from collections.abc import Sequence

from serving.processes.blaming import CRASHES, Crash, to_blame
from serving.processes.restarting import ended, restart
from serving.processes.shared import Running
from serving.telemetry.log import logger


class Recovery:
    """Of ``workers``, by their numbers."""

    def __init__(self, workers: int) -> None:
        self.due: dict[int, float] = {}
        """When workers that have ended are started again."""
        self.restarts = dict.fromkeys(range(workers), 0)
        self.last_ends = dict.fromkeys(range(workers), "")
        self.set_aside: dict[str, str] = {}
        """Why versions are set aside, by their texts."""
        self._failures = dict.fromkeys(range(workers), 0)
        self._crashes: list[Crash] = []

    def ended(self, worker: int, process: int, status: int, lived: float, running: Sequence[Running]) -> bool:
        """A worker has ended unasked, after ``lived`` seconds; whether another version is set aside for that."""
        after, self._failures[worker] = restart(self._failures[worker], lived)
        self.restarts[worker] += 1
        self.last_ends[worker] = ended(status)
        self.due[worker] = time.monotonic() + after
        logger.error(
            "Worker %d (process %d) %s after %.1f s; its requests in flight are lost, the others serve on, and it is "
            "started again %s",
            worker,
            process,
            ended(status),
            lived,
            f"in {after:.0f} s" if after else "at once",
        )
        self._crashes = [*self._crashes[-CRASHES:], Crash(time.monotonic(), status, running)]
        version = to_blame(self._crashes)
        if version is None:
            return False
        self._crashes.clear()
        sentence = self.set_aside[version] = (
            f"Servable {version} is set aside: it was under way when each of the last {CRASHES} workers that ended "
            f"{ended(status)}. Put a new version in its place, or start the server anew; the log has what was written "
            "before they ended"
        )
        logger.error("%s", sentence)
        return True

    def to_start(self, now: float) -> list[int]:
        """The workers that are to be started by ``now``, once."""
        due = [worker for worker, at in self.due.items() if at <= now]
        for worker in due:
            del self.due[worker]
        return due
