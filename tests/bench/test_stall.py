"""The arithmetic and the tables of what others wait, on made-up samples; no server is started."""

from collections.abc import Mapping

import pytest

from tests.bench.results import NothingAnsweredError
from tests.bench.stall.figures import (
    Memory,
    Round,
    Sample,
    Waits,
    growth,
    over,
    read_samples,
    tables,
    waits,
    waits_under_load,
)
from tests.bench.stall.probe import PROBES

SPAN = (10.0, 20.0)
QUIET = Waits(p50=1.0, p99=2.0, worst=3.0)
MEMORY = Memory(before=100.0, peak=300.0, after=110.0)


def test_samples_are_read() -> None:
    """A line is when it was due, the wait, and whether the answer was good."""
    assert read_samples("1.5 0.25 1\n2.5 60.0 0\n") == [Sample(1.5, 0.25, True), Sample(2.5, 60.0, False)]


def test_waits_of_a_span() -> None:
    """Only what was due in the span counts: its beginning is in it, its end is not."""
    samples = [Sample(due, wait, True) for due, wait in ((9.9, 0.009), (10.0, 0.001), (15.0, 0.003), (20.0, 0.009))]
    assert waits(samples, SPAN, pace=0.02) == Waits(p50=1.0, p99=3.0, worst=3.0)


def test_requests_behind_a_slow_one_wait_too() -> None:
    """While one request waits two seconds at a pace of half a second, those due behind it wait for the rest of it."""
    found = waits([Sample(12.0, 1.75, True)], SPAN, pace=0.5)
    assert found == Waits(p50=750.0, p99=1750.0, worst=1750.0)  # 1750, 1250, 750, 250


def test_a_wait_that_reaches_into_the_span() -> None:
    """What was due before the span and holds up what is due in it counts for these; what is due after it does not."""
    found = waits([Sample(9.0, 2.0, True), Sample(19.5, 4.0, True)], SPAN, pace=1.0)
    assert (found.worst, found.p50) == (4000.0, 1000.0)


@pytest.mark.parametrize(
    ("sample", "failed"),
    [
        pytest.param(Sample(12.0, 1.0, False), 1, id="in the span"),
        pytest.param(Sample(9.5, 1.0, False), 1, id="reaching into it"),
        pytest.param(Sample(8.0, 1.0, False), 0, id="before it"),
        pytest.param(Sample(20.0, 1.0, False), 0, id="after it"),
        pytest.param(Sample(12.0, 1.0, True), 0, id="good"),
    ],
)
def test_failed_requests_are_counted(sample: Sample, failed: int) -> None:
    """A request without a good answer counts if its wait touches the span."""
    assert waits([Sample(10.0, 0.001, True), sample], SPAN, pace=1.0).failed == failed


def test_nothing_due() -> None:
    """A span in which nothing was due has no waits."""
    with pytest.raises(NothingAnsweredError):
        waits([Sample(25.0, 0.001, True)], SPAN, pace=0.02)


@pytest.mark.parametrize(
    ("last", "worst", "failed"),
    [pytest.param(25.0, 900.0, 1, id="later"), pytest.param(20.0, 3.0, 0, id="at once")],
)
def test_what_is_on_its_way_when_the_sending_ends(last: float, worst: float, failed: int) -> None:
    """The worst wait may come before the load's last answer; the others are those while it was sent."""
    samples = [Sample(15.0, 0.003, True), Sample(22.0, 0.9, False)]
    found = waits_under_load(samples, SPAN, last, pace=1.0)
    assert found == Waits(p50=3.0, p99=3.0, worst=worst, failed=failed)


def a_round(loaded: Waits, control: float = 0.0, memory: Memory = MEMORY, **ended: int) -> Round:
    """A round in which all probes waited alike."""
    both: Mapping[str, Waits] = dict.fromkeys(PROBES, loaded)
    return Round(
        quiet=dict.fromkeys(PROBES, QUIET),
        loaded=both,
        control=control,
        loop=7.0,
        events=8.0,
        ended=ended,
        memory=memory,
    )


def loaded(p99: float, worst: float, failed: int = 0) -> Waits:
    return Waits(p50=1.0, p99=p99, worst=worst, failed=failed)


@pytest.mark.parametrize(
    ("rounds", "met"),
    [
        pytest.param([a_round(loaded(52.0, 253.0))], True, id="on the bar"),
        pytest.param([a_round(loaded(52.1, 253.0))], False, id="p99 over it"),
        pytest.param([a_round(loaded(52.0, 253.1))], False, id="worst over it"),
        pytest.param([a_round(loaded(82.0, 283.0), control=30.0)], True, id="less what the idle process waited"),
        pytest.param([a_round(loaded(2.0, 3.0, failed=1))], False, id="a failed request"),
        pytest.param([a_round(loaded(p99, 253.0)) for p99 in (52.0, 90.0, 2.0)], True, id="the median of rounds"),
        pytest.param([a_round(loaded(p99, 253.0)) for p99 in (60.0, 90.0, 2.0)], False, id="not the best of rounds"),
    ],
)
def test_bar(rounds: list[Round], met: bool) -> None:
    """Others wait at most 50 ms (p99) and 250 ms (worst) longer than in the quiet, less the idle process's worst."""
    assert over(rounds, "live").met is met


def test_growth() -> None:
    """Memory after the load is set against that before it in the same round."""
    sizes = [Memory(before=before, peak=900.0, after=after) for before, after in ((100, 130), (200, 210), (100, 110))]
    assert growth([a_round(QUIET, memory=memory) for memory in sizes]) == 1.1


def test_tables() -> None:
    """The first table has a line for each probe of a kind, the second one for each kind, with medians of the rounds."""
    rounds = [a_round(loaded(30.0, 40.0), 5.0, OK=7), a_round(loaded(32.0, 900.0), 7.0, OK=1_000, UNAVAILABLE=2)]
    others, server = tables({"bombs": rounds}, 20.0)
    assert others.lines[0] == (
        *("bombs", "live", "1.00 / 2.00 / 3.00", "1.00 / 31.0 / 470", "6.00"),
        *("23.0 of 50", "461 of 250", "missed"),
    )
    assert [line[1] for line in others.lines] == list(PROBES)
    assert others.met == (False,) * len(PROBES)
    assert server.lines == (
        ("bombs", "OK: 1,007, UNAVAILABLE: 2", "7.00", "8.00", "100 / 300 / 110", "1.10 of 1.2", "met"),
    )
    assert server.met == (True,)
    assert all(len(line) == len(table.columns) for table in (others, server) for line in table.lines)


def test_failed_requests_are_in_the_table() -> None:
    """A probe that was refused is no quick answer."""
    others, _ = tables({"bombs": [a_round(loaded(1.0, 1.0, failed=3))]}, 20.0)
    assert others.lines[0][-1] == "missed, 3 failed"
