"""The one thread that writes records, and the bounded queue before it: a request never waits for a disk."""

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from serving.request_log.files import Create, RotatingFile, create
from serving.telemetry.log import logger

MAX_QUEUED_BYTES = 64 * 1024 * 1024
"""Enough for a disk that pauses; what comes beyond it is dropped and counted."""

Queued = tuple[str, bytes]
"""A prefix and a record."""


class RecordWriter:
    """Writes to files in ``directory``. The first failure to write ends it, with one line in the log.

    ``offer`` and ``close`` may be called from any thread.
    """

    def __init__(
        self,
        directory: Path,
        *,
        max_file_bytes: int,
        max_queued_bytes: int = MAX_QUEUED_BYTES,
        create: Create = create,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.worker: int | None = None
        """Which of several processes this is, for the names of its files; to be set before anything is written."""
        self._directory = directory
        self._max_file_bytes = max_file_bytes
        self._max_queued_bytes = max_queued_bytes
        self._create = create
        self._clock = clock
        self._files: dict[str, RotatingFile] = {}
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()
        # Guarded by the condition, from here on.
        self._queue: deque[Queued] = deque()
        self._queued_bytes = 0
        self._dropped = 0
        self._told = 0
        self._closing = False
        self._failed = False

    @property
    def failed(self) -> bool:
        """Whether writing has ended by a failure."""
        return self._failed

    def start(self) -> None:
        """Begin to write; does nothing the second time."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="request-log", daemon=True)
            self._thread.start()

    def offer(self, prefix: str, record: bytes) -> bool:
        """Have the record written some time; False if it is dropped, because too much waits or nothing is written."""
        with self._changed:
            if self._failed or self._closing:
                return False
            if self._queued_bytes + len(record) > self._max_queued_bytes:
                self._dropped += 1
                return False
            self._queue.append((prefix, record))
            self._queued_bytes += len(record)
            self._changed.notify()
            return True

    def close(self, seconds: float | None = None) -> bool:
        """Write what waits, then end; whether that was done within ``seconds``."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(seconds)
            if self._thread.is_alive():
                logger.warning("The request log did not finish writing in time; its last records are lost")
                return False
        return True

    def _run(self) -> None:
        try:
            while (queued := self._take()) is not None:
                self._write(*queued)
                self._tell_dropped()
            self._tell_dropped(finally_=True)
            for file in self._files.values():
                file.close()
        except Exception as error:  # noqa: BLE001 - whatever happens here, serving goes on
            self._fail(error)

    def _take(self) -> Queued | None:
        """The next record, waited for; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closing)
            return self._queue.popleft() if self._queue else None

    def _write(self, prefix: str, record: bytes) -> None:
        file = self._files.get(prefix)
        if file is None:
            file = self._files[prefix] = RotatingFile(
                self._directory,
                prefix,
                self._max_file_bytes,
                worker=self.worker,
                create=self._create,
                clock=self._clock,
            )
        file.append(record)
        with self._changed:
            self._queued_bytes -= len(record)

    def _tell_dropped(self, *, finally_: bool = False) -> None:
        """A line each time the number has doubled, and one at the end: a slow disk must not fill the log."""
        with self._changed:
            dropped = self._dropped
            tell = dropped > self._told if finally_ else dropped >= max(1, 2 * self._told)
            self._told = dropped if tell else self._told
        if tell:
            logger.warning("The request log is too slow for its requests: %d of them were not logged so far", dropped)

    def _fail(self, error: Exception) -> None:
        with self._changed:
            self._failed = True
            lost = len(self._queue) + 1
            self._queue.clear()
        logger.error(
            "Request logging stops, %d records are lost, serving goes on: cannot write below %s: %s. "
            "Put it right and restart the server to log again",
            lost,
            self._directory,
            error.strerror if isinstance(error, OSError) else repr(error),
        )
        for file in self._files.values():
            with suppress(OSError):  # the failure that matters has been told
                file.close()
