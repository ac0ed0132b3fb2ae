"""The report's text, and its place between the markers of a page."""

from pathlib import Path

import pytest

from tests.bench.report import BEGIN, END, Report, amount, insert, markdown
from tests.bench.results import BenchError, Failure, Figure, Names, Table, Target, row

NAMES = Names(scenario="REST", load="connections 16", unit="req/s", ours="lane", baseline="bare")
ALONE = Names(scenario="Start", load="first answer", unit="s", ours="ours")
ROWS = (
    row(NAMES, [9000.0, 8000.0], [10000.0, 10000.0], Figure.RATIO, Target(bound=0.75)),
    row(NAMES, [5.0], [3.0], Figure.DIFFERENCE, Target(bound=1.0, at_least=False)),
    row(NAMES, [5.0], [4.0], Figure.RATIO, None),
    row(ALONE, [0.71], (), Figure.VALUE, Target(bound=1.0, at_least=False)),
)
TABLES = (Table(title="Waits", columns=("kind", "met"), lines=(("a|b", "met"),), met=(True, False)),)
FAILURES = (Failure(scenario="rest", what="Flask", why="ended with 1:\n a|b"),)


def report(plots: tuple[tuple[str, str], ...] = ()) -> str:
    return markdown(
        Report(
            machine=[("Processor", "a | b")],
            rows=ROWS,
            failures=FAILURES,
            plots=plots,
            command="make bench",
            day="2026-11-20",
            took="5:00 minutes",
            tables=TABLES,
        )
    )


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("Measured on 2026-11-20 with `make bench`, which took 5:00 minutes.", id="command"),
        pytest.param("| Processor | a \\| b |", id="machine"),
        pytest.param("Targets met: 3 of 5.", id="summary"),
        pytest.param(
            "| connections 16, req/s | lane: 8,500 | bare: 10,000 | 0.85 (0.80 to 0.90) | at least 0.75 | met |",
            id="ratio",
        ),
        pytest.param(
            "| connections 16, req/s | lane: 5.00 | bare: 3.00 | +2.00 | at most +1 | missed |", id="difference"
        ),
        pytest.param("| connections 16, req/s | lane: 5.00 | bare: 4.00 | 1.25 |  |  |", id="no target"),
        pytest.param("| first answer, s | ours: 0.71 |  |  | at most 1 | met |", id="alone"),
        pytest.param("| a\\|b | met |", id="a table of its own"),
        pytest.param("- rest, Flask: ended with 1: a\\|b", id="failure"),
    ],
)
def test_lines(line: str) -> None:
    """Each kind of line is in the report as it should be."""
    assert line in report().splitlines()


def test_scenarios_have_tables_of_their_own() -> None:
    """Rows are under the heading of their scenario, in the order of the run."""
    assert [line for line in report().splitlines() if line.startswith("###")] == [
        "### REST",
        "### Start",
        "### Waits",
        "### Not measured",
    ]


def test_plots_are_shown() -> None:
    """A plot is an image with a title."""
    assert "![Throughput](benchmarks/rest.svg)" in report((("Throughput", "benchmarks/rest.svg"),)).splitlines()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(31250.4, "31,250", id="thousands"),
        pytest.param(41.24, "41.2", id="tens"),
        pytest.param(0.714, "0.71", id="less"),
        pytest.param(-123.4, "-123", id="negative"),
    ],
)
def test_amounts(value: float, expected: str) -> None:
    """Figures have about three digits."""
    assert amount(value) == expected


def test_insert_keeps_the_rest_of_the_page(tmp_path: Path) -> None:
    """What is outside the markers stays, also when it is done again."""
    page = tmp_path / "page.md"
    page.write_text(f"# A\n\n{BEGIN}\n\nold\n\n{END}\n\nlast\n")
    insert(page, "new")
    insert(page, "newer")
    assert page.read_text() == f"# A\n\n{BEGIN}\n\nnewer\n\n{END}\n\nlast\n"


def test_insert_makes_a_page(tmp_path: Path) -> None:
    """Where there is no page, there is one afterwards."""
    insert(tmp_path / "out" / "page.md", "new")
    assert (tmp_path / "out" / "page.md").read_text() == f"# Benchmarks\n\n{BEGIN}\n\nnew\n\n{END}\n"


@pytest.mark.parametrize("text", [pytest.param("# A\n", id="neither"), pytest.param(f"{BEGIN}\n", id="no end")])
def test_insert_needs_the_markers(tmp_path: Path, text: str) -> None:
    """A page without both markers is left as it is."""
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(BenchError):
        insert(page, "new")
    assert page.read_text() == text
