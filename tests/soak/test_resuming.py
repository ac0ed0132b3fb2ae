"""A run of many stops that goes on where an earlier one ended."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.soak.__main__ import main
from tests.soak.stops import KINDS, Stop

STOPS = 4


def finished(number: int, **changed: object) -> str:
    """The line of a stop in which nothing was lost."""
    kind = KINDS[number % len(KINDS)]
    fields = {"number": number, "kind": kind, "clients": 2, "status": 0, "outcomes": {"answered": 10}, "lost": {}}
    return json.dumps(asdict(Stop(**{**fields, **changed}))) + "\n"  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "models" / "half_plus_three").mkdir(parents=True)
    return tmp_path


def test_nothing_is_done_twice(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With all stops in the file there is only the table left to print."""
    (folder / "stops.jsonl").write_text("".join(map(finished, range(STOPS))))
    assert main([f"--folder={folder}", f"--stops={STOPS}"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].split() == ["all", "4", "40", "0", "0", "0", "0", "0:4"]


@pytest.mark.parametrize(
    "changed", [{"outcomes": {"answered": 9, "lost": 1}, "lost": {"ConnectionResetError": 1}}, {"status": -9}]
)
def test_a_loss_fails(folder: Path, changed: dict[str, object], capsys: pytest.CaptureFixture[str]) -> None:
    """As does a server that ended otherwise."""
    (folder / "stops.jsonl").write_text(finished(0, **changed))
    assert main([f"--folder={folder}", "--stops=1"]) == 1
    assert ("lost, rest: 1 times ConnectionResetError" in capsys.readouterr().out) == ("lost" in changed)
