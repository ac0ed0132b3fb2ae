"""How rows are shown: levels, widths, the order, and the last line."""

import pytest

from serving.doctor.finding import Finding, fails, ok, warning
from serving.doctor.table import failed, text

LONG = "/a/path/that/is/longer/than/any/column/of/the/table/and/must/not/be/cut/for/people/copy/it/from/here"
ROWS = [
    fails("model m", "has no version", "Give --model_base_path=/models/m"),
    ok("CPUs", "2: 2 can be scheduled on"),
    warning("--x", "is nothing " * 20),
]


def test_worst_comes_last() -> None:
    """What fails stands directly above the last line, where a terminal shows it."""
    shown = text(ROWS)
    assert shown.index("CPUs") < shown.index("--x") < shown.index("model m")
    assert shown.endswith("1 fails, 1 warning, 1 ok\n")


def test_advice_is_set_off() -> None:
    """It has a line of its own."""
    assert "-> Give --model_base_path=/models/m\n" in text(ROWS)


@pytest.mark.parametrize(("columns", "width"), [(0, 80), (80, 80), (100, 100), (500, 120)])
def test_lines_fit(columns: int, width: int) -> None:
    """Words are wrapped into the columns there are, which are 80 at least and 120 at most."""
    longest = max(map(len, text(ROWS, columns).splitlines()))
    assert width - 15 < longest <= width


def test_paths_stay_whole() -> None:
    """Whoever copies one from the table gets all of it, also from the first column."""
    assert LONG in text([fails("m", f"{LONG} is missing")], 80)
    lines = text([fails(f"--flag={LONG}", "is empty")], 80).splitlines()
    assert lines[1] == f"fails    --flag={LONG}"
    assert lines[2].split() == ["is", "empty"]


def test_foreign_text_stays_in_its_row() -> None:
    """A name with a line break or an escape does not make up a row."""
    assert "\x1b" not in text([ok("m\x1b[2J", "a\nfails    b")])
    assert len(text([ok("m", "a\nfails    b")]).splitlines()) == 4


@pytest.mark.parametrize(
    ("rows", "last", "status"),
    [
        ([], "Nothing fails: 0 warnings, 0 ok", False),
        ([ok("a", "b")], "Nothing fails: 0 warnings, 1 ok", False),
        ([warning("a", "b")], "Nothing fails: 1 warning, 0 ok", False),
        ([fails("a", "b"), fails("c", "d")], "2 fail, 0 warnings, 0 ok", True),
    ],
)
def test_last_line(rows: list[Finding], last: str, status: bool) -> None:
    """It counts, and only what fails counts for the status."""
    assert text(rows).splitlines()[-1] == last
    assert failed(rows) is status
