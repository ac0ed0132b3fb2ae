"""Threads that are shared: order, fairness, what is dropped and what is written off, and the end."""

import gc
import threading
from collections.abc import Iterator
from weakref import ref

import pytest

from serving.errors import Code, ServingError
from serving.host.threads import Share, SharedThreads
from tests.support.server_process import wait_until

TIMEOUT_SECONDS = 30


class Gate:
    """Something to do that ends when the gate is opened."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self._open = threading.Event()

    def __call__(self) -> str:
        self.begun.set()
        assert self._open.wait(TIMEOUT_SECONDS)
        return "passed"

    def open(self) -> None:
        self._open.set()


@pytest.fixture
def threads() -> Iterator[SharedThreads]:
    made = SharedThreads(1, "test")
    yield made
    made.shutdown(wait=False, cancel_futures=True)


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.open()


def test_calls_wait_in_their_order(threads: SharedThreads, gate: Gate) -> None:
    """One thread makes one call at a time, the first one first."""
    made: list[int] = []
    threads.submit("a", gate)
    calls = [threads.submit("a", lambda number=number: made.append(number)) for number in range(5)]  # type: ignore[misc]
    assert threads.full
    gate.open()
    for call in calls:
        call.result(TIMEOUT_SECONDS)
    assert made == list(range(5))


def test_others_need_not_wait(threads: SharedThreads, gate: Gate) -> None:
    """Who has nothing running is not kept waiting by who has, nor by what waits."""
    threads.submit("a", gate)
    waits = threads.submit("a", str)
    assert threads.submit("b", lambda: "made").result(TIMEOUT_SECONDS) == "made"
    assert not waits.done()


def test_second_of_another_waits_for_the_first_one_alone(threads: SharedThreads, gate: Gate) -> None:
    """Its turn comes when the first one ends, however long others take."""
    other = Gate()
    threads.submit("a", gate)
    first, second = threads.submit("b", other), threads.submit("b", lambda: "made")
    other.open()
    assert (first.result(TIMEOUT_SECONDS), second.result(TIMEOUT_SECONDS)) == ("passed", "made")


def test_written_off_call_makes_room(threads: SharedThreads, gate: Gate) -> None:
    """What waits is made, what was written off still ends, and later there are no more threads than before."""
    lost = threads.submit("a", gate)
    assert gate.begun.wait(TIMEOUT_SECONDS)
    waits = threads.submit("a", lambda: "made")
    lost.write_off()
    lost.write_off()
    assert waits.result(TIMEOUT_SECONDS) == "made"
    gate.open()
    assert lost.result(TIMEOUT_SECONDS) == "passed"
    again = Gate()
    threads.submit("a", again)
    assert threads.full
    waits = threads.submit("a", lambda: "made")
    assert not waits.done()
    again.open()
    assert waits.result(TIMEOUT_SECONDS) == "made"


def test_what_has_ended_is_not_written_off(threads: SharedThreads) -> None:
    """It holds nothing any more."""
    done = threads.submit("a", str)
    done.result(TIMEOUT_SECONDS)
    wait_until("its thread is free", lambda: not threads.full)
    done.write_off()
    assert threads.submit("a", lambda: "made").result(TIMEOUT_SECONDS) == "made"


def test_cancelled_call_holds_nothing(threads: SharedThreads, gate: Gate) -> None:
    """Its arguments are let go of at once, not when its turn would have come."""

    class Body:
        def read(self) -> None:
            """Never called."""

    threads.submit("a", gate)
    body = Body()
    kept = ref(body)
    waits = threads.submit("a", body.read)
    del body
    assert waits.cancel()
    gc.collect()
    assert kept() is None


def test_running_call_cannot_be_cancelled(threads: SharedThreads, gate: Gate) -> None:
    """As for every future."""
    running = threads.submit("a", gate)
    assert gate.begun.wait(TIMEOUT_SECONDS)
    assert not running.cancel()
    gate.open()
    assert running.result(TIMEOUT_SECONDS) == "passed"


def test_errors_are_the_callers(threads: SharedThreads) -> None:
    """The thread goes on."""
    failed = threads.submit("a", lambda: 1 // 0)
    assert isinstance(failed.exception(TIMEOUT_SECONDS), ZeroDivisionError)
    assert threads.submit("a", lambda: "made").result(TIMEOUT_SECONDS) == "made"


def test_failed_call_is_not_left_to_the_garbage_collector(threads: SharedThreads) -> None:
    """Collections are rare, and whoever lets go of a call need not have looked at its error."""

    def fail() -> None:
        raise ServingError(Code.DEADLINE_EXCEEDED, "late")

    failed = threads.submit("a", fail)
    assert isinstance(failed.exception(TIMEOUT_SECONDS), ServingError)
    assert threads.submit("a", lambda: "made").result(TIMEOUT_SECONDS) == "made"  # the thread has let go of it
    kept, collecting = ref(failed), gc.isenabled()
    gc.disable()
    try:
        del failed
        assert kept() is None
    finally:
        if collecting:
            gc.enable()


def test_thread_knows_its_call(threads: SharedThreads) -> None:
    """And any other thread knows none."""
    call = threads.submit("a", threads.here)
    assert call.result(TIMEOUT_SECONDS) is call
    assert threads.here() is None


@pytest.mark.parametrize("cancel", [False, True], ids=["made", "dropped"])
def test_shutdown(*, cancel: bool) -> None:
    """No more calls are taken; those that wait are made, or dropped, and the threads end."""
    threads, gate = SharedThreads(2, "closing"), Gate()
    running = [threads.submit("a", gate) for _ in range(2)]
    waits = threads.submit("a", lambda: "made")
    closing = threading.Thread(target=threads.shutdown, kwargs={"cancel_futures": cancel})
    closing.start()
    wait_until("it is closed", lambda: refused(threads))
    gate.open()
    closing.join(TIMEOUT_SECONDS)
    assert [call.result(TIMEOUT_SECONDS) for call in running] == ["passed"] * 2
    assert (waits.cancelled(), cancel or waits.result(TIMEOUT_SECONDS)) == (cancel, cancel or "made")
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("closing_")]


def refused(threads: SharedThreads) -> bool:
    try:
        threads.submit("b", str)
    except RuntimeError:
        return True
    return False


def test_many_threads_submit() -> None:
    """Every call is made once, whoever submits it, and nobody is forgotten."""
    threads, counts = SharedThreads(3, "test"), [0] * 8
    shares = [Share(threads, who) for who in range(8)]

    def one(who: int) -> None:
        counts[who] += 1  # one of each at a time would do; several may run

    def submit(who: int) -> None:
        for call in [shares[who].submit(one, who) for _ in range(200)]:
            call.result(TIMEOUT_SECONDS)

    callers = [threading.Thread(target=submit, args=(who,)) for who in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(TIMEOUT_SECONDS)
    threads.shutdown()
    assert sum(counts) == 1600
