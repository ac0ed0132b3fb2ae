"""A batched servable, stepped by hand: callers that leave, odd inputs and failing runs harm nobody else."""

from typing import Any

import pytest

from serving.core.tensor import DataType
from serving.errors import Code
from tests.unit.batching.models import SLOW, Stepped, answer, tensor

INVALID = Code.INVALID_ARGUMENT


def test_cancelled_caller_leaves_the_batch() -> None:
    """One caller gives up before the run: it is run without that caller, and the rest are answered."""
    stepped = Stepped()
    first, gone, last = (stepped.submit(tensor([value])) for value in (1.0, 2.0, 3.0))
    assert gone.cancel()
    stepped.steps()
    assert stepped.model.calls == [[[1.0, 3.0]]]
    assert (answer(first), answer(last)) == ([[2.0]], [[6.0]])


def test_cancelled_caller_frees_its_place() -> None:
    """Giving up makes room in a full queue."""
    stepped = Stepped(max_batch_size=2, max_enqueued_batches=1)
    gone, kept = stepped.submit(tensor([1.0])), stepped.submit(tensor([2.0]))
    gone.cancel()
    late = stepped.submit(tensor([3.0]))
    stepped.steps()
    assert (answer(kept), answer(late)) == ([[4.0]], [[6.0]])


def test_everybody_cancelled() -> None:
    """A batch of which nobody is left is not run."""
    stepped = Stepped()
    stepped.submit(tensor([1.0])).cancel()
    assert (stepped.steps(), stepped.model.calls) == (0, [])


BAD = [
    pytest.param(tensor([-1.0]), (INVALID, "negative: [-1.0]"), id="refused-by-the-model"),
    pytest.param(tensor([b"s"], DataType.STRING), [[b"ss"]], id="other-dtype"),
    pytest.param(tensor([[4.0, 5.0]]), [[[8.0, 10.0]]], id="other-shape"),
]


@pytest.mark.parametrize(("bad", "expected"), BAD)
def test_bad_input_harms_nobody(bad: Any, expected: Any) -> None:
    """What does not go together is run apart: the others are right, and the odd one gets what it would get alone."""
    stepped = Stepped()
    first, odd, last = stepped.submit(tensor([1.0])), stepped.submit(bad), stepped.submit(tensor([3.0]))
    assert stepped.steps() == 1
    assert (answer(first), answer(odd), answer(last)) == ([[2.0]], expected, [[6.0]])


def test_failed_batch_is_run_again_for_each() -> None:
    """A run that fails for several is made once more for each of them, alone."""
    stepped = Stepped()
    for value in (1.0, -2.0, 3.0):
        stepped.submit(tensor([value]))
    stepped.steps()
    assert stepped.model.calls == [[[1.0, -2.0, 3.0]], [[1.0]], [[-2.0]], [[3.0]]]


def test_batch_without_time_is_not_run_again() -> None:
    """When the time is up, running again would only take more of it."""
    stepped = Stepped()
    futures = [stepped.submit(tensor([value])) for value in (1.0, SLOW)]
    stepped.steps()
    assert [answer(future) for future in futures] == [(Code.DEADLINE_EXCEEDED, "too slow")] * 2
    assert len(stepped.model.calls) == 1


OUTPUTS = [
    pytest.param("total", "Batched output tensor has 0 dimensions", id="scalar"),
    pytest.param(
        "first",
        "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension sizes of the input tensors",
        id="too-few-rows",
    ),
]


@pytest.mark.parametrize(("fetch", "text"), OUTPUTS)
def test_outputs_without_a_row_for_each(fetch: str, text: str) -> None:
    """Outputs that cannot be told apart are an error."""
    stepped = Stepped()
    future = stepped.submit(tensor([1.0, 2.0]), fetches=(fetch,))
    stepped.steps()
    assert answer(future) == (Code.FAILED_PRECONDITION, text)


def test_failed_part_fails_its_request_at_the_end() -> None:
    """One failing part fails the whole request, once no part of it uses the model any more; others are answered."""
    stepped = Stepped(max_batch_size=6, max_execution_batch_size=2, enable_large_batch_splitting=True)
    large, small = stepped.submit(tensor([-1.0, 2.0, 3.0])), stepped.submit(tensor([4.0]))
    stepped.scheduler.step()
    assert not large.done()
    stepped.scheduler.step()
    assert (answer(large), answer(small)) == ((INVALID, "negative: [-1.0]"), [[8.0]])


def test_begun_request_is_not_cancelled() -> None:
    """Once a part has run the request goes on to its end."""
    stepped = Stepped(max_batch_size=6, max_execution_batch_size=2, enable_large_batch_splitting=True)
    large = stepped.submit(tensor([1.0, 2.0, 3.0]))
    stepped.scheduler.step()
    assert not large.cancel()
    stepped.scheduler.step()
    assert answer(large) == [[2.0, 4.0, 6.0]]
