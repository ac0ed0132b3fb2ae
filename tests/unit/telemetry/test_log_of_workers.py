"""Lines of one of several workers: they say which it is, and a start that is like the first worker's says nothing."""

import json
import logging
import subprocess
import sys

import pytest

from serving.telemetry.access_log import AccessLog, Sampling
from serving.telemetry.json_lines import JsonFormatter
from serving.telemetry.line_writer import STANDARD_OUTPUT
from serving.telemetry.log import TensorFlowFormatter
from tests.unit.telemetry.test_access_log import record as request

_SAYING = """
from serving.telemetry import log
log.set_up(worker=1, hold=True)
log.logger.info("first")
{}
log.logger.info("last")
log.flush()
"""


def record() -> logging.LogRecord:
    return logging.LogRecord("serving", logging.INFO, "/somewhere/server.py", 12, "said", (), None)


def test_a_line_says_which_worker() -> None:
    """Behind the place, where those look who look for the text."""
    assert TensorFlowFormatter(1).format(record()).endswith(": I server.py:12] worker 1: said")
    assert json.loads(JsonFormatter(1).format(record()))["worker"] == 1
    assert "worker" not in json.loads(JsonFormatter().format(record()))


@pytest.mark.parametrize(("as_json", "end"), [(False, " total_ms=12.0 worker=1\n"), (True, '"worker": 1}\n')])
def test_a_request_says_which_worker(as_json: bool, end: str) -> None:
    """In the last column, so that the others stay where they are."""
    lines: list[tuple[int, str]] = []
    log = AccessLog(lambda *line: lines.append(line), as_json=as_json, sampling=Sampling(), worker=1)
    log(request())
    ((descriptor, line),) = lines
    assert descriptor == STANDARD_OUTPUT
    assert line.endswith(end)


@pytest.mark.parametrize(
    ("then", "said"),
    [
        pytest.param("log.let_go()", ["first", "last"], id="it starts again"),
        pytest.param("assert log.forget() == 1", ["last"], id="it serves as the others"),
        pytest.param("log.logger.warning('hot')", ["first", "hot", "last"], id="something is wrong"),
        pytest.param("for _ in range(998): log.logger.info('more')", [], id="it has not ended yet"),
        pytest.param(
            "for _ in range(1000): log.logger.info('more')", ["first", *["more"] * 1000, "last"], id="too much"
        ),
    ],
)
def test_what_is_held_back(then: str, said: list[str]) -> None:
    """Nothing is lost that is of use, and nothing is out of order."""
    done = subprocess.run([sys.executable, "-c", _SAYING.format(then)], capture_output=True, text=True, check=True)
    found = [line.partition("] worker 1: ")[2] for line in done.stderr.splitlines()]
    assert found == said
