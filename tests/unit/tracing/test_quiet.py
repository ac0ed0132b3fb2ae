"""What OpenTelemetry says in the log: little, however much it has to say."""

import logging

import pytest

from serving.tracing.quiet import FewLines
from tests.support import ManualClock


def test_one_line_a_minute_is_passed_on(caplog: pytest.LogCaptureFixture) -> None:
    """It says how many were left out; whoever asked is told of each."""
    clock, told = ManualClock(), []
    theirs = logging.getLogger("opentelemetry.test")
    theirs.propagate = False
    theirs.addHandler(FewLines(lambda: told.append(1), clock))
    for attempt in range(5):
        theirs.warning("attempt %d", attempt)
    clock.advance(61)
    theirs.error("attempt %d", 5)
    theirs.info("not of interest")
    lines = [(line.levelname, line.getMessage()) for line in caplog.records]
    assert lines == [
        ("WARNING", "OpenTelemetry: attempt 0"),
        ("ERROR", "OpenTelemetry: attempt 5 (4 more lines since the last)"),
    ]
    assert len(told) == 6
