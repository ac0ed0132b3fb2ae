"""OpenTelemetry's own lines, few of them: a collector that is down has its exporter warn at every attempt."""

import logging
import time
from collections.abc import Callable

from serving.telemetry.log import logger

_SECONDS = 60.0


class FewLines(logging.Handler):
    """Passes one line a minute on to the server's log, and how many were left out before it; ``told`` hears of each."""

    def __init__(self, told: Callable[[], None], clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(logging.WARNING)
        self._told = told
        self._clock = clock
        self._last = float("-inf")
        self._left_out = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Said by a thread of OpenTelemetry's or ours; the handler's lock is held."""
        self._told()
        now = self._clock()
        if now - self._last < _SECONDS:
            self._left_out += 1
            return
        left_out, self._last, self._left_out = self._left_out, now, 0
        more = f" ({left_out} more lines since the last)" if left_out else ""
        logger.log(record.levelno, "OpenTelemetry: %s%s", record.getMessage(), more)


def quiet(told: Callable[[], None]) -> None:
    """Have OpenTelemetry say what it says through ``FewLines``."""
    theirs = logging.getLogger("opentelemetry")
    theirs.handlers = [FewLines(told)]
    theirs.propagate = False
