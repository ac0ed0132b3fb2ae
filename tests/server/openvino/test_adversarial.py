"""What OpenVINO is let compute, it computes as TensorFlow does; what it is not, is listed."""

from collections.abc import Iterator

import numpy as np
import pytest

from serving.openvino.division import Division
from serving.openvino.eligibility import NotEligibleError
from tests.server.openvino.engines import Step, TensorFlow
from tests.server.openvino.graphs import CASES
from tests.server.openvino.graphs.case import Array, Case, Outcome


@pytest.fixture(scope="module")
def tensorflow() -> Iterator[TensorFlow]:
    """TensorFlow, in a process of its own."""
    process = TensorFlow()
    yield process
    process.close()


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_graph(tensorflow: TensorFlow, case: Case) -> None:
    """Who computes it is as listed, and what OpenVINO is given of its inputs it answers as TensorFlow does."""
    step = Step(tensorflow, case)
    if case.outcome is Outcome.REFUSED:
        with pytest.raises(NotEligibleError):
            step.divide()
        return
    division = step.divide()
    assert _outcome(division) is case.outcome, division.reasons
    divided, compared = step.divided(division), 0
    for inputs in case.inputs:
        found = step.answer(divided, inputs)
        if found is not None:
            expected = step.expected(inputs)
            assert not isinstance(expected, str), f"OpenVINO answered {inputs}"
            for one, other in zip(found, expected, strict=True):
                assert_same(one, other, case.tolerance, inputs)
            compared += 1
    assert compared, "no input was OpenVINO's"


def _outcome(division: Division) -> Outcome:
    return Outcome.HEAD if division.head else Outcome.BODY


def assert_same(found: Array, expected: Array, tolerance: float, inputs: object) -> None:
    """The same up to a part of the largest number, with the same places for what is no number."""
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    if expected.dtype.kind != "f":
        np.testing.assert_array_equal(found, expected)
        return
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(found[~finite], expected[~finite], str(inputs))
    largest = np.abs(expected[finite]).max(initial=0)
    np.testing.assert_allclose(found[finite], expected[finite], 0, tolerance * largest, err_msg=str(inputs))
