"""The arithmetic on figures: rounds, medians, targets, percentiles."""

import pytest

from tests.bench.results import BenchError, Figure, Measurement, Names, Quantity, Target, percentile, row

NAMES = Names(scenario="s", load="l", unit="req/s", ours="a", baseline="b")


@pytest.mark.parametrize(
    ("figure", "expected"),
    [
        pytest.param(Figure.RATIO, (2.0, 0.5, 3.0), id="ratio"),
        pytest.param(Figure.DIFFERENCE, (10.0, -10.0, 20.0), id="difference"),
        pytest.param(Figure.VALUE, (20.0, 10.0, 30.0), id="value"),
    ],
)
def test_figures_are_taken_round_by_round(figure: Figure, expected: tuple[float, float, float]) -> None:
    """The figure is the median of the rounds' figures, with their extremes, not a figure of medians."""
    found = row(NAMES, [20.0, 10.0, 30.0], [10.0, 20.0, 10.0], figure, None)
    assert (found.value, found.low, found.high) == expected


def test_figures_are_distinct() -> None:
    """No way to set two figures against each other is another name of one."""
    assert [each.name for each in Figure] == ["RATIO", "DIFFERENCE", "VALUE"]


@pytest.mark.parametrize(
    ("target", "met"),
    [
        pytest.param(Target(bound=2.0), True, id="at least, on the bound"),
        pytest.param(Target(bound=2.1), False, id="at least, below"),
        pytest.param(Target(bound=2.0, at_least=False), True, id="at most, on the bound"),
        pytest.param(Target(bound=1.9, at_least=False), False, id="at most, above"),
        pytest.param(None, None, id="no target"),
    ],
)
def test_targets(target: Target | None, met: bool | None) -> None:
    """A figure on the bound is on the right side of it."""
    assert row(NAMES, [4.0], [2.0], Figure.RATIO, target).met is met


def test_rounds_must_agree() -> None:
    """A round that one side lacks is an error, not left out."""
    with pytest.raises(ValueError, match="shorter"):
        row(NAMES, [1.0, 2.0], [1.0], Figure.RATIO, None)


@pytest.mark.parametrize(
    ("share", "expected"),
    [pytest.param(0.5, 50, id="half"), pytest.param(0.99, 99, id="99 in 100"), pytest.param(1.0, 100, id="all")],
)
def test_percentile(share: float, expected: float) -> None:
    """The smallest value that this share does not exceed."""
    assert percentile(list(range(100, 0, -1)), share) == expected


def test_percentile_of_nothing() -> None:
    """No calls have no percentile."""
    with pytest.raises(BenchError):
        percentile([], 0.5)


MEASUREMENT = Measurement(throughput=100, mean_ms=10, p50_ms=9, p99_ms=20, max_ms=30, model_ms=8)


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [
        pytest.param(Quantity.THROUGHPUT, 100, id="throughput"),
        pytest.param(Quantity.P50, 9, id="p50"),
        pytest.param(Quantity.OVERHEAD, 2, id="overhead"),
    ],
)
def test_quantities(quantity: Quantity, expected: float) -> None:
    """Each quantity is read from its field; the overhead is means apart."""
    assert quantity.of(MEASUREMENT) == expected
