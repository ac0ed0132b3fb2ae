"""Plans: what is promised by them holds by the same formulas, and nothing smaller would do."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.client.planning.measurement import Level, Measurement
from serving.client.planning.sizing import ImpossibleError, Wish, plan


def measured(
    alone: tuple[float, ...] = (0.02,),
    best: float = 100.0,
    client: float = 0.1,
    server: float | None = None,
    request: int = 12,
) -> Measurement:
    """A server that gives ``best`` answers per second."""
    levels = [
        Level(concurrency=1, per_second=1 / max(alone), client_cores=0.05, server_cores=0.1 if server else None),
        Level(concurrency=8, per_second=best, client_cores=client, server_cores=server),
    ]
    return Measurement(alone=alone, levels=levels, request_bytes=request, answer_bytes=12)


def wish(rate: float = 1000, p99: float = 0.05, cores: int = 8, gigabits: float = 10, utilisation: float = 0.8) -> Wish:
    return Wish(rate=rate, p99=p99, cores=cores, gigabits=gigabits, utilisation=utilisation)


@settings(max_examples=25)
@given(
    st.lists(st.floats(0.001, 0.1), min_size=1, max_size=10),
    st.floats(1.0, 20.0),
    st.floats(1.01, 5.0),
    st.floats(1, 1e6),
)
def test_plans_keep_what_they_promise(alone: list[float], parallel: float, slower: float, rate: float) -> None:
    """The p99 and the utilisation are within the wish, and one worker less would break one of them."""
    found = measured(tuple(alone), best=parallel * len(alone) / sum(alone))
    wanted = wish(rate=rate, p99=slower * max(alone))
    made = plan(found, wanted)
    assert made.p99 <= wanted.p99 * (1 + 1e-6)
    assert made.utilisation <= wanted.utilisation * (1 + 1e-9)
    assert made.workers <= made.machines * made.workers_per_machine
    if made.workers > 1:
        more = rate / (made.workers - 1)
        assert more > made.most_per_worker
        more *= 1.001  # where the first one of a hundred waits the p99 has a step
        kept = more < found.capacity and found.quantile(more, 0.99) <= wanted.p99 * (1 - 1e-3)
        assert more > wanted.utilisation * found.capacity * (1 - 1e-6) or not kept


def test_no_plan_beats_an_idle_server() -> None:
    """A p99 below that of a request alone is refused, with both figures."""
    with pytest.raises(ImpossibleError, match=r"p99 of 15 ms is out of reach.*on an idle server the p99 is 20 ms"):
        plan(measured(), wish(p99=0.015))


def test_the_number_of_servers_is_littles() -> None:
    """100 answers per second of 20 ms each are two at a time, and 130 are three that take longer; 110 are two."""
    two, three = measured(best=100).station, measured(best=130).station
    assert (two.servers, three.servers) == (2, 3)
    assert [two.capacity, three.capacity] == pytest.approx([100, 130])
    assert measured(best=110).station.mean == pytest.approx(2 / 110)
    assert measured(best=130).quantile(1, 0.5) == pytest.approx(0.02, rel=0.01)


def test_workers_share_machines_by_their_cores() -> None:
    """Of a server that uses half a core, twice as many go on a machine as it has cores, but for the cores' number."""
    one = plan(measured(server=1.0), wish(p99=1))
    assert (one.workers, one.machines, one.workers_per_machine) == (13, 2, 7)
    four = plan(measured(server=4.0), wish(p99=1))
    assert (four.workers, four.machines, four.workers_per_machine) == (13, 7, 2)
    unknown = plan(measured(), wish(p99=1))
    assert unknown.machines == 2
    assert "which --rest would tell" in next(each.sentence for each in unknown.limits if each.name == "cpu")


def test_the_network_may_need_more_machines() -> None:
    """A megabyte a thousand times per second is 8 Gbit/s: two links of 10 at 70 %."""
    found = plan(measured(best=10_000, request=1_000_000), wish())
    assert found.machines == 2
    assert found.limits[0].name == "balancer"
    assert found.limits[0].used == pytest.approx(0.8, rel=0.01)


def test_where_the_client_was_the_limit() -> None:
    """What one core of the server would answer stands for what the client could not ask for."""
    busy = measured(best=2000, client=0.95, server=0.5)
    assert busy.capacity == pytest.approx(4000)
    assert measured(best=2000, client=0.95).capacity == 2000
    assert measured(best=2000, client=0.3, server=0.5).capacity == 2000


def test_measurements_go_through_json() -> None:
    """All of it, but for times alone beyond some hundred, of which the distribution stays."""
    few = measured(server=0.5)
    assert Measurement.of(json.loads(json.dumps(few.plain()))).quantile(80, 0.99) == few.quantile(80, 0.99)
    many = measured(tuple(0.01 + number / 1e5 for number in range(1000)))
    kept = Measurement.of(many.plain())
    assert len(kept.alone) == 400
    assert kept.quantile(80, 0.99) == pytest.approx(many.quantile(80, 0.99), rel=0.01)


@pytest.mark.parametrize(
    "plain",
    [
        pytest.param({}, id="empty"),
        pytest.param({**measured().plain(), "alone": []}, id="no times"),
        pytest.param({**measured().plain(), "alone": [-1]}, id="negative"),
        pytest.param({**measured().plain(), "levels": []}, id="no levels"),
        pytest.param({**measured().plain(), "levels": [{"concurrency": 1}]}, id="a part of a level"),
        pytest.param({**measured().plain(), "more": 1}, id="more"),
        pytest.param({**measured().plain(), "alone": ["a"]}, id="text"),
    ],
)
def test_what_is_no_measurement(plain: dict[str, object]) -> None:
    """Is said to be none."""
    with pytest.raises(ValueError, match="no measurement"):
        Measurement.of(plain)


def test_a_rate_below_what_one_server_does() -> None:
    """One worker on one machine."""
    found = plan(measured(), wish(rate=1))
    assert (found.workers, found.machines) == (1, 1)
    assert math.isclose(found.p50, 0.02, rel_tol=0.01)
