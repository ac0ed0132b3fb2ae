"""What OpenVINO may be given: only what TensorFlow is known to accept and both were seen to answer alike.

It checks less than TensorFlow does: a size that it was not compiled for read past a buffer, an index out of range gave
zeros, and infinities became numbers. What is not accepted here is asked of TensorFlow, in whose words it is refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from serving.core.tensor import DataType, Tensor

FLOAT_MAX = float(np.finfo(np.float32).max)

Sizes = tuple[tuple[int, int | None], ...]
"""The lowest and the highest size of each dimension; None for no highest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedInput:
    """What one input may be.

    ``bounds`` are those of an index, the lowest and the first beyond the highest. ``magnitude`` is the largest absolute
    value of a float at which both engines agreed; what is not finite is never accepted. It says nothing of other types.
    """

    dtype: DataType
    sizes: Sizes
    bounds: tuple[int, int] | None = None
    magnitude: float = FLOAT_MAX

    def fits(self, tensor: Tensor) -> bool:
        """Whether type, rank and sizes are accepted, which takes no look at the values."""
        shape = tensor.array.shape
        if tensor.dtype is not self.dtype or len(shape) != len(self.sizes):
            return False
        for size, (lowest, highest) in zip(shape, self.sizes, strict=True):
            if size < max(lowest, 1) or (highest is not None and size > highest):
                return False
        return True

    def has_values(self, tensor: Tensor) -> bool:
        """Whether each value is accepted."""
        if self.bounds is not None:
            lowest, highest = float(self.bounds[0]), float(self.bounds[1] - 1)
        elif self.dtype is DataType.FLOAT:
            lowest, highest = -self.magnitude, self.magnitude
        else:
            return True
        # The largest and the least of what has a NaN is NaN, which no comparison finds within anything.
        return bool(np.min(tensor.array) >= lowest and np.max(tensor.array) <= highest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What a call's inputs may be: each by itself, and together.

    ``same_sizes``: groups of (input, axis) whose sizes must be equal. ``shapes``: if given, only what was tried, for a
    model that refused others in between.
    """

    inputs: tuple[AcceptedInput, ...]
    same_sizes: tuple[tuple[tuple[int, int], ...], ...] = ()
    shapes: frozenset[tuple[tuple[int, ...], ...]] | None = None

    def fits(self, tensors: Sequence[Tensor]) -> bool:
        """Whether types, ranks and sizes of all are accepted, which takes no look at the values."""
        for accepted, tensor in zip(self.inputs, tensors, strict=True):
            if not accepted.fits(tensor):
                return False
        for group in self.same_sizes:
            if len({tensors[index].array.shape[axis] for index, axis in group}) > 1:
                return False
        return self.shapes is None or tuple(tensor.array.shape for tensor in tensors) in self.shapes

    def has_values(self, tensors: Sequence[Tensor]) -> bool:
        """Whether every value is accepted."""
        return all(accepted.has_values(tensor) for accepted, tensor in zip(self.inputs, tensors, strict=True))
