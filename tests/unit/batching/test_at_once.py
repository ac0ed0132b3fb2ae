"""Calls that never see a queue: when they may, that they are what queued calls would be, and that none is lost."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.batching.parameters import BatchingParameters
from serving.batching.servable import BatchedServable
from serving.core.batch_queue import BatchQueue, QueueOptions
from serving.core.servable import Fed, JoiningRun
from serving.core.tensor import DataType, Tensor
from serving.errors import Code, ServingError
from tests.unit.batching.models import Calculator, Stepped, answer, tensor, told, values
from tests.unit.batching.test_servable import Notes

LONG_MICROS = 10_000_000
X = [tensor([1.0])]


def fed(*inputs: Tensor) -> list[Fed]:
    """Calls of one input each, without time limit."""
    return [Fed([each], 0) for each in inputs]


def everyone(run: JoiningRun, calls: Sequence[Fed]) -> list[Any]:
    """What all of ``calls`` come to, batch after batch."""
    outcomes: list[Any] = []
    while len(outcomes) < len(calls):
        ran = run.together(calls[len(outcomes) :])
        assert ran
        outcomes += map(told, ran)
    return outcomes


def test_lone_short_call_does_not_wait() -> None:
    """A short call with nobody around is made at once, whatever the timeout."""
    stepped = Stepped(batch_timeout_micros=LONG_MICROS)
    assert values(stepped.run()(X, 30)) == [[2.0]]
    assert stepped.model.timeouts == [30]


def test_lone_call_in_other_order() -> None:
    """Inputs and outputs are in the caller's order."""
    stepped = Stepped()
    stepped.run(("x", "a"), ("double", "sum"))
    run = stepped.run(("a", "x"), ("sum", "double"))
    assert values(run([tensor([20.0]), tensor([2.0])], 0)) == [[22.0], [4.0]]


def test_calls_together_in_other_order() -> None:
    """So they are when several are made as one, and an error is nobody's but its caller's."""
    stepped = Stepped()
    stepped.run(("x", "a"), ("double", "sum"))
    pairs = [[tensor([20.0]), tensor([2.0])], [tensor([0.0]), tensor([-1.0])]]
    outcomes = everyone(stepped.run(("a", "x"), ("sum", "double")), [Fed(pair, 0) for pair in pairs])
    assert outcomes == [[[22.0], [4.0]], (Code.INVALID_ARGUMENT, "negative: [-1.0]")]


def other_waits(stepped: Stepped) -> None:
    """A call waits in the same queue."""
    stepped.submit(tensor([9.0]))


def thread_is_busy(stepped: Stepped) -> None:
    """As many batches run as there are threads."""
    assert stepped.scheduler.enter(BatchQueue(QueueOptions()))


def other_model_is_due(stepped: Stepped) -> None:
    """Another model's batch waits for a thread."""
    servable = BatchedServable(Calculator(), BatchingParameters(), stepped.scheduler)
    servable.resolve(("x",), ("double",)).submit([tensor([9.0])], 0)


def scheduler_is_closed(stepped: Stepped) -> None:
    """The server is stopping."""
    stepped.scheduler.close(0.0)


OTHERS_FIRST = pytest.mark.parametrize(
    "first", [other_waits, thread_is_busy, other_model_is_due, scheduler_is_closed], ids=lambda first: first.__name__
)


@OTHERS_FIRST
def test_others_come_first(first: Callable[[Stepped], None]) -> None:
    """A call does not overtake others and takes no place that there is not."""
    stepped = Stepped(threads=1, batch_timeout_micros=LONG_MICROS)
    first(stepped)
    assert (stepped.run().alone(X, 0), stepped.run().together(fed(*X))) == (None, ())


def test_other_model_that_is_not_due_is_in_nobodys_way() -> None:
    """A batch that waits for company keeps no other model waiting."""
    stepped = Stepped(threads=1)
    servable = BatchedServable(Calculator(), BatchingParameters(batch_timeout_micros=LONG_MICROS), stepped.scheduler)
    servable.resolve(("x",), ("double",)).submit([tensor([9.0])], 0)
    assert values(stepped.run().alone(X, 0) or ()) == [[2.0]]


REFUSED = [
    pytest.param([tensor([1.0] * 5)], {}, "Task size 5 is larger than maximum input batch size 4", id="too-many-rows"),
    pytest.param([tensor(1.0)], {}, "Batching Run() input tensors must have at least one dimension", id="scalar"),
    pytest.param(
        [tensor([[[[[[[1.0]]]]]]])],
        {"pad_variable_length_inputs": True},
        "Only tensors with rank from 1 to 6 can be padded.",
        id="rank-with-padding",
    ),
]


@pytest.mark.parametrize(("inputs", "parameters", "text"), REFUSED)
def test_refused_as_ever(inputs: Sequence[Tensor], parameters: dict[str, Any], text: str) -> None:
    """What a queue refuses is refused in the same words."""
    with pytest.raises(ServingError) as caught:
        Stepped(max_batch_size=4, **parameters).run()(inputs, 0)
    assert (caught.value.code, caught.value.message) == (Code.INVALID_ARGUMENT, text)


def test_what_a_queue_would_split_or_refuse_is_for_the_queue() -> None:
    """Calls before one that fits in no batch are made together; that one and what follows are not."""
    stepped = Stepped(max_batch_size=4, max_execution_batch_size=2, enable_large_batch_splitting=True)
    calls = fed(tensor([1.0]), tensor([2.0] * 3), tensor([3.0]))
    assert [told(each) for each in stepped.run().together(calls)] == [[[2.0]]]
    assert (stepped.run().together(calls[1:]), stepped.run().alone(*calls[1])) == ((), None)
    assert stepped.run().together(fed(tensor(1.0))) == ()


def test_allowed_sizes() -> None:
    """A lone call is filled up like any batch, within its time limit, and the observer is told."""
    notes = Notes()
    stepped = Stepped(notes, max_batch_size=4, allowed_batch_sizes=(2, 4))
    assert values(stepped.run()([tensor([1.0, 2.0, 3.0])], 500)) == [[2.0, 4.0, 6.0]]
    assert (stepped.model.calls, stepped.model.timeouts) == ([[[1.0, 2.0, 3.0, 1.0]]], [500])
    assert (notes.queued, notes.runs) == ([(0.0, [3])], [(4, 1)])


def test_observer_hears_of_calls_that_never_waited() -> None:
    """They are batches like any other."""
    notes = Notes()
    stepped = Stepped(notes)
    stepped.run()([tensor([1.0, 2.0])], 0)
    stepped.run().together(fed(tensor([1.0]), tensor([2.0, 3.0])))
    assert notes.queued == [(0.0, [2]), (0.0, [1]), (0.0, [2])]
    assert notes.runs == [(2, 0), (3, 0)]


@pytest.mark.parametrize(
    ("fetch", "text"),
    [
        pytest.param("total", "Batched output tensor has 0 dimensions", id="scalar"),
        pytest.param(
            "first",
            "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension sizes of the input "
            "tensors",
            id="too-few-rows",
        ),
    ],
)
def test_outputs_without_a_row_for_each(fetch: str, text: str) -> None:
    """A lone call, too, must have a row for each of its own."""
    with pytest.raises(ServingError) as caught:
        Stepped().run(fetches=(fetch,))([tensor([1.0, 2.0])], 0)
    assert (caught.value.code, caught.value.message) == (Code.FAILED_PRECONDITION, text)


def test_failed_call_gives_its_place_back() -> None:
    """After failures, alone or together, the thread's place is free."""
    stepped = Stepped(threads=1)
    with pytest.raises(ServingError):
        stepped.run().alone([tensor([-1.0])], 0)
    assert len(stepped.run().together(fed(tensor([-1.0]), tensor([-2.0])))) == 2
    assert values(stepped.run().alone(X, 0) or ()) == [[2.0]]


def test_queued_calls_run_after_one_that_never_was() -> None:
    """A call that is queued while a lone one runs has its turn when that is over."""
    stepped = Stepped(threads=1)
    queued: list[Future[list[Tensor]]] = []

    def queue_one() -> None:
        if not queued:
            queued.append(stepped.submit(tensor([5.0])))

    stepped.model.before = queue_one
    stepped.run()(X, 0)
    assert (stepped.steps(), answer(queued[0])) == (1, [[10.0]])


def test_bad_input_harms_nobody() -> None:
    """What the model refuses, or does not go together, is told to its caller alone."""
    calls = fed(tensor([1.0]), tensor([-1.0]), tensor([[4.0]]), tensor([b"s"], DataType.STRING))
    assert everyone(Stepped().run(), calls) == [
        [[2.0]],
        (Code.INVALID_ARGUMENT, "negative: [-1.0]"),
        [[[8.0]]],
        [[b"ss"]],
    ]


@pytest.mark.parametrize(
    ("limits", "passed"),
    [
        pytest.param((0, 0), 0, id="none"),
        pytest.param((100, 300), 300, id="latest"),
        pytest.param((100, 0), 0, id="one-without"),
    ],
)
def test_time_limit_of_a_batch(limits: Sequence[int], passed: int) -> None:
    """The latest of the callers' limits is that of the run."""
    stepped = Stepped()
    stepped.run().together([Fed(X, limit) for limit in limits])
    assert stepped.model.timeouts == pytest.approx([passed], abs=1)


ROWS = st.lists(st.integers(-1, 9).map(float), max_size=3)
SHAPES = st.one_of(ROWS.map(tensor), ROWS.map(lambda rows: tensor([[row, row] for row in rows])))


@given(st.lists(SHAPES, min_size=1, max_size=8), st.integers(3, 6), st.booleans())
def test_together_is_as_alone(inputs: Sequence[Tensor], most: int, filled: bool) -> None:
    """Every call of a turn comes, once and in its order, to what it would have come to alone; no batch is too large."""
    sizes = (2, most) if filled else ()
    stepped = Stepped(max_batch_size=most, allowed_batch_sizes=sizes)
    together = everyone(stepped.run(), fed(*inputs))
    assert all(len(rows) <= most for (rows,) in stepped.model.calls)
    lone = Stepped(max_batch_size=most, allowed_batch_sizes=sizes)
    assert together == [answer(future) for each in inputs for future in [lone.submit(each)] if lone.steps()]
