"""Log lines in TensorFlow's format on standard error: ``date time: I file.py:line] message``."""

import logging
import sys
from datetime import datetime
from pathlib import PurePath

_SEVERITIES = {logging.DEBUG: "D", logging.INFO: "I", logging.WARNING: "W", logging.ERROR: "E", logging.CRITICAL: "F"}

logger = logging.getLogger("serving")


class TensorFlowFormatter(logging.Formatter):
    """Local time with microseconds, the severity's letter, and where the line comes from."""

    def format(self, record: logging.LogRecord) -> str:
        """One line; a traceback follows when the record has one."""
        when = datetime.fromtimestamp(record.created).strftime("%Y-%m-%d %H:%M:%S.%f")
        severity = _SEVERITIES.get(record.levelno, "I")
        place = f"{PurePath(record.pathname).name}:{record.lineno}"
        line = f"{when}: {severity} {place}] {record.getMessage()}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def set_up() -> None:
    """Send the server's log to standard error; other libraries' warnings too."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(TensorFlowFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logger.setLevel(logging.INFO)
