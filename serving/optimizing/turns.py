"""One thread on which versions are improved one after the other, so that trials do not disturb each other's times."""

import threading
from collections import deque
from collections.abc import Callable

from serving.telemetry.log import logger


class Turns:
    """Runs what is added, in order; the thread is there while there is something to do."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[Callable[[], None]] = deque()
        self._busy = False
        self._closed = False

    def add(self, work: Callable[[], None]) -> None:
        """Run ``work`` when what was added before is done."""
        with self._lock:
            if self._closed:
                return
            self._waiting.append(work)
            if self._busy:
                return
            self._busy = True
        threading.Thread(target=self._run, name="optimizing", daemon=True).start()

    def close(self) -> None:
        """Begin nothing any more."""
        with self._lock:
            self._closed = True
            self._waiting.clear()

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._busy = False
                    return
                work = self._waiting.popleft()
            try:
                work()
            except Exception:  # noqa: BLE001 - the others still have their turn, and the log says what it was
                logger.exception("Optimising a model ended by an error of its own; it is served as it is")
