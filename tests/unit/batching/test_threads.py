"""The batch threads: who runs what where, leases, the end, and that no thread is left behind or lost."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import pytest

from serving.batching.parameters import BatchingParameters
from serving.batching.scheduler import BatchScheduler
from serving.batching.servable import BatchedServable
from serving.core.handle import Lease
from serving.core.servable import Run
from serving.core.tensor import Tensor
from serving.errors import Code, ServingError
from tests.support import TIMEOUT_SECONDS, servable_id
from tests.unit.batching.models import Calculator, tensor, values

FOR_EVER = 2**63 - 1
"""The longest timeout that can be written, in microseconds; longer than Python can wait."""
Hook = Callable[[list[float]], None]


class Hooked(Calculator):
    """A Calculator that tells ``hook`` the values of ``x`` before it computes, and which thread it is in."""

    def __init__(self, hook: Hook = lambda values: None) -> None:
        super().__init__()
        self.threads: list[str] = []
        self._hook = hook

    def compute(self, fed: dict[str, Tensor], fetches: tuple[str, ...]) -> list[Tensor]:
        self.threads.append(threading.current_thread().name)
        self._hook(fed["x"].array.tolist())
        return super().compute(fed, fetches)


@contextmanager
def started(threads: int = 2, name: str = "batch") -> Iterator[BatchScheduler]:
    scheduler = BatchScheduler(threads=threads, name=name)
    scheduler.start()
    try:
        yield scheduler
    finally:
        scheduler.close(TIMEOUT_SECONDS)


def double(model: Calculator, scheduler: BatchScheduler, observer: Any = None, **parameters: Any) -> Run:
    """The run of a model that doubles ``x``."""
    servable = BatchedServable(model, BatchingParameters(**parameters), scheduler, observer)
    return servable.resolve(("x",), ("double",))


def result(future: Future[list[Tensor]]) -> Any:
    return values(future.result(TIMEOUT_SECONDS))[0]


class Hold:
    """A hook that holds up the calls that have ``value`` in them until ``release``; ``entered`` tells of the first."""

    def __init__(self, value: float = 1.0) -> None:
        self._value = value
        self._released = threading.Event()
        self.entered = threading.Event()

    def __call__(self, values: list[float]) -> None:
        if self._value in values:
            self.entered.set()
            assert self._released.wait(TIMEOUT_SECONDS)

    def release(self) -> None:
        self._released.set()

    def wait(self) -> None:
        assert self.entered.wait(TIMEOUT_SECONDS)


def test_submitted_runs_on_a_batch_thread() -> None:
    """A submitted call occupies no thread of its caller."""
    model = Hooked()
    with started(name="pool") as scheduler:
        assert result(double(model, scheduler).submit([tensor([1.0])], 0)) == [2.0]
    assert model.threads[0].startswith("pool-")


def test_caller_that_waits_runs_it_itself() -> None:
    """When nothing waits and a thread would be idle, a call is made where it was asked for."""
    model = Hooked()
    with started() as scheduler:
        assert values(double(model, scheduler)([tensor([1.0])], 0)) == [[2.0]]
    assert model.threads == [threading.current_thread().name]


def test_caller_waits_for_a_batch_that_is_not_due() -> None:
    """A caller that waits does not run its batch before it is full."""
    model = Hooked()
    with started(name="pool") as scheduler:
        run = double(model, scheduler, max_batch_size=2, batch_timeout_micros=FOR_EVER)
        other = run.submit([tensor([1.0])], 0)
        assert (values(run([tensor([2.0])], 0)), result(other)) == ([[4.0]], [2.0])
    assert model.threads[0].startswith("pool-")
    assert model.calls == [[[1.0, 2.0]]]


def test_timeout_passes() -> None:
    """A thread that waits for company gives up when the timeout has passed."""
    with started() as scheduler:
        assert result(double(Hooked(), scheduler, batch_timeout_micros=1000).submit([tensor([1.0])], 0)) == [2.0]


def test_thread_that_takes_a_batch_hands_on_the_watch() -> None:
    """While one thread is busy, another one minds the timeouts."""
    hold = Hold()
    with started() as scheduler:
        waits = double(Hooked(), scheduler, batch_timeout_micros=50_000)
        blocks = double(Hooked(hold), scheduler)
        patient = waits.submit([tensor([5.0])], 0)
        blocked = blocks.submit([tensor([1.0])], 0)
        assert result(patient) == [10.0]
        hold.release()
        assert result(blocked) == [2.0]


def test_no_more_batches_at_a_time_than_threads() -> None:
    """A caller that could run its batch itself counts as a thread: beyond them requests wait and are merged."""
    hold, model = Hold(), Hooked()
    with started(threads=1) as scheduler:
        blocked = double(Hooked(hold), scheduler).submit([tensor([1.0])], 0)
        hold.wait()
        run = double(model, scheduler)
        waiting = [run.submit([tensor([value])], 0) for value in (2.0, 3.0)]
        assert not model.calls
        hold.release()
        assert ([result(future) for future in waiting], result(blocked)) == ([[4.0], [6.0]], [2.0])
    assert model.calls == [[[2.0, 3.0]]]


def test_begun_call_cannot_be_cancelled() -> None:
    """Work that has begun finishes, and its callers are answered."""
    hold = Hold()
    with started() as scheduler:
        future = double(Hooked(hold), scheduler).submit([tensor([1.0])], 0)
        hold.wait()
        assert not future.cancel()
        hold.release()
        assert result(future) == [2.0]


def test_parts_may_finish_in_any_order() -> None:
    """A split request is answered in the order of its rows when its last part is done before the first."""
    done = threading.Event()

    def first_waits_for_the_rest(values: list[float]) -> None:
        if 1.0 in values:
            assert done.wait(TIMEOUT_SECONDS)
        else:
            done.set()

    with started() as scheduler:
        run = double(
            Hooked(first_waits_for_the_rest),
            scheduler,
            max_batch_size=4,
            max_execution_batch_size=2,
            enable_large_batch_splitting=True,
        )
        assert result(run.submit([tensor([1.0, 2.0, 3.0])], 0)) == [2.0, 4.0, 6.0]


def test_caller_runs_a_part_and_waits_for_the_rest() -> None:
    """A split call that is waited for is complete when it returns."""
    with started() as scheduler:
        run = double(
            Hooked(), scheduler, max_batch_size=4, max_execution_batch_size=1, enable_large_batch_splitting=True
        )
        assert values(run([tensor([1.0, 2.0, 3.0, 4.0])], 0)) == [[2.0, 4.0, 6.0, 8.0]]


def test_unload_waits_for_what_is_queued() -> None:
    """A queued request holds its version: it is closed after the answer, not before."""
    hold, model = Hold(), Hooked()
    with started(threads=1) as scheduler:
        blocked = double(Hooked(hold), scheduler).submit([tensor([1.0])], 0)
        hold.wait()
        servable = BatchedServable(model, BatchingParameters(), scheduler)
        closed = threading.Event()

        def close() -> None:
            servable.close()
            closed.set()

        lease = Lease(servable_id(1), servable, close)
        handle = lease.take()
        assert handle is not None
        queued = servable.resolve(("x",), ("double",)).submit([tensor([2.0])], 0)
        queued.add_done_callback(lambda _: handle.release())
        lease.close()
        assert not closed.is_set()
        hold.release()
        assert (result(queued), result(blocked)) == ([4.0], [2.0])
        assert closed.wait(TIMEOUT_SECONDS)
    assert model.closed == 1


def test_close_runs_what_is_queued() -> None:
    """At the end what waits for company is run without it, and nothing more is taken."""
    scheduler = BatchScheduler(threads=2)
    scheduler.start()
    run = double(Hooked(), scheduler, max_batch_size=2, batch_timeout_micros=FOR_EVER)
    futures = [run.submit([tensor([float(value)])], 0) for value in range(5)]
    scheduler.close(TIMEOUT_SECONDS)
    assert [result(future) for future in futures] == [[0.0], [2.0], [4.0], [6.0], [8.0]]
    with pytest.raises(ServingError) as caught:
        run.submit([tensor([1.0])], 0)
    assert caught.value.code is Code.UNAVAILABLE


def test_close_does_not_wait_for_ever() -> None:
    """A call that does not end keeps the end no longer than it may take."""
    hold = Hold()
    with started() as scheduler:
        future = double(Hooked(hold), scheduler).submit([tensor([1.0])], 0)
        hold.wait()
        scheduler.close(0.0)
        hold.release()
        assert result(future) == [2.0]


def test_close_without_start() -> None:
    """A scheduler whose threads never ran can be closed."""
    BatchScheduler(threads=1).close(TIMEOUT_SECONDS)


def test_no_thread_is_left() -> None:
    """Each scheduler's threads end with it, whether or not they had something to do."""
    before = batching_threads()
    for round_ in range(20):
        with started(threads=3) as scheduler:
            if round_ % 2:
                result(double(Hooked(), scheduler).submit([tensor([1.0])], 0))
    assert batching_threads() == before


def batching_threads() -> set[str]:
    """Those of schedulers; other tests of the process may have others that are about to end."""
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("batch_threads")}


class Broken:
    """An observer with a bug."""

    def batched(self, queued_seconds: float, input_rows: Sequence[int]) -> None:
        raise ZeroDivisionError("bug")

    def ran(self, rows: int, padding_rows: int) -> None: ...

    def alone(self, rows: int, inputs: int) -> None: ...


def test_bug_ends_the_call_and_not_the_thread() -> None:
    """Whatever goes wrong around a batch is told to its callers; the thread goes on."""
    with started(threads=1) as scheduler:
        with pytest.raises(ZeroDivisionError):
            result(double(Hooked(), scheduler, Broken()).submit([tensor([1.0])], 0))
        assert result(double(Hooked(), scheduler).submit([tensor([1.0])], 0)) == [2.0]


def test_many_callers() -> None:
    """Callers of both kinds, at once, on two models: everyone gets its own answer, and every row is run once."""
    models = [Hooked(), Hooked()]
    answers: list[tuple[float, Any]] = []
    with started() as scheduler:
        runs = [double(model, scheduler) for model in models]

        def ask(start: int) -> None:
            for value in range(start, start + 40):
                run = runs[value % 2]
                x = [tensor([float(value)])]
                got = values(run(x, 0))[0] if value % 3 else result(run.submit(x, 0))
                answers.append((float(value), got))

        threads = [threading.Thread(target=ask, args=(index * 100,)) for index in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(TIMEOUT_SECONDS)
    assert len(answers) == 320
    assert all(got == [2 * value] for value, got in answers)
    assert sorted(row for model in models for (rows,) in model.calls for row in rows) == sorted(v for v, _ in answers)
