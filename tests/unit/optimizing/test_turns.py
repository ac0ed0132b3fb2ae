"""One after the other: work on a thread that is there while there is some."""

import threading

import pytest

from serving.optimizing.turns import Turns
from tests.support import TIMEOUT_SECONDS


def done(turns: Turns) -> None:
    """Block until what was added has run."""
    last = threading.Event()
    turns.add(last.set)
    assert last.wait(TIMEOUT_SECONDS)


def test_work_is_done_in_order() -> None:
    """What is added first comes first, and nothing overlaps."""
    turns, seen, gate = Turns(), [], threading.Event()

    def work(number: int) -> None:
        assert gate.wait(TIMEOUT_SECONDS)
        seen.append((number, threading.current_thread().name))

    for number in range(20):
        turns.add(lambda number=number: work(number))  # type: ignore[misc]
    assert seen == []
    gate.set()
    done(turns)
    assert seen == [(number, "optimizing") for number in range(20)]


def test_a_failure_is_logged_and_the_next_has_its_turn(caplog: pytest.LogCaptureFixture) -> None:
    """An error that nobody expected stops nothing but itself."""
    turns = Turns()
    turns.add(lambda: [][0])
    done(turns)
    (record,) = caplog.records
    assert "it is served as it is" in record.message
    assert record.exc_info is not None
    assert record.exc_info[0] is IndexError


def test_what_comes_later_is_done_too() -> None:
    """The thread ends with its work, and begins again."""
    turns = Turns()
    for _ in range(3):
        done(turns)
        for thread in [each for each in threading.enumerate() if each.name == "optimizing"]:
            thread.join(TIMEOUT_SECONDS)
    done(turns)


def test_nothing_begins_after_the_end() -> None:
    """What waits is forgotten, what runs goes on, and what comes is not taken."""
    turns, seen, entered, gate = Turns(), [], threading.Event(), threading.Event()

    def first() -> None:
        entered.set()
        assert gate.wait(TIMEOUT_SECONDS)
        seen.append("first")

    turns.add(first)
    turns.add(lambda: seen.append("second"))
    assert entered.wait(TIMEOUT_SECONDS)
    (thread,) = [each for each in threading.enumerate() if each.name == "optimizing"]
    turns.close()
    turns.add(lambda: seen.append("third"))
    gate.set()
    thread.join(TIMEOUT_SECONDS)
    assert seen == ["first"]
