"""Log lines on standard error: in TensorFlow's format, ``date time: I file.py:line] message``, or as JSON.

What a message is filled in with is foreign text, names and paths and errors; it stays within its line.
"""

import atexit
import logging
import sys
import threading
import time
from collections.abc import Mapping
from functools import cache
from numbers import Number
from types import TracebackType

from serving.telemetry.line_writer import STANDARD_ERROR, STANDARD_OUTPUT, LineWriter, Stream
from serving.telemetry.quoting import quoted, quoted_lines

_SEVERITIES = {logging.DEBUG: "D", logging.INFO: "I", logging.WARNING: "W", logging.ERROR: "E", logging.CRITICAL: "F"}
_INDENT = "    "
_MOST_HELD = 1000
"""Lines of a start that are kept back; who has so many models gets them all."""

logger = logging.getLogger("serving")


class TensorFlowFormatter(logging.Formatter):
    """Local time with microseconds, the severity's letter, where the line comes from, and which of several workers."""

    def __init__(self, worker: int | None = None) -> None:
        super().__init__()
        self._who = "" if worker is None else f"worker {worker}: "

    def format(self, record: logging.LogRecord) -> str:
        """One line; a traceback follows, indented, when the record has one."""
        seconds, micros = divmod(round(record.created * 1e6), 1_000_000)
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
        severity = _SEVERITIES.get(record.levelno, "I")
        place = f"{record.filename}:{record.lineno}"
        about = getattr(record, "request_id", "")
        line = f"{when}.{micros:06d}: {severity} {place}] {self._who}{_message(record)}"
        line += f" (request {quoted(about)})" if about else ""
        return f"{line}\n{_indented(self.formatException(record.exc_info))}" if record.exc_info else line


def _message(record: logging.LogRecord) -> str:
    """Our own messages may have several lines, but not by what they are filled in with; those of others have one."""
    if record.name != logger.name or not isinstance(record.msg, str):
        return quoted(record.getMessage())
    if isinstance(record.args, Mapping):
        return record.msg % {name: _argument(value) for name, value in record.args.items()}
    return record.msg % tuple(_argument(value) for value in record.args) if record.args else record.msg


def _argument(value: object) -> object:
    return value if isinstance(value, Number) else _Quoted(value)


class _Quoted:
    """What fills in a message: ``%s`` and ``%r`` of the value, quoted."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __str__(self) -> str:
        return quoted(str(self._value))

    def __repr__(self) -> str:
        return quoted(repr(self._value))


def _indented(traceback: str) -> str:
    """No line of it looks like one of ours, for errors quote what they were given."""
    return "\n".join(_INDENT + line for line in quoted_lines(traceback).split("\n"))


class _Handler(logging.Handler):
    """Writes each record as a line, or lines, of its ``formatter``. ``held`` are those that are not written yet."""

    def __init__(
        self, writer: LineWriter, formatter: logging.Formatter, worker: int | None = None, *, hold: bool = False
    ) -> None:
        super().__init__()
        self._writer = writer
        self.formatter = formatter
        self.worker = worker
        self.held: list[str] | None = [] if hold else None

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 - a line that cannot be made must not fail whoever says it
            line = self.format(_made(record.levelno, "%s", quoted(repr(record.msg)), record.pathname, record.lineno))
        if self.held is not None:
            if record.levelno < logging.WARNING and len(self.held) < _MOST_HELD:
                self.held.append(line)
                return
            self.let_go()
        self._writer.write(STANDARD_ERROR, line + "\n")

    def let_go(self) -> None:
        """Write what is held, and hold nothing any more."""
        for line in self.forget():
            self._writer.write(STANDARD_ERROR, line + "\n")

    def forget(self) -> list[str]:
        """Hold nothing any more; what was held."""
        self.acquire()
        try:
            held, self.held = self.held or [], None
            return held
        finally:
            self.release()


def _made(level: int, text: str, argument: object, path: str, line: int, name: str = "") -> logging.LogRecord:
    return logger.makeRecord(name or logger.name, level, path, line, text, (argument,), None)


@cache
def _writer() -> LineWriter:
    writer = LineWriter(_lost)
    atexit.register(flush)
    return writer


def _handlers() -> list[_Handler]:
    return [each for each in logging.getLogger().handlers if isinstance(each, _Handler)]


def _formatter() -> logging.Formatter:
    """That of the lines as they are now."""
    found = [each.formatter for each in _handlers() if each.formatter]
    return found[0] if found else TensorFlowFormatter()


def _lost(count: int) -> str:
    text = "%d lines of the log were lost, for standard error or standard output did not take them"
    place = _lost.__code__
    return _formatter().format(_made(logging.WARNING, text, count, place.co_filename, place.co_firstlineno)) + "\n"


def _as_records(text: str) -> str:
    """What a library has printed to standard error, each of its lines in a record of its own."""
    formatter = _formatter()
    records = [_made(logging.WARNING, "%s", line, "", 0, "stderr") for line in text.splitlines() if line]
    return "".join(formatter.format(record) + "\n" for record in records)


def _json_formatter(worker: int | None) -> logging.Formatter:
    from serving.telemetry.json_lines import JsonFormatter  # only here: most have text

    return JsonFormatter(worker)


def set_up(*, as_json: bool = False, worker: int | None = None, hold: bool = False) -> None:
    """Send the server's log to standard error, and other libraries' warnings; ``print`` waits and fails no more.

    With ``as_json`` whatever Python code writes there is JSON, one object a line; standard output stays as it is.
    ``worker`` says which of several processes of a server this is. With ``hold`` its lines are not written before
    ``let_go``, or the first warning; ``forget`` is for those that say nothing new.
    """
    writer = _writer()
    handler = _Handler(writer, _json_formatter(worker) if as_json else TensorFlowFormatter(worker), worker, hold=hold)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.captureWarnings(True)
    logger.setLevel(logging.INFO)
    sys.stdout = Stream(writer, STANDARD_OUTPUT)
    sys.stderr = Stream(writer, STANDARD_ERROR, _as_records if as_json else None)
    sys.excepthook = _uncaught
    sys.unraisablehook = lambda it: _uncaught(it.exc_type, it.exc_value, it.exc_traceback)
    threading.excepthook = lambda it: _uncaught(it.exc_type, it.exc_value, it.exc_traceback)


def worker() -> int | None:
    """Which of several processes of a server writes; None for the only one."""
    return next((each.worker for each in _handlers()), None)


def let_go() -> None:
    """Write the lines that are held, and hold none any more."""
    for each in _handlers():
        each.let_go()


def forget() -> int:
    """Leave the lines out that are held, and hold none any more; how many they were."""
    return sum(len(each.forget()) for each in _handlers())


def write(descriptor: int, text: str) -> None:
    """Have whole lines written that are not the log's, in their turn."""
    _writer().write(descriptor, text)


def flush() -> None:
    """Wait, a second at most, until what was said is written: before every end of the process."""
    sys.stdout.flush()
    sys.stderr.flush()
    _writer().flush()


def _uncaught(kind: type[BaseException], error: BaseException | None, traceback: TracebackType | None) -> None:
    logger.critical("Nobody expected this error", exc_info=(kind, error or kind(), traceback))
