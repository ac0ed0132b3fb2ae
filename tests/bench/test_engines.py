"""The engines' figures: bounds of medians, the mean of all cells, bars, and who goes first."""

import random
from pathlib import Path

import numpy as np
import pytest

from serving.protos import PredictRequest, PredictResponse
from tests.bench import plots, scenarios
from tests.bench.engines.asking import difference, request, values
from tests.bench.engines.figures import (
    CONFIDENCE,
    Cell,
    Measured,
    bar_of,
    beside_bare,
    medians,
    overall,
    tables,
    upper_bound,
)
from tests.bench.engines.scenario import calls_in, order
from tests.bench.keras_inputs import INPUTS, inputs
from tests.bench.machine import vector_flags
from tests.bench.results import BenchError, Measurement
from tests.bench.servers import TRYING_HAS_ENDED

ONE = Cell(rows=1, clients=1)
EIGHT = Cell(rows=8, clients=4)


def measured(model: str, cell: Cell, *ratios: float) -> Measured:
    """A model whose baseline takes 2 ms a row."""
    return Measured(
        model=model,
        cell=cell,
        ours=tuple(2 * ratio for ratio in ratios),
        baseline=(2.0,) * len(ratios),
        difference=1.4e-6,
    )


@pytest.mark.parametrize(
    ("count", "place"),
    [
        pytest.param(4, None, id="too few: all four are below the median once in sixteen times"),
        pytest.param(5, 5, id="the largest of five"),
        pytest.param(30, 20, id="the twentieth of thirty"),
        pytest.param(101, 60, id="nearer to the middle of more"),
    ],
)
def test_the_bound_is_a_place_in_the_order(count: int, place: int | None) -> None:
    """How many values stand below the true median is binomial, whatever they are."""
    values = [float(value) for value in range(1, count + 1)]
    random.Random(1).shuffle(values)
    assert upper_bound(values) == place


def test_the_bound_holds_as_often_as_it_says() -> None:
    """Of many samples of a skewed distribution, the bound of 95 % or a little more is above the true median."""
    drawn = np.random.default_rng(1).lognormal(0.0, 1.0, (4000, 30))
    bounds = [upper_bound(list(sample)) or 0.0 for sample in drawn]
    assert CONFIDENCE - 0.01 < sum(bound >= 1.0 for bound in bounds) / len(bounds) < CONFIDENCE + 0.02


def test_ratios_are_taken_round_by_round() -> None:
    """What slows both in a round is no part of the ratio."""
    slow = Measured(model="lstm", cell=ONE, ours=(1.0, 30.0), baseline=(2.0, 60.0), difference=0.0)
    assert slow.ratios == [0.5, 0.5]


def test_all_cells_together() -> None:
    """The geometric mean, in which half and double cancel each other."""
    found = overall([measured("lstm", ONE, 0.5, 1.0), measured("audio", ONE, 2.0, 4.0)])
    assert found == pytest.approx([1.0, 2.0])


@pytest.mark.parametrize(
    ("model", "cell", "expected"),
    [
        pytest.param("lstm", ONE, 0.5, id="one row and one client"),
        pytest.param("lstm", EIGHT, 1.05, id="another cell"),
        pytest.param("audio", ONE, 1.05, id="a model without a bar of its own"),
    ],
)
def test_bars(model: str, cell: Cell, expected: float) -> None:
    """One row and one client has a bar for each model, everything else that it must not be slower."""
    assert bar_of(model, cell) == expected


@pytest.mark.parametrize(
    ("ratios", "judged", "expected"),
    [
        pytest.param((0.4,) * 5, True, ("0.400", "0.50", "met"), id="met"),
        pytest.param((0.4,) * 4 + (0.6,), True, ("0.600", "0.50", "missed"), id="the bound counts, not the median"),
        pytest.param((0.4,), True, ("too few rounds", "0.50", ""), id="too few"),
        pytest.param((0.4,) * 5, False, ("0.400", "", ""), id="of other flags"),
    ],
)
def test_lines(ratios: tuple[float, ...], judged: bool, expected: tuple[str, str, str]) -> None:
    """A line has both times, the median, its bound, the bar and whether it is met."""
    cells, summary = tables([measured("lstm", ONE, *ratios)], judged=judged)
    (line,) = cells.lines
    assert line == ("lstm", "1", "1", "2.00", "0.80", "0.400", *expected, "1e-06")
    assert len(cells.met) == (expected[2] != "")
    assert len(summary.met) == (expected[2] != "")


@pytest.mark.parametrize(
    ("ours", "bound", "met"),
    [
        pytest.param(2.4, "1.050", "met", id="1.05 times it and 0.3 ms"),
        pytest.param(2.5, "1.100", "missed", id="more"),
    ],
)
def test_beside_openvino_alone(ours: float, bound: str, met: str) -> None:
    """A call may take a little more than OpenVINO itself, and what a request costs at least."""
    found = Measured(model="lstm", cell=ONE, ours=(ours,) * 5, baseline=(9.0,) * 5, bare=(2.0,) * 5, difference=0.0)
    (table,) = beside_bare([found, measured("audio", ONE, 1.0)], judged=True)
    assert table.lines == (("lstm", "2.00", f"{ours:.2f}", bound, bound, "1.05", met),)


def test_nothing_measured_has_no_table() -> None:
    """Without a single model there is nothing to say."""
    assert tables([], judged=True) == []


def test_each_goes_first_in_every_other_round() -> None:
    """Going first is no advantage."""
    assert [order(number)[0] for number in range(4)] == ["baseline", "ours", "baseline", "ours"]
    assert {len(set(order(number))) for number in range(2)} == {2}


@pytest.mark.parametrize(
    ("seconds", "clients", "rate", "expected"),
    [
        pytest.param(1.0, 1, 30.0, 30, id="a second's"),
        pytest.param(1.0, 4, 30.0, 32, id="as many for each client"),
        pytest.param(1.0, 4, 0.5, 8, id="not too few"),
    ],
)
def test_calls_in_a_turn(seconds: float, clients: int, rate: float, expected: int) -> None:
    """A turn is of calls and not of seconds, so that both do the same work."""
    assert calls_in(seconds, clients, rate) == expected


@pytest.mark.parametrize("model", INPUTS)
def test_requests_carry_their_input(model: str) -> None:
    """Type, shape and bytes are those of the array."""
    x = inputs(model, 2, 0)
    tensor = PredictRequest.FromString(request(model, x)).inputs["x"]
    assert [dim.size for dim in tensor.tensor_shape.dim] == list(x.shape)
    assert tensor.dtype == {"float32": 1, "int32": 3}[x.dtype.name]
    assert tensor.tensor_content == x.tobytes()


def test_answers_are_read_in_their_shape() -> None:
    """Typed values and content alike."""
    answer = PredictResponse()
    tensor = answer.outputs["y"]
    for size in (2, 1):
        tensor.tensor_shape.dim.add().size = size
    tensor.float_val.extend([1.0, 2.0])
    assert values(answer.SerializeToString()).tolist() == [[1.0], [2.0]]
    tensor.tensor_content = np.array([3.0, 4.0], np.float32).tobytes()
    assert values(answer.SerializeToString()).tolist() == [[3.0], [4.0]]


def test_difference_is_relative_to_the_largest_value() -> None:
    """One small value that is quite wrong is no larger a difference than a large one that is a little wrong."""
    assert difference(np.array([1.0, 100.0]), np.array([2.0, 100.0])) == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("ours", "baseline"),
    [
        pytest.param([1.0], [1.0, 2.0], id="shapes"),
        pytest.param([float("nan")], [1.0], id="no number"),
        pytest.param([0.0], [0.0], id="all zero"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_answers_that_cannot_be_compared(ours: list[float], baseline: list[float]) -> None:
    """They are an error and not a figure."""
    with pytest.raises(BenchError):
        difference(np.array(ours), np.array(baseline))


@pytest.mark.parametrize(
    ("line", "ended"),
    [
        pytest.param("Servable {name: a version: 1} is served as it is saved: why", True, id="as it is"),
        pytest.param("Servable {name: a version: 1} is optimised: 1.0 ms per call", True, id="optimised"),
        pytest.param(
            "Servable {name: a version: 1}: trying faster ways to run it; --optimize=off leaves this out",
            False,
            id="begun",
        ),
    ],
)
def test_the_end_of_trying_is_seen(line: str, ended: bool) -> None:
    """Nothing is measured before our server's log says what it chose."""
    assert (TRYING_HAS_ENDED.search(line) is not None) is ended


def test_vector_flags() -> None:
    """Those that matrix products use are named, on x86 and on ARM."""
    assert vector_flags("flags\t: sse avx2 fma avx512f avx512dq amx_tile\n") == ["amx_tile", "avx2", "avx512f", "fma"]
    assert vector_flags("Features\t: fp asimd sve bf16\n") == ["asimd", "bf16", "sve"]
    assert vector_flags("") == []


def test_the_plot_shows_models_and_cells(tmp_path: Path) -> None:
    """Both are named in the picture; without ratios there is none."""
    found = list(medians([measured("lstm", ONE, 0.5), measured("lstm", EIGHT, 1.5)]))
    ((_, file),) = plots.draw_ratios(found, tmp_path)
    drawn = (tmp_path / file).read_text()
    assert [text for text in ("lstm", "1 row, 1 client", "8 rows, 4 clients") if f"<!-- {text} -->" not in drawn] == []
    assert plots.draw_ratios([], tmp_path) == []


def test_frameworks_are_drawn_with_their_figures(tmp_path: Path) -> None:
    """Each contender has a bar that says how long it took."""
    table = scenarios.frameworks()
    took = Measurement(throughput=1, mean_ms=41.2, p50_ms=41.2, p99_ms=41.2, max_ms=41.2)
    found = {(contender.name, 1): [took] for contender in table.contenders}
    ((_, file),) = plots.draw({table.name: (table, found)}, tmp_path)
    drawn = (tmp_path / file).read_text()
    assert drawn.count("<!--  41 ms -->") == len(table.contenders)
    assert [each.name for each in table.contenders if f"<!-- {each.name} -->" not in drawn] == []
