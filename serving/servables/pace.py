"""How long the calls of one run take on average, and so whether they are worth a thread hop. It reads no clock."""

import math
from collections.abc import Sequence

from serving.core.tensor import Tensor

INLINE_SECONDS = 0.001
"""Below this mean a call is cheaper than the thread hop of 50-100 µs is worth."""

SHORT_SECONDS = 0.02
"""Below this mean a call has threads that long calls do not take."""

_MEAN_WEIGHT = 0.1
_LONGEST_COUNTED = 4 * INLINE_SECONDS
"""More than this is not taken for a short call's time: one that the system holds up for 10 ms has not turned slow."""

_SIZES = 65
"""Sizes are told apart by the bits of their number of elements, of which an array has at most 2**63."""


class Pace:
    """A running mean of call times for each size of input; a lost update between threads does no harm.

    A step that is short for one row may be long for a batch, so nothing is concluded from one size for another.
    """

    __slots__ = ("_last", "_means")

    def __init__(self) -> None:
        self._means = [math.inf] * _SIZES
        self._last = -1
        """The size of the last call; -1 before the first one."""

    @property
    def inline(self) -> bool:
        """Whether calls as the last one was are short; nothing is known before the second one."""
        return self._last >= 0 and self._means[self._last] < INLINE_SECONDS

    def inline_for(self, elements: int) -> bool:
        """Whether calls with about this many elements are short; False as long as there were none."""
        return self._means[elements.bit_length()] < INLINE_SECONDS

    def short_for(self, elements: int) -> bool:
        """Whether such calls take a few milliseconds, so that they need not wait for long ones."""
        return self._means[elements.bit_length()] < SHORT_SECONDS

    def note(self, elements: int, seconds: float) -> None:
        """Take one more call into account, the first call excepted: it prunes and places its graph."""
        size = elements.bit_length()
        if self._last >= 0:
            mean = self._means[size]
            if mean < math.inf:
                counted = min(seconds, _LONGEST_COUNTED) if mean < INLINE_SECONDS else seconds
                seconds = mean + (counted - mean) * _MEAN_WEIGHT
            self._means[size] = seconds
        self._last = size


class PaceOfLoops(Pace):
    """The same for what may never end (``loops``): a thread hop is never too much for it."""

    __slots__ = ()

    @property
    def inline(self) -> bool:
        """Never."""
        return False

    def inline_for(self, elements: int) -> bool:
        """Never."""
        return False


def elements(tensors: Sequence[Tensor]) -> int:
    """How many elements all of them have."""
    if len(tensors) == 1:
        return tensors[0].array.size
    return sum(tensor.array.size for tensor in tensors)
