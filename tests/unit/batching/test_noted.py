"""Batches that are noted on the futures of their members, for traces; and that none is unless somebody asks."""

from typing import Any

from serving.batching.parameters import BatchingParameters
from serving.batching.servable import BatchedServable
from serving.core.places import PlacedFuture
from tests.unit.batching.models import Stepped, tensor


def noted(future: object) -> list[tuple[int, int, float, float]]:
    assert isinstance(future, PlacedFuture)
    return [(batch.members, batch.rows, batch.began, batch.ended) for batch in future.batches]


class Wall:
    """A clock that goes on by a second whenever it is read."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


def stepped(wall: Wall | None, **parameters: Any) -> Stepped:
    made = Stepped(**parameters)
    made.servable = BatchedServable(made.model, BatchingParameters(**parameters), made.scheduler, wall=wall)
    return made


def test_members_know_their_batch() -> None:
    """How many they were, how many rows they had, and when it ran; it is one batch to all of them."""
    model = stepped(Wall(), max_batch_size=8, batch_timeout_micros=1)
    futures = [model.submit(tensor([1.0] * rows)) for rows in (1, 2)]
    model.clock.advance(1)
    assert model.steps() == 1
    assert [noted(future) for future in futures] == [[(2, 3, 101.0, 102.0)]] * 2
    first, second = [future.batches for future in futures if isinstance(future, PlacedFuture)]
    assert first == second


def test_a_request_that_is_split_knows_all_of_its_batches() -> None:
    """In the order in which they ran."""
    model = stepped(Wall(), max_batch_size=2, batch_timeout_micros=1)
    future = model.submit(tensor([1.0] * 2))
    large = stepped(Wall(), max_batch_size=4, max_execution_batch_size=2, enable_large_batch_splitting=True)
    split = large.submit(tensor([1.0] * 4))
    model.clock.advance(1)
    large.clock.advance(1)
    assert (model.steps(), large.steps()) == (1, 2)
    assert (len(noted(future)), [rows for _, rows, _, _ in noted(split)]) == (1, [2, 2])


def test_a_batch_that_fails_is_noted() -> None:
    """Its members are told of it all the same."""
    model = stepped(Wall(), max_batch_size=8, batch_timeout_micros=1)
    future = model.submit(tensor([-1.0]))
    model.clock.advance(1)
    model.steps()
    assert future.exception(0) is not None
    assert noted(future) == [(1, 1, 101.0, 102.0)]


def test_nothing_is_noted_for_nobody() -> None:
    """Without a clock for it."""
    model = stepped(None, max_batch_size=8, batch_timeout_micros=1)
    future = model.submit(tensor([1.0]))
    model.clock.advance(1)
    model.steps()
    assert noted(future) == []
