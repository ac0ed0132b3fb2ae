"""A request that takes long before its model runs: done by a worker, answered once, given up when its caller goes."""

import gc
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from weakref import ref

import pytest

from serving.errors import Code, ServingError
from serving.inference.long_call import Gone, LongCall
from serving.inference.placement import Workers
from serving.telemetry.serving_metrics import ServingMetrics
from tests.support import TIMEOUT_SECONDS

REFUSAL = ServingError(Code.UNKNOWN, "no")


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Opened at the end, so that no thread is left behind."""
    event = threading.Event()
    yield event
    event.set()


class Asking:
    """One worker, and counts of the calls that it makes."""

    def __init__(self, most: int = 8) -> None:
        self.workers = Workers(1, most)
        self.metrics = ServingMetrics()
        self.series = self.metrics.series("GRPC", "Predict", "m")

    def hold(self, gate: threading.Event) -> Future[bytes]:
        """Keep the worker from everything else until the gate opens."""
        return self.workers.submit(lambda answer: answer.set_result(b"held" * gate.wait(TIMEOUT_SECONDS)))

    def idle(self) -> None:
        """Return when the worker has done all that it was given."""
        self.workers.submit(lambda answer: answer.set_result(b"")).result(TIMEOUT_SECONDS)

    def counts(self) -> dict[str, int]:
        """Requests by status."""
        return {labels[1]: counter.value for labels, counter in self.metrics.request_count.points()}


def telling(begun: threading.Event) -> Callable[[Gone], bytes]:
    """Something to do that says when it is begun."""

    def do(gone: Gone) -> bytes:
        begun.set()
        return b"done"

    return do


@pytest.mark.parametrize("follows", [False, True], ids=["body", "future"])
def test_a_worker_makes_it(follows: bool) -> None:
    """The answer is the body, or what comes of the future that stands for it."""
    asking, later = Asking(), Future[bytes]()
    call = LongCall(lambda gone: later if follows else threading.current_thread().name.encode(), asking.workers)
    answer = call.elsewhere()
    if follows:
        asking.idle()
        assert not answer.done()
        later.set_running_or_notify_cancel()
        later.set_result(b"worker, later")
    assert answer.result(TIMEOUT_SECONDS).startswith(b"worker")
    assert call.bounded


@pytest.mark.parametrize("follows", [False, True], ids=["raised", "future"])
def test_failure_is_the_answer(follows: bool) -> None:
    """Whoever waits gets the error itself."""
    asking, later = Asking(), Future[bytes]()
    later.set_exception(REFUSAL)

    def do(gone: Gone) -> Future[bytes]:
        if follows:
            return later
        raise REFUSAL

    assert LongCall(do, asking.workers).elsewhere().exception(TIMEOUT_SECONDS) is REFUSAL


@pytest.mark.parametrize("follows", [False, True], ids=["body", "future"])
def test_here(follows: bool) -> None:
    """In this thread, to its end."""
    later = Future[bytes]()
    later.set_result(b"body")
    assert LongCall(lambda gone: later if follows else b"body").here(bool) == b"body"


def test_here_for_nobody() -> None:
    """A run that goes on when its caller has gone is given up: the thread is free, and the run is nobody's."""
    later = Future[bytes]()
    with pytest.raises(ServingError) as raised:
        LongCall(lambda gone: later).here(lambda: True)
    assert (raised.value.code, later.cancelled()) == (Code.CANCELLED, True)


def test_here_with_an_answer_that_is_a_timeout() -> None:
    """It is the answer, not the end of a look."""
    later = Future[bytes]()
    later.set_exception(TimeoutError("no"))
    with pytest.raises(TimeoutError, match="no"):
        LongCall(lambda gone: later).here(lambda: True)


def test_refused_by_full_workers(gate: threading.Event) -> None:
    """It is never begun, and counted."""
    asking, begun = Asking(most=1), threading.Event()
    held = asking.hold(gate)
    with pytest.raises(ServingError) as raised:
        LongCall(telling(begun), asking.workers, asking.series.failed).elsewhere()
    gate.set()
    held.result(TIMEOUT_SECONDS)
    assert (raised.value.code, asking.counts()) == (Code.RESOURCE_EXHAUSTED, {"RESOURCE_EXHAUSTED": 1})
    assert not begun.is_set()


def test_cancelled_while_it_waits(gate: threading.Event) -> None:
    """It is never begun, and counted as cancelled."""
    asking, begun = Asking(), threading.Event()
    asking.hold(gate)
    assert LongCall(telling(begun), asking.workers, asking.series.failed).elsewhere().cancel()
    gate.set()
    asking.idle()
    assert (asking.counts(), begun.is_set()) == ({"CANCELLED": 1}, False)


def test_cancelled_while_it_waits_for_its_run() -> None:
    """What stands for the body is cancelled as well, so that a run that has not begun never does."""
    asking, later = Asking(), Future[bytes]()
    answer = LongCall(lambda gone: later, asking.workers).elsewhere()
    asking.idle()
    assert answer.cancel()
    assert later.cancelled()


def test_dropped_run_ends_the_wait() -> None:
    """When the run's threads are shut down nobody goes on waiting."""
    asking, later = Asking(), Future[bytes]()
    answer = LongCall(lambda gone: later, asking.workers).elsewhere()
    asking.idle()
    later.cancel()
    assert answer.cancelled()


def body_or(outcome: bytes | Future[bytes], gone: Gone) -> bytes | Future[bytes]:
    """What a call gives."""
    return outcome


@pytest.mark.parametrize("follows", [False, True], ids=["body", "future"])
def test_answer_is_not_left_to_the_garbage_collector(follows: bool) -> None:
    """It may be large, and collections are rare."""
    asking, later = Asking(), Future[bytes]()
    answer = LongCall(partial(body_or, later if follows else b"body"), asking.workers).elsewhere()
    asking.idle()
    later.set_result(b"later")
    answer.result(TIMEOUT_SECONDS)
    del later
    kept = ref(answer)
    collecting = gc.isenabled()
    gc.disable()
    try:
        del answer
        assert kept() is None
    finally:
        if collecting:
            gc.enable()
