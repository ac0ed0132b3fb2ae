"""Findings for the page: looked for in a process apart, once, and again when they are old."""

import json
import sys
from pathlib import Path

import pytest

from serving.settings import Settings
from serving.ui.findings import Findings
from serving.ui.values import FindingView
from tests.support.server_process import wait_until

ROW = {"level": "ok", "what": "w", "found": "f", "advice": ""}


class Clock:
    """A clock that is set by hand, in seconds."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def program(text: str) -> tuple[str, ...]:
    return sys.executable, "-c", text


def found(findings: Findings) -> tuple[FindingView, ...]:
    wait_until("findings", lambda: findings.now()[0] is not None)
    rows = findings.now()[0]
    assert rows is not None
    return rows


def test_what_a_program_says() -> None:
    """Its rows, and when they were found; nothing before."""
    clock = Clock()
    findings = Findings(Settings(), 2, program(f"print({json.dumps(ROW)!r}.join('[]'))"), clock)
    assert findings.now() == (None, 0.0)
    assert found(findings) == (FindingView(**ROW),)
    assert findings.now()[1] == clock.now


def test_looked_for_once(tmp_path: Path) -> None:
    """However many ask; again when they are older than ten minutes, and until then the old ones are shown."""
    log = tmp_path / "log"
    clock = Clock()
    text = f"open({str(log)!r}, 'a').write('x'); print('[]')"
    findings = Findings(Settings(), 2, program(text), clock)
    assert found(findings) == found(findings) == ()
    assert log.read_text() == "x"
    clock.now += 601
    assert findings.now() == ((), 1000.0)
    wait_until("they are new", lambda: findings.now()[1] == clock.now)
    assert log.read_text() == "xx"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import sys; sys.exit(3)", "it ended without an answer (JSONDecodeError)"),
        ("print('[{}]')", "it ended without an answer (TypeError)"),
        ("import time; time.sleep(60)", "it did not end in 0.2 seconds"),
    ],
)
def test_a_program_that_fails(text: str, expected: str) -> None:
    """It is told as a finding, for nobody else is."""
    seconds = 0.2 if "sleep" in text else 30.0
    (row,) = found(Findings(Settings(), 2, program(text), timeout_seconds=seconds))
    assert (row.level, row.what, row.found) == ("warning", "examination", expected)


def test_the_real_program(capfd: pytest.CaptureFixture[str]) -> None:
    """It looks at the settings that it is given, and says nothing else anywhere."""
    findings = Findings(Settings(model_base_path="/nowhere/model", rest_api_port=8501), 2)
    rows = {row.what: row for row in found(findings)}
    assert rows["model default"].level == "fails"
    assert "port" not in " ".join(rows)
    assert capfd.readouterr() == ("", "")
