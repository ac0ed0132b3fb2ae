"""Whatever is done to a batch queue, it loses, duplicates and reorders nothing, keeps its limits and is never late."""

import math
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from serving.core.batch_queue import BatchQueue, BatchQueues, QueueOptions
from serving.errors import ServingError
from tests.support.properties import examples

SIZES = st.integers(1, 6)
OPTIONS = st.builds(
    lambda execution, more, **others: QueueOptions(
        max_execution_batch_size=execution, max_batch_size=execution + more, **others
    ),
    execution=SIZES,
    more=st.integers(0, 6),
    batch_timeout_micros=st.integers(0, 3_000_000),
    max_enqueued_batches=st.integers(1, 4),
    splitting=st.booleans(),
)
OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 14)),
        st.tuples(st.just("wait"), st.floats(0, 2)),
        st.tuples(st.just("take"), st.just(0)),
        st.tuples(st.just("discard"), st.integers(0, 30)),
    ),
    max_size=40,
)


class Caller:
    """A task; equal to nothing but itself."""

    def __init__(self, rows: int, came: float) -> None:
        self.rows = rows
        self.came = came


@dataclass
class Machine:
    """A queue driven by operations, and what a caller may expect of it."""

    options: QueueOptions
    now: float = 0.0
    accepted: list[Caller] = field(default_factory=list)
    discarded: set[Caller] = field(default_factory=set)
    taken: list[tuple[Caller, int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.queue: BatchQueue[Caller] = BatchQueue(self.options)

    def do(self, name: str, value: float) -> None:
        match name:
            case "put":
                self.put(int(value))
            case "wait":
                self.now += value
            case "take":
                self.take(self.now)
            case _:
                self.discard(int(value))
        self.check_never_late()
        self.check_enqueued()

    def put(self, rows: int) -> None:
        caller = Caller(rows, self.now)
        before = self.queue.due_at, len(self.queue)
        try:
            self.queue.put(caller, rows, self.now)
        except ServingError:
            assert (self.queue.due_at, len(self.queue)) == before
        else:
            assert rows <= self.options.max_batch_size
            self.accepted.append(caller)

    def take(self, now: float) -> bool:
        batch = self.queue.take(now)
        if batch is None:
            return False
        assert batch.parts
        assert batch.rows == sum(part.stop - part.start for part in batch.parts) <= self.options.batch_rows
        self.taken.extend((part.task, part.start, part.stop) for part in batch.parts)
        return True

    def discard(self, index: int) -> None:
        if index < len(self.accepted):
            self.discarded.add(self.accepted[index])
            self.queue.discard(self.accepted[index])

    def check_never_late(self) -> None:
        timeout = self.options.batch_timeout_micros / 1e6
        for caller in self.waiting():
            due_at = self.queue.due_at
            assert due_at is not None
            assert due_at <= caller.came + timeout

    def check_enqueued(self) -> None:
        assert len(self.queue) <= self.options.max_enqueued_batches

    def waiting(self) -> list[Caller]:
        rows = dict.fromkeys(self.accepted, 0)
        for caller, start, stop in self.taken:
            rows[caller] += stop - start
        seen = {caller for caller, _, _ in self.taken}
        return [
            caller
            for caller in self.accepted
            if caller not in self.discarded and (rows[caller] < caller.rows or caller not in seen)
        ]


@examples(300)
@given(OPTIONS, OPERATIONS)
def test_everything_comes_out_once_in_order(options: QueueOptions, operations: list[tuple[str, float]]) -> None:
    """Every row that was accepted and not given up is taken once, in order of arrival, in batches that are not late."""
    machine = Machine(options)
    for operation in operations:
        machine.do(*operation)
    while machine.take(math.inf):
        pass
    kept = [part for part in machine.taken if part[0] not in machine.discarded]
    rows = [(caller, row) for caller, start, stop in kept for row in range(start, stop)]
    expected = [caller for caller in machine.accepted if caller not in machine.discarded]
    assert rows == [(caller, row) for caller in expected for row in range(caller.rows)]
    assert list(dict.fromkeys(caller for caller, _, _ in kept)) == expected


@examples(200)
@given(OPTIONS, st.lists(st.tuples(st.integers(0, 2), st.integers(0, 14)), max_size=40))
def test_queues_share_fairly(options: QueueOptions, puts: list[tuple[int, int]]) -> None:
    """Among queues that all have something due, none is served twice before another is served once."""
    queues: BatchQueues[int] = BatchQueues()
    own: list[BatchQueue[int]] = [BatchQueue(options) for _ in range(3)]
    for name, rows in puts:
        try:
            queues.put(own[name], name, rows, 0.0)
        except ServingError:
            continue
    served: list[int] = []
    left = {name: len(queue) for name, queue in enumerate(own)}
    while (batch := queues.take(math.inf)) is not None:
        name = batch.parts[0].task
        waiting = {other for other, count in left.items() if count and other != name}
        last = len(served) - 1 - served[::-1].index(name) if name in served else None
        if last is not None:
            assert waiting <= set(served[last + 1 :])
        served.append(name)
        left[name] -= 1
    assert not any(left.values())
