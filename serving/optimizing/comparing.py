"""Whether an optimised model may take its original's place: it gives the same answers, in less time."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from serving.core.servable import Run
from serving.core.tensor import DataType, Tensor
from serving.errors import ServingError
from serving.optimizing.candidates import NotOptimizedError
from serving.telemetry.log import logger

Example = list[Tensor]
"""One tensor for each feed of a step, in its order."""

MIN_CALL_SECONDS = 0.0001
MIN_GAIN = 0.05

SAME_PRECISION, BFLOAT16_PRECISION = 1e-4, 5e-2
"""The largest difference of two answers, in proportion to the largest magnitude in the tensor."""

_SMALLEST_NORMAL = float(np.finfo(np.float32).tiny)
"""TensorFlow itself gives numbers below this in some threads, and zeros in others."""

_NO_LIMIT = 0
_ROUNDS, _MEASURING_SECONDS = 5, 2.0
"""How often the two are timed, and when to stop before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Measured seconds per call before and after, and the largest difference of the answers."""

    plain_seconds: float
    seconds: float
    difference: float


class Comparison:
    """What ``plain`` answers to examples, to hold another run of the model against. ``clock`` gives seconds.

    ``answered`` are the examples with their answers, ``refused`` tells whether there were others, ``plain_seconds`` is
    what a call takes. Raises NotOptimizedError if it answers none, or so fast that nothing can be gained.
    """

    def __init__(self, plain: Run, examples: Iterable[Example], clock: Callable[[], float]) -> None:
        self._plain = plain
        self._clock = clock
        tried = list(examples)
        self.answered = list(_answered(plain, tried))
        self.refused = len(self.answered) < len(tried)
        if not self.answered:
            raise NotOptimizedError("there is nothing to compare its answers on; give it warm-up requests")
        self.example = self.answered[0][0]
        """The one that the runs are timed with."""
        self.plain_seconds = min(self._seconds(plain) for _ in range(2))
        check_call(self.plain_seconds)

    def outcome(self, optimized: Run, tolerance: float) -> Outcome:
        """What ``optimized`` gains. Raises NotOptimizedError if that is too little, or its answers are others."""
        try:
            difference = self.difference(optimized, tolerance)
            before, after = self._measured(optimized)
        except ServingError as error:
            raise NotOptimizedError(f"the optimised graph cannot be run: {error}") from error
        check_gain(before, after)
        return Outcome(plain_seconds=before, seconds=after, difference=difference)

    def difference(self, other: Run, tolerance: float) -> float:
        """The largest difference of its answers. NotOptimizedError above ``tolerance``, ServingError as it does."""
        return max(check_answers(answers, other(example, _NO_LIMIT), tolerance) for example, answers in self.answered)

    def _measured(self, optimized: Run) -> tuple[float, float]:
        """The shortest calls of both, taken in turn so that what else the machine does hits both."""
        end = self._clock() + _MEASURING_SECONDS
        before, after = [self._seconds(self._plain)], [self._seconds(optimized)]
        while len(before) < _ROUNDS and self._clock() < end:
            before.append(self._seconds(self._plain))
            after.append(self._seconds(optimized))
        return min(before), min(after)

    def _seconds(self, run: Run) -> float:
        began = self._clock()
        run(self.example, _NO_LIMIT)
        return self._clock() - began


def _answered(plain: Run, examples: Iterable[Example]) -> Iterator[tuple[Example, list[Tensor]]]:
    """Each example with its answer; those that the model refuses are left out."""
    for example in examples:
        try:
            yield example, plain(example, _NO_LIMIT)
        except ServingError as error:
            logger.debug("The model refuses an example: %s", error)


def sensitivity(run: Run, example: Example) -> float:
    """How much the answers of ``run`` change when all floats of ``example`` do by their last bit, up or down.

    In proportion to the largest magnitude in a tensor; infinity if that makes another answer of it.
    """
    plain = run(example, _NO_LIMIT)
    largest = 0.0
    for towards in (-np.inf, np.inf):
        moved = [_moved(each, towards) for each in example]
        try:
            largest = max(largest, check_answers(plain, run(moved, _NO_LIMIT), np.inf))
        except NotOptimizedError:
            return np.inf
    return largest


def _moved(tensor: Tensor, towards: float) -> Tensor:
    if tensor.dtype is not DataType.FLOAT:
        return tensor
    with np.errstate(all="ignore"):
        return Tensor(tensor.dtype, np.nextafter(tensor.array, np.float32(towards)))


def check_call(seconds: float) -> None:
    """Raise for a model whose calls are so short that nothing can be gained."""
    if seconds < MIN_CALL_SECONDS:
        raise NotOptimizedError(f"a call takes {seconds * 1000:.2f} ms")


def check_gain(plain_seconds: float, optimized_seconds: float) -> None:
    """Raise for an optimised model that is not faster by ``MIN_GAIN``."""
    if optimized_seconds > plain_seconds * (1 - MIN_GAIN):
        raise NotOptimizedError(
            f"it does not pay: {optimized_seconds * 1000:.1f} ms per call instead of {plain_seconds * 1000:.1f}"
        )


def check_answers(plain: Iterable[Tensor], optimized: Iterable[Tensor], tolerance: float) -> float:
    """The largest difference between two answers, in proportion to the largest magnitude in its tensor.

    Raises if it is above ``tolerance``; shapes, data types, places of NaN, integers and strings must be equal.
    """
    return max((_difference(a, b, tolerance) for a, b in zip(plain, optimized, strict=True)), default=0.0)


def _difference(plain: Tensor, optimized: Tensor, tolerance: float) -> float:
    expected, given = plain.array, optimized.array
    if plain.dtype is not optimized.dtype or expected.shape != given.shape:
        raise NotOptimizedError("its answers have other data types or shapes once it is optimised")
    if expected.dtype.kind not in "fc":
        if not np.array_equal(expected, given):
            raise NotOptimizedError(f"answers of type {plain.dtype.word} differ once it is optimised")
        return 0.0
    finite = np.isfinite(expected)
    if not np.array_equal(expected[~finite], given[~finite], equal_nan=True):
        raise NotOptimizedError("answers that are not finite differ once it is optimised")
    if not finite.any():
        return 0.0
    difference = float(np.abs(expected[finite].astype(np.complex128) - given[finite]).max())
    if difference < _SMALLEST_NORMAL:
        return 0.0
    largest = float(np.abs(expected[finite]).max()) or 1.0
    if not difference <= tolerance * largest:
        raise NotOptimizedError(
            f"its answers differ by {difference / largest:.1e} once it is optimised; expected at most {tolerance:.0e}"
        )
    return difference / largest
