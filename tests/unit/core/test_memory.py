"""Whether a version may be loaded: the decision as a table of ledgers, what holds for any ledger, and the text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.core.memory import Ledger, Need, Room, Shortage, Spare, Use, Verdict, judge, mebibytes
from tests.support import servable_id

MIB = 2**20
NEW = servable_id(2, "new")


def use(
    name: str, held: int, left: int | None = None, *, spare: Spare = Spare.NEVER, last_use: int = 0, version: int = 1
) -> Use:
    """What a version holds now, and unless it is said, later as well."""
    return Use(
        id=servable_id(version, name),
        held=held,
        left=held if left is None else left,
        spare=spare,
        last_use=last_use,
    )


def idle(name: str, held: int, last_use: int) -> Use:
    return use(name, held, spare=Spare.IDLE, last_use=last_use)


def ledger(*uses: Use, budget: int = 100, other: int = 10, borrowed: int = 0, promised: int = 0) -> Ledger:
    return Ledger(budget=budget, other=other, uses=uses, borrowed=borrowed, promised=promised)


VERDICTS = [
    pytest.param(ledger(), 90, Room.NOW, id="exactly fits"),
    pytest.param(ledger(), 91, Room.NONE, id="one byte too many"),
    pytest.param(ledger(use("a", 50)), 40, Room.NOW, id="beside another"),
    pytest.param(ledger(use("a", 50)), 41, Room.NONE, id="beside another that stays"),
    pytest.param(ledger(use("a", 50, 0)), 41, Room.SOON, id="another is being unloaded"),
    pytest.param(ledger(use("a", 60, 40)), 41, Room.SOON, id="another has its peak while it loads"),
    pytest.param(ledger(use("a", 60, 40)), 51, Room.NONE, id="not even after the peak"),
    pytest.param(ledger(promised=60), 41, Room.BUSY, id="others come first"),
    pytest.param(ledger(borrowed=60), 41, Room.BUSY, id="optimising ends some day"),
    pytest.param(ledger(borrowed=60), 91, Room.NONE, id="that would not help"),
    pytest.param(ledger(use("a", 50, spare=Spare.BUSY)), 41, Room.BUSY, id="another has requests"),
    pytest.param(ledger(use("new", 50, spare=Spare.IDLE)), 41, Room.NONE, id="its own older version goes on"),
]


@pytest.mark.parametrize(("given_ledger", "peak", "room"), VERDICTS)
def test_rooms(given_ledger: Ledger, peak: int, room: Room) -> None:
    """What is held now counts first, then what is left, then what can be had."""
    assert judge(given_ledger, NEW, Need(resident=peak, peak=peak)) == Verdict(room=room)


EVICTIONS = [
    pytest.param((idle("a", 30, 2), idle("b", 30, 1)), 40, ("b",), id="least recently used"),
    pytest.param((idle("a", 30, 1), idle("b", 30, 2), idle("c", 30, 3)), 60, ("a", "b"), id="as many as needed"),
    pytest.param((idle("a", 45, 1), use("b", 45, spare=Spare.BUSY)), 40, ("a",), id="not one with requests"),
    pytest.param((idle("a", 45, 1), use("b", 45)), 40, ("a",), id="not one that stays"),
    pytest.param(
        (idle("a", 20, 1), use("a", 20, spare=Spare.BUSY, version=2), idle("b", 50, 9)), 40, ("b",), id="whole models"
    ),
]


@pytest.mark.parametrize(("uses", "peak", "victims"), EVICTIONS)
def test_victims(uses: tuple[Use, ...], peak: int, victims: tuple[str, ...]) -> None:
    """Idle models make room, those first that were asked for longest ago."""
    verdict = judge(ledger(*uses), NEW, Need(resident=peak, peak=peak))
    assert verdict == Verdict(room=Room.EVICT, victims=victims)


USES = st.builds(
    Use,
    id=st.builds(servable_id, st.integers(1, 2), st.sampled_from("abcdef")),
    held=st.integers(0, 40),
    left=st.integers(0, 40),
    spare=st.sampled_from(Spare),
    last_use=st.integers(0, 9),
)
LEDGERS = st.builds(
    Ledger,
    budget=st.integers(0, 120),
    other=st.integers(0, 40),
    uses=st.lists(USES, max_size=6, unique_by=lambda each: each.id).map(tuple),
    borrowed=st.integers(0, 20),
    promised=st.integers(0, 20),
)


@given(LEDGERS, st.integers(0, 60))
def test_any_ledger(given_ledger: Ledger, peak: int) -> None:
    """What fits never exceeds the budget, and victims are idle models of others, no more of them than needed."""
    verdict = judge(given_ledger, NEW, Need(resident=peak, peak=peak))
    assert (verdict.room is Room.NOW) == (given_ledger.held + peak <= given_ledger.budget)
    assert (verdict.room is Room.EVICT) == bool(verdict.victims)
    for name in verdict.victims:
        assert {each.spare for each in given_ledger.uses if each.id.name == name} == {Spare.IDLE}

    def left(victims: tuple[str, ...]) -> int:
        rest = given_ledger.other + given_ledger.borrowed + given_ledger.promised + peak
        return rest + sum(each.left for each in given_ledger.uses if each.id.name not in victims)

    if verdict.victims:
        assert left(verdict.victims) <= given_ledger.budget < left(verdict.victims[:-1])


def test_text_has_the_figures() -> None:
    """What is needed, the budget, who has how much of it, the largest first, and the flag."""
    many = [use(f"m{index}", (index + 20) * MIB) for index in range(7)]
    shortage = Shortage(
        id=NEW,
        need=Need(resident=90 * MIB, peak=100 * MIB),
        ledger=ledger(*many, budget=300 * MIB, other=80 * MIB, borrowed=3 * MIB // 2, promised=2**30),
    )
    assert shortage.text == (
        "Insufficient resources to load servable {name: new version: 2}: loading it takes about 100 MiB of memory, and "
        "of the 300 MiB that may be used 1266 MiB are: 80 MiB by the server, 26 MiB by m6 version 1, 25 MiB by m5 "
        "version 1, 24 MiB by m4 version 1, 23 MiB by m3 version 1, 22 MiB by m2 version 1, 41 MiB by 2 more, "
        "1.5 MiB by optimising, 1024 MiB promised to others. See --memory_budget_mb"
    )


def test_text_names_the_version_that_goes_on() -> None:
    """Two versions of one model would be in memory at once: that is why the new one needs so much."""
    shortage = Shortage(id=NEW, need=Need(resident=1, peak=1), ledger=ledger(use("new", 50)))
    assert "; its model's loaded version goes on, and both would be in memory at once. See" in shortage.text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 MiB"), (MIB // 2, "0.5 MiB"), (10 * MIB, "10 MiB"), (2**31, "2048 MiB")]
)
def test_mebibytes(count: int, text: str) -> None:
    """Small figures have a digit more."""
    assert mebibytes(count) == text
