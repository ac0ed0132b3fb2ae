"""What workers count together, in memory that they share: here as several views of it in one process, and as two."""

import subprocess
import sys
from collections.abc import Iterator
from os import close

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.processes import shared
from serving.processes.shared import Running, Shared

WORKERS = 3


@pytest.fixture
def descriptor() -> Iterator[int]:
    """Of memory for three."""
    made = shared.make(WORKERS)
    yield made
    close(made)


def test_each_sees_what_the_others_have(descriptor: int) -> None:
    """Its own is not in it, and other kinds and names are others."""
    views = [Shared(descriptor, WORKERS, worker) for worker in range(WORKERS)]
    for worker, view in enumerate(views):
        view.put("model", "m", 10**worker)
    views[0].put("model", "other", 7)
    views[0].put("owner", "m", 5)
    assert [view.of_others("model", "m") for view in views] == [110, 101, 11]
    views[2].put("model", "m", 0)
    assert views[0].of_others("model", "m") == 10


@given(st.lists(st.tuples(st.integers(0, WORKERS - 1), st.text(max_size=3), st.integers(0, 9)), max_size=60))
def test_counts_are_those_put_last(puts: list[tuple[int, str, int]]) -> None:
    """Whatever the names, as long as there is room for them."""
    descriptor = shared.make(WORKERS)
    views = [Shared(descriptor, WORKERS, worker) for worker in range(WORKERS)]
    expected: dict[tuple[int, str], int] = {}
    for worker, name, count in puts:
        views[worker].put("model", name, count)
        expected[worker, name] = count
    for worker, name in expected:
        others = sum(count for (other, its), count in expected.items() if its == name and other != worker)
        assert views[worker].of_others("model", name) == others
    close(descriptor)


def test_more_names_than_there_is_room_for(descriptor: int) -> None:
    """Those without requests make room; what finds none is counted by its worker alone, and nothing else is wrong."""
    one, other = Shared(descriptor, WORKERS, 0), Shared(descriptor, WORKERS, 1)
    for number in range(20_000):
        one.put("model", f"m{number}", 1)
        one.put("model", f"m{number}", 0)
    one.put("model", "last", 3)
    assert other.of_others("model", "last") == 3


def test_a_dead_worker_has_nothing(descriptor: int) -> None:
    """The supervisor takes away what it had in flight, after having looked at what it ran."""
    worker, other = Shared(descriptor, WORKERS, 0), Shared(descriptor, WORKERS, 1)
    supervisor = Shared(descriptor, WORKERS)
    worker.put("in_flight", "", 4)
    worker.version("{name: m version: 1}").begin()
    assert supervisor.running(0) == [Running("{name: m version: 1}", 1, 0, loading=False)]
    supervisor.forget(0)
    assert other.of_others("in_flight", "") == 0
    assert supervisor.running(0) == []


def test_calls_of_versions_are_noted(descriptor: int) -> None:
    """Those that run, those that have ended, and a load; not what is at rest."""
    worker, supervisor = Shared(descriptor, WORKERS, 2), Shared(descriptor, WORKERS)
    quiet, busy = worker.version("quiet"), worker.version("busy")
    for _ in range(3):
        quiet.begin()
        quiet.end()
        busy.begin()
        busy.end()
    busy.begin()
    worker.version("new").loading(is_so=True)
    worker.version("busy").begin()
    assert supervisor.running(2) == [
        Running("busy", 2, 3, loading=False),
        Running("new", 0, 0, loading=True),
    ]


def test_a_rate_is_one_for_all(descriptor: int) -> None:
    """Two workers take from one bucket, which fills with the time."""
    one, other = Shared(descriptor, WORKERS, 0), Shared(descriptor, WORKERS, 1)
    with one.alone():
        assert one.take("k", 2.0, 2.0, 100.0) == 0.0
    assert other.take("k", 2.0, 2.0, 100.0) == 0.0
    assert one.take("k", 2.0, 2.0, 100.0) == pytest.approx(0.5)
    assert other.take("another", 2.0, 2.0, 100.0) == 0.0
    assert other.take("k", 2.0, 2.0, 100.5) == 0.0
    assert one.take("k", 2.0, 2.0, 100.5) == pytest.approx(0.5)


_COUNTING = """
import sys
from serving.processes.shared import Shared
one = Shared(int(sys.argv[1]), 3, int(sys.argv[2]))
got = 0
for _ in range(3000):
    with one.alone():
        got += one.take("k", 1e-9, 1000.0, 5.0) == 0.0
print(got)
"""


def test_processes_do_not_take_the_same_one(descriptor: int) -> None:
    """Of a thousand, two processes that take as fast as they can get a thousand together."""
    command = [sys.executable, "-c", _COUNTING, str(descriptor)]
    both = [
        subprocess.Popen([*command, str(at)], stdout=subprocess.PIPE, text=True, pass_fds=[descriptor]) for at in (0, 1)
    ]
    assert sum(int(each.communicate(timeout=60)[0]) for each in both) == 1000
