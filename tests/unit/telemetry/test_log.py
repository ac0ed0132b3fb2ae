"""Log lines in TensorFlow's format."""

import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest

from serving.errors import Code, ServingError
from serving.telemetry.log import TensorFlowFormatter

ROOT = Path(__file__).parents[3]

SET_UP = """
import logging
from serving.telemetry import log
log.set_up()
log.set_up()
log.logger.info("ours %s", "said")
log.logger.debug("too much")
logging.getLogger("other").info("not ours")
logging.getLogger("other").warning("theirs")
"""


def record(level: int = logging.INFO, message: str = "said", *arguments: object) -> logging.LogRecord:
    """A record of line 12 of a file."""
    return logging.LogRecord("serving", level, "/somewhere/server.py", 12, message, arguments, None)


@pytest.mark.parametrize(
    ("level", "letter"),
    [
        (logging.DEBUG, "D"),
        (logging.INFO, "I"),
        (logging.WARNING, "W"),
        (logging.ERROR, "E"),
        (logging.CRITICAL, "F"),
        (25, "I"),
    ],
    ids=str,
)
def test_line(level: int, letter: str) -> None:
    """Date, time with microseconds, the severity's letter, file and line without directories, the message."""
    line = TensorFlowFormatter().format(record(level, "it %s %d", "said", 7))
    pattern = rf"\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{{6}}: {letter} server\.py:12\] it said 7"
    assert re.fullmatch(pattern, line)


def test_time_is_the_records() -> None:
    """The line says when something happened, not when it was written."""
    made = record()
    made.created = 1_700_000_000.25
    assert ".250000: I " in TensorFlowFormatter().format(made)


def failed(error: ValueError) -> logging.LogRecord:
    """A record with a traceback."""
    made = record()
    try:
        raise error
    except ValueError:
        made.exc_info = sys.exc_info()
    return made


def test_traceback_follows_its_line() -> None:
    """An unexpected error is told with where it came from."""
    first, second, *_, last = TensorFlowFormatter().format(failed(ValueError("why"))).splitlines()
    assert first.endswith("] said")
    assert (second, last) == ("    Traceback (most recent call last):", "    ValueError: why")


FORGED = "x\n2026-01-01 00:00:00.000000: E forged.py:1] all is lost \x1b[31m\u2028"


class Named:
    """Something with a text of its own."""

    def __str__(self) -> str:
        return FORGED

    __repr__ = __str__


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        pytest.param("%s %d %.1f", (FORGED, 7, 0.5), id="text"),
        pytest.param("%s", (ServingError(Code.INTERNAL, FORGED),), id="error"),
        pytest.param("%s %r", (Named(), Named()), id="object"),
        pytest.param("%(name)s", ({"name": FORGED},), id="by name"),
        pytest.param("%s", (Path(FORGED),), id="path"),
    ],
)
def test_foreign_text_stays_in_its_line(message: str, arguments: tuple[object, ...]) -> None:
    """Whatever fills in a message ends no line and begins none."""
    line = TensorFlowFormatter().format(record(logging.INFO, message, *arguments))
    assert r"x\n2026-01-01 00:00:00.000000: E forged.py:1] all is lost \x1b[31m\u2028" in line
    assert len(line.splitlines()) == 1


def test_own_message_keeps_its_lines() -> None:
    """Those of a message that is written in several, with foreign text in each."""
    line = TensorFlowFormatter().format(record(logging.INFO, "\nConfig entry\n\tname : %s", "a\nb"))
    assert line.split("] ")[1] == "\nConfig entry\n\tname : a\\nb"


def test_message_of_another_library_has_one_line() -> None:
    """What it is made of is not known."""
    made = record(logging.WARNING, f"Error handling request {FORGED}")
    made.name = "aiohttp.server"
    assert len(TensorFlowFormatter().format(made).splitlines()) == 1


def test_traceback_cannot_begin_a_line() -> None:
    """The text of an error is within the indent."""
    _, *lines = TensorFlowFormatter().format(failed(ValueError(FORGED))).splitlines()
    assert {line[:4] for line in lines} == {"    "}


UNEXPECTED = """
import sys, threading, warnings
from serving.telemetry import log
log.set_up()
log.logger.info("%d", "no number")
def fail(): raise ValueError("forged\\n2026-01-01")
class Fails:
    def __del__(self): fail()
Fails()
thread = threading.Thread(target=fail)
thread.start()
thread.join()
warnings.warn("forged\\n2026-01-01")
fail()
"""


def test_what_nobody_expects_is_told_in_the_log() -> None:
    """Errors in threads, destructors and the program itself, warnings, and lines that cannot be made."""
    result = subprocess.run([sys.executable, "-c", UNEXPECTED], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "Logging error" not in result.stderr
    assert "%d" in result.stderr
    assert r"UserWarning: forged\n2026-01-01" in result.stderr
    assert result.stderr.count("] Nobody expected this error") == result.stderr.count("ValueError: forged") == 3
    assert result.stderr.count("\n2026-01-01\n") == 0


def test_set_up_writes_to_standard_error() -> None:
    """Once each: ours from INFO on, other libraries' from WARNING on; a second set-up doubles nothing."""
    result = subprocess.run([sys.executable, "-c", SET_UP], cwd=ROOT, capture_output=True, text=True, check=True)
    assert [line.split("] ")[1] for line in result.stderr.splitlines()] == ["ours said", "theirs"]
    assert result.stdout == ""
