"""What is known of a tensor before any request: type, shape, the range of its values, and where these come from."""

from dataclasses import dataclass, replace
from math import inf

from serving.core.tensor import DataType
from serving.openvino.sizes import Size, known

Shape = tuple[Size, ...]

INTEGERS = frozenset((DataType.INT32, DataType.INT64, DataType.UINT8, DataType.INT8, DataType.INT16, DataType.UINT16))
COUNTERS = frozenset((DataType.INT32, DataType.INT64))
"""The integers that OpenVINO is let compute with: it has 32 bits for both, so the range must be known to fit."""

MAX_INTEGER = 2**31 - 1

MAX_SIZE = 2**24
"""What open sizes, and their products, are taken to stay below: only sizes that were tried are OpenVINO's."""

MAX_ELEMENTS = 64
"""Small integer tensors up to this many elements are known element by element: they are shapes and indices."""


class TensorFlowOnlyError(Exception):
    """An operation is not OpenVINO's, for this reason."""


class IndexRangeError(TensorFlowOnlyError):
    """It would be, if the ``sources`` kept its index in 0 … ``count`` - 1; it is ``over`` on either side."""

    def __init__(self, reason: str, sources: frozenset[str], count: int, over: tuple[float, float]) -> None:
        super().__init__(reason)
        self.sources = sources
        self.count = count
        self.over = over


class SizesDifferError(TensorFlowOnlyError):
    """It would be, if two open sizes of the inputs were the same."""

    def __init__(self, reason: str, one: str, other: str) -> None:
        super().__init__(reason)
        self.one = one
        self.other = other


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One tensor, or the list of tensors that TensorFlow's loops write: ``count`` of them, each of ``shape``.

    ``exact``: both engines have the same bits, for nothing was rounded on the way. ``elements``: of a small integer
    tensor, row by row. ``sources``: the inputs that an integer is computed from. ``below``: what a loop's counter,
    which starts at 0 and goes by ones, never reaches. ``wanted``: the sizes that a list's elements must have, -1 for
    any, None for any rank. ``filled``: whether every element of a list has been written. ``coarse``: whether
    small values are right to 1e-6 only, which is enough where a larger constant is added. ``steady``: whether no
    difference of nearly equal numbers was taken, so that small values are right to as many digits as large ones.
    ``whole``: floats that are integers. ``flaw``: why there is no shape to compute with.
    """

    dtype: DataType
    shape: Shape | None
    low: float = -inf
    high: float = inf
    exact: bool = False
    elements: tuple[Size, ...] | None = None
    sources: frozenset[str] = frozenset()
    below: frozenset[Size] = frozenset()
    count: Size | None = None
    wanted: tuple[int, ...] | None = None
    filled: bool = False
    coarse: bool = False
    steady: bool = False
    whole: bool = False
    flaw: str = "the rank of what it takes is unknown"

    @property
    def dims(self) -> Shape:
        """The shape. TensorFlowOnlyError if there is none."""
        if self.shape is None:
            raise TensorFlowOnlyError(self.flaw)
        return self.shape

    @property
    def is_steady(self) -> bool:
        """``steady``, or even exact."""
        return self.steady or self.exact

    @property
    def sign(self) -> int:
        """1 if no value is below 0, -1 if none is above, 0 if both may be."""
        return 1 if self.low >= 0 else -1 if self.high <= 0 else 0

    @property
    def is_float(self) -> bool:
        """Whether it is of the one type that OpenVINO computes in."""
        return self.dtype is DataType.FLOAT and self.count is None

    @property
    def numbers(self) -> tuple[int, ...] | None:
        """The elements, if they are the same for every request."""
        if self.elements is None:
            return None
        values = tuple(element.value for element in self.elements)
        return None if any(value is None for value in values) else tuple(value for value in values if value is not None)

    def moved(self, shape: Shape | None, elements: tuple[Size, ...] | None = None) -> "Fact":
        """The same values, or some of them, in another shape."""
        return replace(self, shape=shape, elements=elements, below=frozenset(), count=None)


def integers(dtype: DataType, shape: Shape, elements: tuple[Size, ...], sources: frozenset[str] = frozenset()) -> Fact:
    """A small integer tensor that is known element by element."""
    low = min((element.low for element in elements), default=0)
    high = max((element.high for element in elements), default=0)
    if high == inf:
        high = MAX_SIZE
    kept = elements if len(elements) <= MAX_ELEMENTS else None
    return Fact(dtype=dtype, shape=shape, low=low, high=high, exact=True, elements=kept, sources=sources)


def numbers(dtype: DataType, values: tuple[int, ...]) -> Fact:
    """A vector of known integers."""
    return integers(dtype, (known(len(values)),), tuple(map(known, values)))


def joined(facts: tuple[Fact, ...], shape: Shape | None) -> Fact:
    """What holds for a tensor that takes its values from several."""
    first = facts[0]
    exact = all(fact.exact for fact in facts)
    return Fact(
        dtype=first.dtype,
        shape=shape,
        low=min(fact.low for fact in facts),
        high=max(fact.high for fact in facts),
        exact=exact,
        steady=all(fact.is_steady for fact in facts),
        sources=frozenset().union(*(fact.sources for fact in facts)),
    )
