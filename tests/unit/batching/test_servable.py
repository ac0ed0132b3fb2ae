"""A batched servable, stepped by hand: who shares a run, what each caller gets, and when."""

from collections.abc import Sequence
from typing import Any

import pytest

from serving.batching.parameters import BatchingParameters
from serving.batching.servable import BatchedServable
from serving.errors import Code, ConfigurationError, ServingError
from tests.unit.batching.models import Calculator, Stepped, answer, tensor

INVALID = Code.INVALID_ARGUMENT


def test_callers_share_a_run() -> None:
    """Requests that wait together are run together, and each gets its own rows."""
    stepped = Stepped()
    first, second = stepped.submit(tensor([1.0])), stepped.submit(tensor([2.0, 3.0]))
    assert stepped.steps() == 1
    assert stepped.model.calls == [[[1.0, 2.0, 3.0]]]
    assert (answer(first), answer(second)) == ([[2.0]], [[4.0, 6.0]])


def test_order_of_names_does_not_matter() -> None:
    """The same tensors in another order share a queue; every caller gives and gets them in its own order."""
    stepped = Stepped()
    first = stepped.submit(tensor([1.0]), tensor([10.0]), feeds=("x", "a"), fetches=("double", "sum"))
    second = stepped.submit(tensor([20.0]), tensor([2.0]), feeds=("a", "x"), fetches=("sum", "double"))
    assert stepped.steps() == 1
    assert (answer(first), answer(second)) == ([[2.0], [11.0]], [[22.0], [4.0]])


def test_other_outputs_are_another_queue() -> None:
    """Requests for different tensors are not merged."""
    stepped = Stepped()
    first = stepped.submit(tensor([1.0]), fetches=("double",))
    second = stepped.submit(tensor([2.0]), fetches=("double", "first"))
    assert stepped.steps() == 2
    assert (answer(first), answer(second)) == ([[2.0]], [[4.0], [2.0]])


def test_repeated_fetch_is_run_once() -> None:
    """An output that a caller wants twice is fetched once."""
    stepped = Stepped()
    future = stepped.submit(tensor([1.0]), fetches=("double", "double"))
    stepped.steps()
    assert (answer(future), stepped.model.resolved) == ([[2.0], [2.0]], [(("x",), ("double",))])


def test_same_combination_is_the_same_run() -> None:
    """A combination is resolved once."""
    stepped = Stepped()
    run = stepped.servable.resolve(("x",), ("double",))
    assert stepped.servable.resolve(("x",), ("double",)) is run
    assert len(stepped.model.resolved) == 1


@pytest.mark.parametrize("inline", [False, True])
def test_inline_is_the_models(inline: bool) -> None:
    """Whether calls are short is known to the model, whose calls are the batches, whatever one caller's size."""
    stepped = Stepped()
    stepped.model.inline = inline
    run = stepped.servable.resolve(("x",), ("double",))
    assert run.inline is inline
    assert run.inline_for([tensor([1.0] * 1000)]) is inline


def test_many_combinations() -> None:
    """Combinations beyond those that are kept are answered all the same."""
    stepped = Stepped()
    for count in range(1, 300):
        future = stepped.submit(tensor([1.0]), fetches=("double",) * count)
        stepped.steps()
        assert answer(future) == [[2.0]] * count


def test_signatures_are_those_of_the_model() -> None:
    """The wrapper answers for what it wraps."""
    stepped = Stepped()
    assert (stepped.servable.signatures, stepped.servable.signature_defs) == ({}, {})


REFUSED = [
    pytest.param([], (), INVALID, "Batching Run() must have at least one input tensor", id="no-input"),
    pytest.param(
        [tensor(1.0)], ("x",), INVALID, "Batching Run() input tensors must have at least one dimension", id="scalar"
    ),
    pytest.param(
        [tensor([1.0]), tensor([1.0, 2.0])],
        ("x", "a"),
        INVALID,
        "Batching Run() input tensors must have equal 0th-dimension size",
        id="unequal-rows",
    ),
    pytest.param(
        [tensor([1.0] * 4)], ("x",), INVALID, "Task size 4 is larger than maximum input batch size 3", id="oversize"
    ),
    pytest.param(
        [tensor([1.0, 2.0])],
        ("x",),
        Code.UNAVAILABLE,
        "The batch scheduling queue to which this task was submitted is full; currently 1 batches enqueued and "
        "max_enqueued_batches is 1",
        id="queue-full",
    ),
]


@pytest.mark.parametrize(("fed", "feeds", "code", "text"), REFUSED)
def test_refused_at_once(fed: Sequence[Any], feeds: tuple[str, ...], code: Code, text: str) -> None:
    """What cannot be queued is refused, and those who wait are answered."""
    stepped = Stepped(max_batch_size=3, max_enqueued_batches=1)
    waiting = stepped.submit(tensor([1.0, 2.0]))
    with pytest.raises(ServingError) as caught:
        stepped.submit(*fed, feeds=feeds)
    assert (caught.value.code, caught.value.message) == (code, text)
    stepped.steps()
    assert answer(waiting) == [[2.0, 4.0]]


def test_allowed_sizes() -> None:
    """A batch is filled up to the next allowed size with the first row of the last request; nobody gets that back."""
    stepped = Stepped(max_batch_size=4, allowed_batch_sizes=(1, 4))
    first, second = stepped.submit(tensor([1.0])), stepped.submit(tensor([2.0, 3.0]))
    stepped.steps()
    assert stepped.model.calls == [[[1.0, 2.0, 3.0, 2.0]]]
    assert (answer(first), answer(second)) == ([[2.0]], [[4.0, 6.0]])


def test_padding() -> None:
    """Shorter rows are filled up with their own first element; outputs are not cut back."""
    stepped = Stepped(pad_variable_length_inputs=True)
    long, short = stepped.submit(tensor([[1.0, 2.0, 3.0]])), stepped.submit(tensor([[4.0]]))
    assert stepped.steps() == 1
    assert stepped.model.calls == [[[[1.0, 2.0, 3.0], [4.0, 4.0, 4.0]]]]
    assert (answer(long), answer(short)) == ([[[2.0, 4.0, 6.0]]], [[[8.0, 8.0, 8.0]]])


def test_padding_of_nothing() -> None:
    """What has no element to be padded with is refused, in TFS's words, and only that."""
    stepped = Stepped(pad_variable_length_inputs=True)
    empty, full = stepped.submit(tensor([[]])), stepped.submit(tensor([[4.0]]))
    stepped.steps()
    assert answer(empty) == (INVALID, "Got empty tensor in batch of non-empty tensors.")
    assert answer(full) == [[[8.0]]]


def test_nobody_can_be_padded() -> None:
    """When each has an empty tensor where the other has none, both are refused and nothing is run."""
    stepped = Stepped(pad_variable_length_inputs=True)
    pairs = [(tensor([[]]), tensor([[1.0]])), (tensor([[1.0]]), tensor([[]]))]
    futures = [stepped.submit(*pair, feeds=("x", "a"), fetches=("double",)) for pair in pairs]
    stepped.steps()
    text = "Got empty tensor in batch of non-empty tensors."
    assert ([answer(future) for future in futures], stepped.model.calls) == ([(INVALID, text)] * 2, [])


def test_no_rows_are_answered() -> None:
    """A request without rows is run like any other and does not wait for company."""
    stepped = Stepped(allowed_batch_sizes=(4, 1000))
    future = stepped.submit(tensor([]))
    assert (stepped.steps(), answer(future)) == (1, [[]])


def test_splitting() -> None:
    """A large request is run in parts, one of them with another request, and answered as a whole."""
    stepped = Stepped(max_batch_size=6, max_execution_batch_size=2, enable_large_batch_splitting=True)
    small, large = stepped.submit(tensor([1.0])), stepped.submit(tensor([2.0, 3.0, 4.0, 5.0]))
    assert stepped.steps() == 3
    assert stepped.model.calls == [[[1.0, 2.0]], [[3.0, 4.0]], [[5.0]]]
    assert (answer(small), answer(large)) == ([[2.0]], [[4.0, 6.0, 8.0, 10.0]])


EXPIRED = (Code.RESOURCE_EXHAUSTED, "Run() timeout exceeded while waiting in batching queue")
TIMEOUTS = [
    pytest.param([0], [[[2.0]]], [0], id="none"),
    pytest.param([500], [[[2.0]]], [400], id="what-is-left"),
    pytest.param([100], [EXPIRED], [], id="over"),
    pytest.param([100, 50], [EXPIRED, EXPIRED], [], id="over-for-all"),
    pytest.param([50, 300], [[[2.0]], [[2.0]]], [200], id="latest-counts"),
    pytest.param([50, 0], [[[2.0]], [[2.0]]], [0], id="one-without-limit"),
]


@pytest.mark.parametrize(("limits", "answers", "passed"), TIMEOUTS)
def test_time_limits(limits: Sequence[int], answers: Sequence[Any], passed: list[int]) -> None:
    """The latest deadline less the time in the queue limits the run; there is none if all have passed by then."""
    stepped = Stepped(batch_timeout_micros=100_000)
    futures = [stepped.submit(tensor([1.0]), timeout_ms=limit) for limit in limits]
    stepped.clock.now = 100.1
    assert stepped.steps() == 1
    assert [answer(future) for future in futures] == answers
    assert stepped.model.timeouts == pytest.approx(passed, abs=1)


def test_waits_for_company() -> None:
    """Before the timeout a batch is run only if it is full."""
    stepped = Stepped(max_batch_size=2, batch_timeout_micros=100_000)
    first = stepped.submit(tensor([1.0]))
    assert stepped.steps() == 0
    second = stepped.submit(tensor([2.0]))
    assert (stepped.steps(), answer(first), answer(second)) == (1, [[2.0]], [[4.0]])


def test_no_more_runs_than_threads() -> None:
    """While a batch runs for each thread there is, no other one is begun."""
    stepped = Stepped(threads=1, max_batch_size=1)
    begun: list[bool] = []
    stepped.model.before = lambda: begun.append(stepped.scheduler.step())
    for _ in range(2):
        stepped.submit(tensor([1.0]))
    assert (stepped.steps(), begun) == (2, [False, False])


def test_models_take_turns() -> None:
    """A model with many batches does not keep another one waiting."""
    stepped = Stepped(max_batch_size=1)
    other = Calculator()
    servable = BatchedServable(other, BatchingParameters(max_batch_size=1), stepped.scheduler)
    for _ in range(3):
        stepped.submit(tensor([1.0]))
    servable.resolve(("x",), ("double",)).submit([tensor([9.0])], 0)
    stepped.scheduler.step()
    stepped.scheduler.step()
    assert (len(stepped.model.calls), len(other.calls)) == (1, 1)


class Notes:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.queued: list[tuple[float, list[int]]] = []
        self.runs: list[tuple[int, int]] = []

    def batched(self, queued_seconds: float, input_rows: Sequence[int]) -> None:
        self.queued.append((round(queued_seconds, 3), list(input_rows)))

    def ran(self, rows: int, padding_rows: int) -> None:
        self.runs.append((rows, padding_rows))

    def alone(self, rows: int, inputs: int) -> None:
        self.batched(0.0, [rows] * inputs)
        self.ran(rows, 0)


def test_observer() -> None:
    """Every request in a batch and every run is told: time in the queue, rows per input, size and padding."""
    notes = Notes()
    stepped = Stepped(notes, max_batch_size=8, allowed_batch_sizes=(4, 8), batch_timeout_micros=250_000)
    for rows in (1, 2):
        stepped.submit(tensor([1.0] * rows), tensor([1.0] * rows), feeds=("x", "a"))
        stepped.clock.advance(0.125)
    stepped.steps()
    assert (notes.queued, notes.runs) == ([(0.25, [1, 1]), (0.125, [2, 2])], [(4, 1)])


def test_close() -> None:
    """Closing closes the model. What nobody's handle stood for fails and is not run."""
    stepped = Stepped()
    waiting = stepped.submit(tensor([1.0]))
    stepped.servable.close()
    assert (stepped.steps(), stepped.model.closed, stepped.model.calls) == (0, 1, [])
    assert answer(waiting) == (Code.UNAVAILABLE, "The model was unloaded before the request's turn")


def test_bad_parameters() -> None:
    """Parameters that cannot be are told when the model is loaded; it is left to its loader to close it."""
    stepped = Stepped()
    with pytest.raises(ConfigurationError):
        BatchedServable(stepped.model, BatchingParameters(max_batch_size=0), stepped.scheduler)
    assert not stepped.model.closed
