"""The tables of scenarios: names that fit, flags that exist, loads that are needed."""

import pytest

from tests.bench import duel
from tests.bench.asking import Address
from tests.bench.payloads import Form
from tests.bench.results import BenchError, Measurement
from tests.bench.scenarios import OTHER, TABLES, Comparison, Scenario, beside
from tests.bench.servers import Program, check_flags

PROGRAMS = {each.program for table in TABLES.values() for each in table().contenders if each.program}
MEASURED = Measurement(throughput=10, mean_ms=1, p50_ms=1, p99_ms=1, max_ms=1, model_ms=1)


@pytest.mark.parametrize("name", TABLES)
def test_comparisons_name_contenders(name: str) -> None:
    """Both sides of each comparison are contenders, and each contender is in a comparison."""
    table = TABLES[name]()
    compared = {name for each in table.comparisons for name in (each.ours, each.baseline) if name}
    assert compared == {each.name for each in table.contenders}
    assert len(table.contenders) == len(compared)


@pytest.mark.parametrize("name", TABLES)
def test_every_comparison_becomes_rows(name: str) -> None:
    """What is measured because a comparison needs it is enough for a row at each of its levels."""
    table = TABLES[name]()
    needed = {(each.name, level) for each in table.contenders for level in table.levels if table.compared(each, level)}
    rows = list(duel.rows(table, {key: [MEASURED] for key in needed}))
    assert len(rows) == sum(len(each.levels or table.levels) for each in table.comparisons)


@pytest.mark.parametrize("program", sorted(PROGRAMS, key=str), ids=lambda program: program.name)
def test_flags_exist(program: Program) -> None:
    """The server has every flag that it is started with; it would pass over others."""
    check_flags(program)


def test_unknown_flags_are_found() -> None:
    """A misspelt flag is an error before anything is started."""
    with pytest.raises(BenchError, match=r"no flag prot$"):
        check_flags(Program(name="ours", arguments=("serving", "--prot=1", "--port=2")))


def test_baselines_may_have_their_own_flags() -> None:
    """Only our server's flags are looked at."""
    check_flags(Program(name="other", arguments=("another.program", "--prot=1")))


@pytest.mark.parametrize(
    ("name", "address", "takes_part"),
    [
        pytest.param("rest", Address(rest="http://h:1"), True, id="rest"),
        pytest.param("rest", Address(grpc="h:1"), False, id="rest without the address"),
        pytest.param("grpc", Address(grpc="h:1"), True, id="grpc"),
        pytest.param("resnet", Address(grpc="h:1"), True, id="resnet"),
        pytest.param("batching", Address(rest="http://h:1", grpc="h:2"), False, id="batching"),
    ],
)
def test_a_running_server_beside_ours(name: str, address: Address, takes_part: bool) -> None:
    """It takes part where it has the door, and is then a baseline."""
    found = beside(TABLES[name](), address, "half_plus_two")
    assert (OTHER in {each.name for each in found.contenders}) is takes_part
    assert (OTHER in {each.baseline for each in found.comparisons}) is takes_part


def test_a_running_server_has_its_own_name_for_the_model() -> None:
    """The request to it carries its name, in the URL as well as in the message."""
    rest = beside(TABLES["rest"](), Address(rest="http://h:1"), "mine").contenders[-1].question
    grpc = beside(TABLES["grpc"](), Address(grpc="h:2"), "mine").contenders[-1].question
    assert rest.url(Address(rest="http://h:1")) == "http://h:1/v1/models/mine:predict"
    assert grpc.form is Form.GRPC
    assert b"mine" in grpc.body()


def scenario(*comparisons: Comparison) -> Scenario:
    return Scenario(name="s", title="S", unit="clients", levels=(1, 4), contenders=(), comparisons=comparisons)


@pytest.mark.parametrize(
    ("comparison", "expected"),
    [
        pytest.param(Comparison(ours="a", baseline="b"), [("clients 1", 2.0), ("clients 4", 4.0)], id="all levels"),
        pytest.param(Comparison(ours="a", baseline="b", levels=(4,)), [("clients 4", 4.0)], id="one level"),
        pytest.param(
            Comparison(ours="a", baseline="b", levels=(4,), baseline_level=1), [("clients 4", 8.0)], id="its own level"
        ),
        pytest.param(Comparison(ours="a", baseline="c"), [], id="a side that failed"),
    ],
)
def test_rows(comparison: Comparison, expected: list[tuple[str, float]]) -> None:
    """A comparison becomes a row for each level at which both sides were measured."""
    rates = {("a", 1): 20.0, ("b", 1): 10.0, ("a", 4): 80.0, ("b", 4): 20.0}
    measured = {
        key: [Measurement(throughput=rate, mean_ms=1, p50_ms=1, p99_ms=1, max_ms=1)] for key, rate in rates.items()
    }
    assert [(row.load, row.value) for row in duel.rows(scenario(comparison), measured)] == expected
