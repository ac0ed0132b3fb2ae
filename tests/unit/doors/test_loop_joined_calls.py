"""Requests of one turn of the event loop: who waits for whom, and that a client that goes away harms nobody."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any

import pytest

from serving.core.tensor import Tensor
from serving.errors import ServingError
from serving.rest.joined_calls import LoopJoinedCalls
from tests.unit.inference.test_joined_calls import BAD, REFUSAL, Doubler, lone


class Queued(Doubler):
    """A busy run whose queued calls end when the test says so."""

    def __init__(self, *, refuses: bool = False) -> None:
        super().__init__(busy=True)
        self.queued: list[Future[list[Tensor]]] = []
        self._refuses = refuses

    def submit(self, tensors: Any, timeout_ms: int) -> Future[list[Tensor]]:
        if self._refuses:
            raise REFUSAL
        self.queued.append(Future())
        return self.queued[-1]


def in_loop(scenario: Callable[[LoopJoinedCalls], Coroutine[Any, Any, Any]]) -> Any:
    """Run a scenario with joined calls of its own to its end."""

    async def run() -> Any:
        return await scenario(LoopJoinedCalls())

    return asyncio.run(run())


def ask(joined: LoopJoinedCalls, run: Doubler, value: int) -> "asyncio.Future[bytes]":
    """Begin a call that is not answered at once."""
    answer = joined.begin(lone(run, value)[0])
    assert not isinstance(answer, bytes)
    return answer


def test_first_of_a_quiet_turn_is_answered_at_once() -> None:
    """With nobody around a request waits for nothing, turn after turn."""

    async def scenario(joined: LoopJoinedCalls) -> Any:
        run, bodies = Doubler(), []
        for value in (1, 2):
            bodies.append(joined.begin(lone(run, value)[0]))
            await asyncio.sleep(0)
        return bodies, run.batches

    assert in_loop(scenario) == ([b"2", b"4"], [[1], [2]])


def test_others_of_the_turn_are_run_together() -> None:
    """What comes after the first is made as one call at the end of the turn."""

    async def scenario(joined: LoopJoinedCalls) -> Any:
        run = Doubler()
        first = joined.begin(lone(run, 1)[0])
        answers = [ask(joined, run, value) for value in (2, 3)]
        return first, await asyncio.gather(*answers), run.batches

    assert in_loop(scenario) == (b"2", [b"4", b"6"], [[1], [2, 3]])


def test_turn_after_a_crowded_one_waits_for_everybody() -> None:
    """When there was company in the turn before, the first one waits for it; when none comes, the next does not."""

    async def scenario(joined: LoopJoinedCalls) -> Any:
        run = Doubler()
        joined.begin(lone(run, 1)[0])
        await ask(joined, run, 2)
        await asyncio.gather(*[ask(joined, run, value) for value in (3, 4)])
        alone = await ask(joined, run, 5)
        return alone, joined.begin(lone(run, 6)[0]), run.batches

    assert in_loop(scenario) == (b"10", b"12", [[1], [2], [3, 4], [5], [6]])


def test_failure_is_its_own_callers() -> None:
    """One refused request of a turn fails alone."""

    async def scenario(joined: LoopJoinedCalls) -> Any:
        run = Doubler()
        joined.begin(lone(run, 1)[0])
        return await asyncio.gather(*[ask(joined, run, value) for value in (BAD, 2)], return_exceptions=True)

    assert in_loop(scenario) == [REFUSAL, b"4"]


def test_client_that_goes_away_harms_nobody() -> None:
    """Its call is made or not; the others of the turn are answered, and its lease is released."""

    async def scenario(joined: LoopJoinedCalls) -> Any:
        run = Doubler()
        joined.begin(lone(run, 1)[0])
        call, lease = lone(run, 2)
        gone, kept = joined.begin(call), ask(joined, run, 3)
        assert not isinstance(gone, bytes)
        gone.cancel()
        return await kept, lease.returned

    assert in_loop(scenario) == (b"6", 1)


def first(joined: LoopJoinedCalls, run: Doubler) -> "asyncio.Future[bytes]":
    """A request that is alone in its turn."""
    return ask(joined, run, 4)


def later(joined: LoopJoinedCalls, run: Doubler) -> "asyncio.Future[bytes]":
    """A request that comes after another one."""
    joined.begin(lone(Doubler(), 1)[0])
    return ask(joined, run, 4)


WHEN = pytest.mark.parametrize("begin", [first, later], ids=lambda begin: begin.__name__)


@WHEN
def test_what_has_to_wait_is_queued(begin: Callable[[LoopJoinedCalls, Doubler], "asyncio.Future[bytes]"]) -> None:
    """A call that others come before is answered when its queue has done it."""

    async def scenario(joined: LoopJoinedCalls) -> Any:
        run = Queued()
        answer = begin(joined, run)
        await asyncio.sleep(0)
        run.queued[0].set_running_or_notify_cancel()
        run.queued[0].set_result([*lone(run, 8)[0].tensors])
        return await answer

    assert in_loop(scenario) == b"8"


@WHEN
def test_giving_up_in_the_queue(begin: Callable[[LoopJoinedCalls, Doubler], "asyncio.Future[bytes]"]) -> None:
    """A client that goes away while its call waits takes it out of the queue."""

    async def scenario(joined: LoopJoinedCalls) -> Any:
        run = Queued()
        answer = begin(joined, run)
        await asyncio.sleep(0)
        answer.cancel()
        await asyncio.gather(answer, return_exceptions=True)
        await asyncio.sleep(0)
        return run.queued[0].cancelled()

    assert in_loop(scenario)


@WHEN
def test_gone_before_it_was_queued(begin: Callable[[LoopJoinedCalls, Doubler], "asyncio.Future[bytes]"]) -> None:
    """A client that was gone at the end of its turn leaves nothing in the queue."""

    async def scenario(joined: LoopJoinedCalls) -> Any:
        run = Queued()
        begin(joined, run).cancel()
        for _ in range(4):
            await asyncio.sleep(0)
        return all(each.cancelled() for each in run.queued)

    assert in_loop(scenario)


def test_failure_in_the_queue() -> None:
    """What goes wrong there is the answer."""

    async def scenario(joined: LoopJoinedCalls) -> Any:
        run = Queued()
        answer = later(joined, run)
        await asyncio.sleep(0)
        run.queued[0].set_running_or_notify_cancel()
        run.queued[0].set_exception(REFUSAL)
        return await asyncio.gather(answer, return_exceptions=True)

    assert in_loop(scenario) == [REFUSAL]


def test_dropped_in_the_queue() -> None:
    """When the queue is dropped nobody goes on waiting."""

    async def scenario(joined: LoopJoinedCalls) -> Any:
        run = Queued()
        answer = later(joined, run)
        await asyncio.sleep(0)
        run.queued[0].cancel()
        return await asyncio.gather(answer, return_exceptions=True)

    assert isinstance(in_loop(scenario)[0], asyncio.CancelledError)


def test_refused_by_the_queue() -> None:
    """A full queue is an error at once: of the first of a turn raised, of another one its answer."""

    async def scenario(joined: LoopJoinedCalls) -> Any:
        return await asyncio.gather(later(joined, Queued(refuses=True)), return_exceptions=True)

    assert in_loop(scenario) == [REFUSAL]

    async def alone(joined: LoopJoinedCalls) -> None:
        joined.begin(lone(Queued(refuses=True), 1)[0])

    with pytest.raises(ServingError):
        in_loop(alone)
