"""Log lines as JSON, one object each, in ASCII; not where they go."""

import json
import logging
import math
from datetime import UTC, datetime
from pathlib import PurePath

_STANDARD = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime", "taskName"}
"""What every record has; whatever else one has was given to it as ``extra``."""

_OURS = frozenset(("time", "severity", "file", "line", "logger", "worker", "message", "exception"))


class JsonFormatter(logging.Formatter):
    """``time`` is RFC 3339 in UTC with microseconds. What came as ``extra`` is beside the rest, under its own names.

    ``worker`` is there where several processes are one server.
    """

    def __init__(self, worker: int | None = None) -> None:
        super().__init__()
        self._who = {} if worker is None else {"worker": worker}

    def format(self, record: logging.LogRecord) -> str:
        """One line without its end. What is no JSON value is written as text."""
        when = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, object] = {
            "time": f"{when:%Y-%m-%dT%H:%M:%S.%f}Z",
            "severity": record.levelname,
            "file": PurePath(record.pathname).name,
            "line": record.lineno,
            "logger": record.name,
            **self._who,
            "message": _text(record.getMessage()),
        }
        if record.exc_info:
            line["exception"] = _text(self.formatException(record.exc_info))
        for name, value in vars(record).items():
            if name not in _STANDARD and name not in _OURS:
                line[_text(name)] = _plain(value)
        return json.dumps(line)


def _plain(value: object) -> object:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return _text(str(value))


def _text(text: str) -> str:
    """Unicode that every reader of JSON takes: bytes of names that are no UTF-8 become escapes."""
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()
