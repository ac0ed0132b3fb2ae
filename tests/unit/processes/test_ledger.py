"""What workers know of each other's counts: the newest stays, whatever order it comes in, and the ended stay too."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from serving.processes.ledger import Ledger, Life, Said


def said(taken: int, count: int) -> Said:
    return Said(taken, str(count).encode())


def fold(values: Sequence[bytes]) -> bytes:
    return str(sum(map(int, values))).encode()


def total(ledger: Ledger, pids: dict[int, int]) -> int:
    """The sum of what those have counted that are there, and of those that have ended."""
    here = [found for worker, pid in pids.items() if (found := ledger.said(worker, pid)) is not None]
    return sum(int(each.value) for each in [*here, *ledger.gone(pids)])


def test_the_newest_stays() -> None:
    """An answer that comes late is of less."""
    ledger = Ledger()
    ledger.note(0, Life(1, 10), said(5, 50))
    ledger.note(0, Life(1, 10), said(4, 40))
    assert ledger.said(0, 10) == said(5, 50)
    assert ledger.said(0, 11) is None
    assert ledger.said(1, 10) is None


def test_the_ended_stay() -> None:
    """A worker's next process begins from zero, and one that is not there at all has ended."""
    ledger = Ledger()
    ledger.note(0, Life(1, 10), said(1, 50))
    ledger.note(0, Life(2, 11), said(2, 3))
    assert ledger.gone({0: 11}) == [said(1, 50)]
    assert ledger.gone({}) == [said(1, 50), said(2, 3)]


def test_a_number_of_a_process_may_come_again() -> None:
    """The later life is meant."""
    ledger = Ledger()
    ledger.note(0, Life(1, 10), said(1, 50))
    ledger.note(0, Life(2, 10), said(2, 3))
    assert ledger.said(0, 10) == said(2, 3)
    assert ledger.gone({0: 10}) == [said(1, 50)]


@given(st.lists(st.integers(0, 100), min_size=1, max_size=40), st.integers(0, 40))
def test_folding_loses_nothing(counts: list[int], at: int) -> None:
    """However many lives there were, and whenever older ones are added up; few of them are kept apart."""
    ledger = Ledger()
    for number, count in enumerate(counts):
        ledger.note(0, Life(number + 1, number + 1), said(number, count))
        if number >= at:
            ledger.fold(fold)
            assert len(ledger.gone({})) <= 9
    assert total(ledger, {0: len(counts)}) == sum(counts)


@given(st.permutations(range(12)), st.integers(0, 12))
def test_whoever_learns_of_it_knows_the_same(order: list[int], split: int) -> None:
    """Two that have been told in another order, one of them with the older lives added up, agree once they have met."""
    first, second = Ledger(), Ledger()
    for number in range(12):
        first.note(0, Life(number + 1, 1), said(1, number))
    first.fold(fold)
    for number in order[:split]:
        second.note(0, Life(number + 1, 1), said(0, 0))
    second.join(first.pages())
    first.join(second.pages())
    assert total(first, {}) == total(second, {}) == sum(range(12))


def test_what_is_added_up_is_not_counted_again() -> None:
    """A late answer of a life that is part of the sum."""
    ledger = Ledger()
    for number in range(1, 12):
        ledger.note(0, Life(number, number), said(1, 1))
    ledger.fold(fold)
    ledger.note(0, Life(1, 1), said(2, 1))
    assert total(ledger, {}) == 11
