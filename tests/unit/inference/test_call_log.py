"""What a request's log is told: answers, once each and after them; never a request that was not answered."""

import pytest

from serving.core.tensor import Tensor
from serving.errors import ServingError
from tests.unit.inference.test_call import FAILURE, FAILURES, INPUT, Encoder, ManualRun, Request, request

Told = list[tuple[list[int], bytes]]


def logged(run: ManualRun, encode: Encoder | None = None) -> tuple[Request, Told]:
    """A call with a log, and what the log is told: values of the outputs and the body."""
    made = request(run) if encode is None else request(run, encode)
    told: Told = []

    def log(tensors: list[Tensor], body: bytes) -> None:
        told.append(([tensor.array.item() for tensor in tensors], body))

    made.call.log = log
    return made, told


def test_here_tells_the_answer() -> None:
    """The log has the outputs and the body of a call made at once."""
    made, told = logged(ManualRun())
    made.call.here()
    assert told == [([INPUT.array.item() * 2], b"40")]


def test_elsewhere_tells_the_answer_once_it_is_given() -> None:
    """Nobody waits for the log: the answer is there before it is told."""
    made, told = logged(ManualRun())
    answer = made.call.elsewhere()
    answer.add_done_callback(lambda given: told.append(([], b"answered")))
    assert made.run.begin()
    made.run.finish()
    assert told == [([], b"answered"), ([40], b"40")]


@FAILURES
def test_failure_here_is_not_told(error: ServingError | None, encode: Encoder) -> None:
    """A request that ended with an error is not logged."""
    made, told = logged(ManualRun(error=error), encode)
    with pytest.raises(ServingError):
        made.call.here()
    assert told == []


@FAILURES
def test_failure_elsewhere_is_not_told(error: ServingError | None, encode: Encoder) -> None:
    """Nor is one that ended with an error on another thread."""
    made, told = logged(ManualRun(error=error), encode)
    answer = made.call.elsewhere()
    assert made.run.begin()
    made.run.finish()
    assert (answer.exception(0), told) == (FAILURE, [])


def test_answers_that_nobody_waits_for_are_not_told() -> None:
    """A client that went away got no answer."""
    made, told = logged(ManualRun())
    answer = made.call.elsewhere()
    assert made.run.begin()
    answer.cancel()
    made.run.finish()
    assert told == []
