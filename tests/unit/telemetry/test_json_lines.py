"""Log lines as JSON: one object each, whatever is said and by whom."""

import json
import logging
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from serving.telemetry.json_lines import JsonFormatter

ROOT = Path(__file__).parents[3]


def line(message: str = "said", *arguments: object, **extra: object) -> dict[str, Any]:
    """What the line of a record says."""
    record = logging.LogRecord("serving", logging.WARNING, "/somewhere/server.py", 12, message, arguments, None)
    vars(record).update(extra)
    text = JsonFormatter().format(record)
    assert len(text.splitlines()) == 1
    assert text.isascii()
    found: dict[str, Any] = json.loads(text)
    return found


def test_what_every_line_has() -> None:
    """When, how bad, where, by whom and what."""
    found = line("%s %d", "größe", 7)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", found.pop("time"))
    assert found == {"severity": "WARNING", "file": "server.py", "line": 12, "logger": "serving", "message": "größe 7"}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        pytest.param("a\nb", "a\nb", id="text"),
        pytest.param(7, 7, id="number"),
        pytest.param(0.5, 0.5, id="fraction"),
        pytest.param(float("nan"), "nan", id="no JSON number"),
        pytest.param(True, True, id="truth"),
        pytest.param(None, None, id="nothing"),
        pytest.param(Path("/x"), "/x", id="object"),
        pytest.param("\udcff", "\\udcff", id="no character"),
    ],
)
def test_extra_is_beside_the_rest(value: object, shown: object) -> None:
    """What is given with a line has a field of its own; what is no value of JSON is text."""
    assert line(request_id=value)["request_id"] == shown


def test_extra_replaces_nothing() -> None:
    """A field of the line's own stays what it is."""
    assert line(severity="none", time="never")["severity"] == "WARNING"


def test_names_that_are_no_text() -> None:
    """A path with bytes that are no UTF-8 leaves a line that every reader of JSON takes."""
    assert line("%s", "a\udcffb\x1b\u202e")["message"] == "a\\udcffb\x1b\u202e"


SAID = """
import logging, sys, threading, warnings
from serving.telemetry import log
log.set_up(as_json=True)
log.logger.info("%d", "no number")
log.logger.info("with", extra={"model": "m", "version": 3})
logging.getLogger("other").warning("theirs\\nin two lines")
warnings.warn("beware")
print("printed\\nin lines", file=sys.stderr)
print("not ended", end="", file=sys.stderr)
print("on standard output")
def fail(): raise ValueError("why")
thread = threading.Thread(target=fail)
thread.start()
thread.join()
fail()
"""


def test_whole_standard_error_is_json() -> None:
    """Lines, warnings, what is printed, errors that nobody expects, lines that cannot be made."""
    result = subprocess.run([sys.executable, "-c", SAID], cwd=ROOT, capture_output=True, text=True, check=False)
    said = [json.loads(each) for each in result.stderr.splitlines()]
    assert result.stdout == "on standard output\n"
    assert [each["message"] for each in said if each["logger"] == "stderr"] == ["printed", "in lines", "not ended"]
    assert [each["exception"].splitlines()[-1] for each in said if "exception" in each] == ["ValueError: why"] * 2
    assert {"theirs\nin two lines", "'%d'"} <= {each["message"] for each in said}
    assert [each["version"] for each in said if each["message"] == "with"] == [3]
    assert any("UserWarning: beware" in each["message"] for each in said)
