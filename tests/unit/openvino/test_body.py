"""A step whose costly part OpenVINO computes, with a compiled model and a head that only say what they were given."""

import math
from collections.abc import Sequence
from concurrent.futures import Future
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.core.tensor import DataType, Tensor
from serving.errors import Code, ServingError
from serving.openvino.accepted import Accepted, AcceptedInput
from serving.openvino.body import Body, BodyPlan, InputPlan, OutputPlan, plan_from
from serving.openvino.compiled import CompiledModel, OutOfTimeError, Port
from tests.support.models import floats, strings, tensor

FLOATS = AcceptedInput(dtype=DataType.FLOAT, sizes=((1, None),), magnitude=100.0)
INDICES = AcceptedInput(dtype=DataType.INT32, sizes=((1, None),), bounds=(0, 4))


class Computing:
    """A compiled model that gives each of ``factors`` times the sum of its inputs."""

    def __init__(self, *factors: float) -> None:
        self.factors = factors
        self.given: list[list[list[float]]] = []
        self.limits: list[int] = []

    def __call__(self, tensors: Sequence[Tensor], timeout_ms: int = 0) -> list[Tensor]:
        self.given.append([each.array.tolist() for each in tensors])
        self.limits.append(timeout_ms)
        total = sum(np.asarray(each.array, np.float32).sum() for each in tensors)
        return [floats(factor * float(total)) for factor in self.factors]

    @property
    def model(self) -> CompiledModel:
        return cast("CompiledModel", self)


class Head:
    """TensorFlow's part: the lengths of strings, and how many there are."""

    inline = False

    def inline_for(self, tensors: Sequence[Tensor]) -> bool:
        return False

    def __call__(self, tensors: Sequence[Tensor], timeout_ms: int) -> list[Tensor]:
        if not len(tensors[0].array):
            raise ServingError(Code.INVALID_ARGUMENT, "nothing to read")
        return [floats(*map(len, tensors[0].array)), floats(len(tensors[0].array))]

    def submit(self, tensors: Sequence[Tensor], timeout_ms: int) -> "Future[list[Tensor]]":
        raise NotImplementedError


def port(name: str, dtype: DataType = DataType.FLOAT) -> Port:
    return Port(f"{name}:0", dtype)


def plan(sources: dict[str, AcceptedInput], fetches: Sequence[str], head: Sequence[str] = (), **given: str) -> BodyPlan:
    """OpenVINO takes what these feeds or heads bring, and gives ``fetches``; ``given`` are the head's."""
    return BodyPlan(
        head=tuple(head),
        inputs=tuple(
            InputPlan(port(f"in{index}", accepted.dtype), source)
            for index, (source, accepted) in enumerate(sources.items())
        ),
        outputs=tuple(OutputPlan(port(f"out{index}"), fetch) for index, fetch in enumerate(fetches)),
        given=given,
        accepted=Accepted(inputs=tuple(sources.values())),
    )


def values(outputs: list[Tensor] | None) -> list[list[float]] | None:
    return None if outputs is None else [each.array.tolist() for each in outputs]


def test_all_at_once() -> None:
    """What comes as it is taken and goes as it is given is handed through."""
    computing = Computing(1.0, 2.0)
    body = Body(plan({"x": FLOATS, "i": INDICES}, ["y", "z"]), ["x", "i"], ["y", "z"], None)
    given = [floats(1, 2), tensor(DataType.INT32, [3])]
    assert body.fits(given)
    assert values(body(computing.model, given, 7)) == [[6], [12]]
    assert (computing.given, computing.limits) == ([[[1, 2], [3]]], [7])


def test_inputs_and_outputs_in_another_order() -> None:
    """The compiled model has an order of its own, and may lack an input that nothing depends on."""
    computing = Computing(1.0, 2.0)
    body = Body(plan({"i": INDICES, "x": FLOATS}, ["z", "y"]), ["x", "unused", "i"], ["y", "z", "y"], None)
    given = [floats(1), strings(b"whatever"), tensor(DataType.INT32, [3])]
    assert body.fits(given)
    assert values(body(computing.model, given, 0)) == [[8], [4], [8]]
    assert computing.given == [[[3], [1]]]


@pytest.mark.parametrize(
    "given",
    [
        pytest.param([tensor(DataType.FLOAT, [[1.0]]), tensor(DataType.INT32, [3])], id="rank"),
        pytest.param([floats(), tensor(DataType.INT32, [3])], id="no rows"),
        pytest.param([floats(1), tensor(DataType.INT64, [3])], id="type"),
    ],
)
def test_sizes_and_types_that_are_tensorflows(given: list[Tensor]) -> None:
    """What can be told without running is told."""
    assert not Body(plan({"x": FLOATS, "i": INDICES}, ["y"]), ["x", "i"], ["y"], None).fits(given)


@pytest.mark.parametrize(
    "given",
    [
        pytest.param([floats(101), tensor(DataType.INT32, [3])], id="magnitude"),
        pytest.param([floats(math.nan), tensor(DataType.INT32, [3])], id="NaN"),
        pytest.param([floats(1), tensor(DataType.INT32, [4])], id="index"),
    ],
)
def test_values_that_are_tensorflows(given: list[Tensor]) -> None:
    """Nothing is computed of values on which the engines may differ."""
    computing = Computing(1.0)
    body = Body(plan({"x": FLOATS, "i": INDICES}, ["y"]), ["x", "i"], ["y"], None)
    assert body.fits(given)
    assert body(computing.model, given, 0) is None
    assert computing.given == []


READING = plan({"lengths": FLOATS}, ["y"], ["lengths", "count"], n="count")


def test_behind_a_head() -> None:
    """TensorFlow reads the strings, OpenVINO computes; what the head gives of the fetches comes from it."""
    computing = Computing(10.0)
    body = Body(READING, ["s"], ["n", "y"], Head())
    assert values(body(computing.model, [strings(b"a", b"bcd")], 0)) == [[2], [40]]
    assert computing.given == [[[1, 3]]]


def test_what_the_head_gives_is_looked_at() -> None:
    """A string that is longer than what was agreed on is TensorFlow's."""
    computing = Computing(1.0)
    body = Body(READING, ["s"], ["y"], Head())
    assert body.fits([strings(b"a" * 101)])
    assert body(computing.model, [strings(b"a" * 101)], 0) is None
    assert computing.given == []


def test_what_the_head_raises_comes_through() -> None:
    """Its error is the whole graph's to say."""
    with pytest.raises(ServingError, match="nothing to read"):
        Body(READING, ["s"], ["y"], Head())(Computing(1.0).model, [strings()], 0)


def test_the_head_takes_of_the_time() -> None:
    """What is left of the limit is the body's; a limit below nothing left is over."""
    computing = Computing(1.0)
    body = Body(READING, ["s"], ["y"], Head())
    body(computing.model, [strings(b"a")], 10**9)
    body(computing.model, [strings(b"a")], 0)
    assert 0 < computing.limits[0] <= 10**9
    assert computing.limits[1] == 0


class Late(Head):
    """A head that takes all the time there is."""

    def __call__(self, tensors: Sequence[Tensor], timeout_ms: int) -> list[Tensor]:
        end = np.datetime64("now", "us") + np.timedelta64(timeout_ms + 1, "ms")
        while np.datetime64("now", "us") < end:
            pass
        return super().__call__(tensors, timeout_ms)


def test_nothing_is_computed_when_the_time_is_over() -> None:
    """A head that has taken it all leaves none."""
    computing = Computing(1.0)
    with pytest.raises(OutOfTimeError):
        Body(READING, ["s"], ["y"], Late())(computing.model, [strings(b"a")], 1)
    assert computing.given == []


BOUNDS = st.tuples(st.integers(-(2**24), 0), st.integers(1, 2**24))
SIZES = st.lists(st.tuples(st.integers(1, 9), st.one_of(st.none(), st.integers(1, 9))), max_size=4).map(tuple)
INPUTS = st.builds(
    AcceptedInput,
    dtype=st.sampled_from([DataType.FLOAT, DataType.INT32, DataType.INT64, DataType.BOOL, DataType.UINT8]),
    sizes=SIZES,
    bounds=st.one_of(st.none(), BOUNDS),
    magnitude=st.one_of(st.just(math.inf), st.floats(0, 1e30)),
)
GROUPS = st.lists(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=3).map(tuple), max_size=2).map(
    tuple
)
SHAPES = st.lists(st.lists(st.integers(1, 9), max_size=3).map(tuple), min_size=1, max_size=2).map(tuple)
PLANS = st.builds(
    BodyPlan,
    head=st.lists(st.text(max_size=5), max_size=2).map(tuple),
    inputs=st.lists(st.builds(InputPlan, st.builds(Port, st.text(), st.sampled_from(DataType)), st.text())).map(tuple),
    outputs=st.lists(st.builds(OutputPlan, st.builds(Port, st.text(), st.sampled_from(DataType)), st.text())).map(
        tuple
    ),
    given=st.dictionaries(st.text(), st.text(), max_size=2),
    accepted=st.builds(
        Accepted,
        inputs=st.lists(INPUTS, max_size=3).map(tuple),
        same_sizes=GROUPS,
        shapes=st.one_of(st.none(), st.frozensets(SHAPES, max_size=3)),
    ),
)


@given(PLANS)
def test_plans_come_back_from_json(plan: BodyPlan) -> None:
    """What is read is what was written, infinities and types included."""
    assert plan_from(plan.as_json()) == plan


@pytest.mark.parametrize("text", ["", "[]", "{}", "1", '{"head": 1}'])
def test_other_texts_are_refused(text: str) -> None:
    """What is no plan is one of three errors."""
    with pytest.raises((ValueError, KeyError, TypeError)):
        plan_from(text)
