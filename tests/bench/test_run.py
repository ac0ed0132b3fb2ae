"""What is run, what it leaves when something fails, and what it says meanwhile; nothing is started here."""

import io
from pathlib import Path

import pytest

from tests.bench import __main__ as bench
from tests.bench import life
from tests.bench.engines.figures import Cell
from tests.bench.load import Call
from tests.bench.progress import Progress, clock
from tests.bench.servers import Cores
from tests.bench.settings import Engines, Settings


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param([], ["rest", "grpc", "batching", "resnet", "frameworks", "start", "versions"], id="all"),
        pytest.param(["--smoke"], ["rest", "grpc", "batching", "start", "engines"], id="smoke"),
        pytest.param(["--only=stall"], ["stall"], id="what only runs when it is named"),
        pytest.param(["--only=start", "--only=rest"], ["rest", "start"], id="some, in the order of the run"),
    ],
)
def test_choice(arguments: list[str], expected: list[str]) -> None:
    """All scenarios but the longest run unless some are named."""
    assert bench.chosen(bench.parser().parse_args(arguments)) == expected


def test_smoke_has_one_level() -> None:
    """The smoke run puts on the highest load only."""
    options = bench.parser().parse_args(["--smoke"])
    assert {len(table.levels) for table in bench.tables(options).values()} == {1}


def test_models_that_are_needed() -> None:
    """Only the models of the chosen scenarios are written."""
    tables = bench.tables(bench.parser().parse_args([]))
    some = Engines(models=("lstm", "audio"))
    assert bench.needed(["rest"], tables, some) == {"half_plus_two"}
    assert bench.needed(["stall"], tables, some) == {"half_plus_two", "strings"}
    assert bench.needed(["batching", "versions"], tables, some) == {"half_plus_two", "mlp", "resnet"}
    assert bench.needed(["engines"], tables, some) == {"half_plus_two", "lstm", "audio"}


def test_engines_take_any_flags() -> None:
    """Both servers' flags are taken apart as a shell does; bars are for the default ones only."""
    read = bench.parser().parse_args
    plain = bench.engines_settings(read([]))
    assert (plain.baseline, plain.ours, plain.judged) == (("--optimize=off",), (), True)
    given = bench.engines_settings(read(["--ours=--optimize=fast --name='a b'", "--baseline=", "--cell=8x4"]))
    assert (given.baseline, given.ours, given.judged) == ((), ("--optimize=fast", "--name=a b"), False)
    assert given.cells == (Cell(rows=8, clients=4),)


def test_a_scenario_that_fails_leaves_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error in a scenario becomes a line of the report, and the run goes on."""

    def fail(settings: Settings, progress: Progress) -> None:
        raise OSError("no space")

    cores = Cores(server=None, load=None)
    settings = Settings(rounds=1, changes=1, cores=cores, models=tmp_path, work=tmp_path)
    monkeypatch.setitem(bench.LIVES, "start", (fail, life.start_seconds))
    outcome = bench.run("start", settings, {}, Progress(1.0, io.StringIO()))
    assert [(failure.scenario, failure.why) for failure in outcome.failures] == [("start", "no space")]


def test_progress() -> None:
    """A line says the share that is done, what is left by the plan, and what begins."""
    stream = io.StringIO()
    progress = Progress(100.0, stream)
    progress.begin("first", 25.0)
    progress.begin("second", 75.0)
    assert stream.getvalue().splitlines() == [
        "  0%, 0:00 gone, about 1:40 left: first",
        " 25%, 0:00 gone, about 1:15 left: second",
    ]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        pytest.param(0.4, "0:00", id="none"),
        pytest.param(65.0, "1:05", id="minutes"),
        pytest.param(59.9, "1:00", id="up"),
    ],
)
def test_clock(seconds: float, expected: str) -> None:
    """Minutes and two digits of seconds."""
    assert clock(seconds) == expected


def test_calls_within_spans() -> None:
    """A call belongs to the span in which it began; the end of a span is outside it."""
    calls = [Call(began=float(second), ms=float(second)) for second in range(8)]
    assert life.within(calls, [(1.0, 3.0), (6.0, 7.0)]) == [1.0, 2.0, 6.0]


def test_loading_rows() -> None:
    """The p99 is set against the quiet one, the worst call stands alone."""
    p99, worst = life.loading_rows([1.0] * 99 + [5.0], [3.0] * 99 + [15.0])
    assert (p99.value, p99.met) == (3.0, False)
    assert (worst.value, worst.met) == (15.0, True)
