"""Log lines in TensorFlow's format."""

import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest

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


def test_traceback_follows_its_line() -> None:
    """An unexpected error is told with where it came from."""
    made = record()
    try:
        raise ValueError("why")
    except ValueError:
        made.exc_info = sys.exc_info()
    first, second, *_, last = TensorFlowFormatter().format(made).splitlines()
    assert first.endswith("] said")
    assert (second, last) == ("Traceback (most recent call last):", "ValueError: why")


def test_set_up_writes_to_standard_error() -> None:
    """Once each: ours from INFO on, other libraries' from WARNING on; a second set-up doubles nothing."""
    result = subprocess.run([sys.executable, "-c", SET_UP], cwd=ROOT, capture_output=True, text=True, check=True)
    assert [line.split("] ")[1] for line in result.stderr.splitlines()] == ["ours said", "theirs"]
    assert result.stdout == ""
