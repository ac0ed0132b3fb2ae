"""Where work runs: what is long by estimate, and the bounded workers that do it."""

import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future
from queue import Queue

import numpy as np
import pytest

from serving.core.tensor import DataType, Tensor
from serving.errors import Code, ServingError
from serving.inference.placement import (
    FEW,
    INLINE_SECONDS,
    TooLongHereError,
    Workers,
    check_inline,
    is_long_to_write,
)
from tests.support import TIMEOUT_SECONDS
from tests.support.server_process import wait_until


class Work:
    """Something to do that does not end before ``gate`` is set; ``begun`` says that a worker has taken it."""

    def __init__(self, gate: threading.Event) -> None:
        self.gate = gate
        self.begun = threading.Event()

    def __call__(self, answer: Future[bytes]) -> None:
        self.begun.set()
        assert self.gate.wait(TIMEOUT_SECONDS)
        if answer.set_running_or_notify_cancel():
            answer.set_result(threading.current_thread().name.encode())


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Opened at the end, so that no thread is left behind."""
    event = threading.Event()
    yield event
    event.set()


def test_work_is_done_by_a_worker(gate: threading.Event) -> None:
    """Off the thread that asks, on one that can be told by its name."""
    gate.set()
    assert Workers(1).submit(Work(gate)).result(TIMEOUT_SECONDS).startswith(b"worker")


def test_what_is_too_much_is_refused(gate: threading.Event) -> None:
    """Once as much is under way or waits as may; the text says what to do, and with which flag."""
    workers, works = Workers(1, most=2), [Work(gate) for _ in range(3)]
    first, second = workers.submit(works[0]), workers.submit(works[1])
    with pytest.raises(ServingError) as raised:
        workers.submit(works[2])
    assert raised.value.code is Code.RESOURCE_EXHAUSTED
    assert raised.value.message == (
        "2 requests that take long to read or to answer are under way; expected fewer at a time: try again, or set "
        "--max_long_requests"
    )
    gate.set()
    assert [bool(each.result(TIMEOUT_SECONDS)) for each in (first, second)] == [True, True]
    assert not works[2].begun.is_set()


@pytest.mark.parametrize("fails", [False, True], ids=["done", "failed"])
def test_places_are_free_again(fails: bool) -> None:
    """After whatever has ended, however it ended."""

    def work(answer: Future[bytes]) -> None:
        if fails:
            answer.set_exception(ServingError(Code.UNKNOWN, "no"))
        else:
            answer.set_result(b"")

    workers = Workers(1, most=1)
    for _ in range(20):
        freed = threading.Event()
        workers.submit(work).add_done_callback(lambda _, freed=freed: freed.set())  # type: ignore[misc]
        assert freed.wait(TIMEOUT_SECONDS)


def test_what_waits_can_be_cancelled(gate: threading.Event) -> None:
    """Nobody waits for it any more; it keeps its place, as it keeps its body, until a thread has come to it."""
    workers, works = Workers(1, most=2), [Work(gate) for _ in range(3)]
    running = workers.submit(works[0])
    assert works[0].begun.wait(TIMEOUT_SECONDS)
    cancelled = workers.submit(works[1])
    assert cancelled.cancel()
    with pytest.raises(ServingError, match="2 requests"):
        workers.submit(works[2])
    gate.set()
    assert running.result(TIMEOUT_SECONDS)
    wait_until("there is room again", lambda: has_room(workers, works[2]))
    assert cancelled.cancelled()


def has_room(workers: Workers, work: Work) -> bool:
    """Whether work is taken, and done."""
    try:
        return bool(workers.submit(work).result(TIMEOUT_SECONDS))
    except ServingError:
        return False


def test_close_drops_what_waits(gate: threading.Event) -> None:
    """What has begun ends by itself, nobody waits for the rest, and more is not taken."""
    workers, works = Workers(1), [Work(gate), Work(gate)]
    running, waiting = (workers.submit(work) for work in works)
    assert works[0].begun.wait(TIMEOUT_SECONDS)
    workers.close()
    with pytest.raises(CancelledError):
        waiting.result(TIMEOUT_SECONDS)
    with pytest.raises(RuntimeError):
        workers.submit(works[1])
    gate.set()
    assert running.result(TIMEOUT_SECONDS)
    assert not works[1].begun.is_set()


def test_refusal_after_close_takes_no_place() -> None:
    """However often it is tried, the answer is the same."""
    workers = Workers(1, most=1)
    workers.close()
    for _ in range(3):
        with pytest.raises(RuntimeError):
            workers.submit(lambda answer: answer.set_result(b""))


def test_idle_is_told_once_nothing_is_under_way(gate: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not while something is, and again after more was done."""
    monkeypatch.setattr("serving.inference.placement._IDLE_SECONDS", 0.01)
    told: Queue[bool] = Queue()
    workers = Workers(1, on_idle=lambda: told.put(gate.is_set()))
    held = workers.submit(Work(gate))
    gate.set()
    assert held.result(TIMEOUT_SECONDS)
    assert told.get(timeout=TIMEOUT_SECONDS) is True
    assert workers.submit(Work(gate)).result(TIMEOUT_SECONDS)
    assert told.get(timeout=TIMEOUT_SECONDS) is True


@pytest.mark.parametrize(
    ("seconds", "limited", "too_long"),
    [
        pytest.param(INLINE_SECONDS, True, False, id="just short"),
        pytest.param(INLINE_SECONDS * 1.01, True, True, id="just long"),
        pytest.param(3600.0, False, False, id="not limited"),
    ],
)
def test_reading_by_estimate(seconds: float, limited: bool, too_long: bool) -> None:
    """Only where time is limited, and beyond the limit alone."""
    if too_long:
        with pytest.raises(TooLongHereError):
            check_inline(seconds, limited=limited)
    else:
        check_inline(seconds, limited=limited)


def floats(count: int) -> Tensor:
    return Tensor(DataType.FLOAT, np.zeros(count, np.float32))


def strings(*values: bytes) -> Tensor:
    array = np.empty(len(values), object)
    array[:] = values
    return Tensor(DataType.STRING, array)


@pytest.mark.parametrize(
    ("tensors", "long"),
    [
        pytest.param([], False, id="nothing"),
        pytest.param([floats(FEW)], False, id="few numbers"),
        pytest.param([floats(1_000_000)], True, id="many numbers"),
        pytest.param([floats(1), floats(1_000_000)], True, id="many behind few"),
        pytest.param([floats(9_000), floats(9_000)], True, id="together"),
        pytest.param([strings(b"a" * 1000)], False, id="short strings"),
        pytest.param([strings(b"a" * 5_000_000)], True, id="one long string"),
        pytest.param([strings(*[b"a" * 1000] * 4000)], True, id="long strings together"),
        pytest.param([strings(*[b""] * 100_000)], True, id="many strings"),
    ],
)
def test_writing_by_estimate(tensors: list[Tensor], long: bool) -> None:
    """Numbers count by how many they are, strings by their bytes as well."""
    assert is_long_to_write(tensors) is long
