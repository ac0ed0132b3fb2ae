"""When a worker that has ended is started again, and in which words its end is told."""

import signal

import pytest

from serving.processes.restarting import STEADY_SECONDS, ended, restart


def test_the_pauses_grow_while_it_ends_again_and_again() -> None:
    """At once, then after 1, 2, 4, 8, 16 and 30 seconds, and no longer than that."""
    failures, pauses = 0, []
    for _ in range(8):
        after, failures = restart(failures, lived_seconds=1.0)
        pauses.append(after)
    assert pauses == [0, 1, 2, 4, 8, 16, 30, 30]


def test_a_steady_life_makes_the_next_end_the_first() -> None:
    """A worker that has served for a minute is started at once."""
    assert restart(7, STEADY_SECONDS) == (0.0, 1)


@pytest.mark.parametrize(
    ("status", "text"),
    [
        pytest.param(0, "ended with status 0", id="exit"),
        pytest.param(-signal.SIGSEGV, "was ended by SIGSEGV", id="named signal"),
        pytest.param(-63, "was ended by signal 63", id="signal without a name"),
    ],
)
def test_an_end_is_told_in_words(status: int, text: str) -> None:
    """By its status, or the signal's name."""
    assert ended(status) == text
