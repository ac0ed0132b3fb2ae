"""Counters, gauges and histograms with labels, and the registry that knows them by name; not their text form.

A child (one metric with one set of label values) is resolved once and kept; what is added to it is exact whatever
threads do.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from threading import Lock
from typing import Generic, NamedTuple, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

MOST_WAITING = 512
"""Values that are taken in before they are sorted into buckets: in a row each costs a tenth of one at a time."""

Labels = tuple[str, ...]
"""Label values, in the order of a family's label names."""


class Kind(Enum):
    """What a family is, in the words of the page."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


Source = Callable[[], None]
"""Hands over what it has kept back so far."""


class Counter:
    """A whole number that only grows; each of ``sources`` is asked before it is read."""

    __slots__ = ("_lock", "_value", "sources")

    def __init__(self) -> None:
        self._lock = Lock()
        self._value = 0
        self.sources: tuple[Source, ...] = ()

    def add(self, amount: int = 1) -> None:
        """Count ``amount`` more."""
        with self._lock:
            self._value += amount

    @property
    def value(self) -> int:
        """The number so far."""
        for hand_over in self.sources:
            hand_over()
        return self._value


class Gauge:
    """A whole number that is what it was last set to."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0

    def set(self, value: int) -> None:
        """Replace the number."""
        self.value = value


class Distribution(NamedTuple):
    """What a histogram has seen: values per bucket, the last without an upper bound, and their sum."""

    counts: tuple[int, ...]
    sum: float


class Exemplar(NamedTuple):
    """One of the values that a histogram has seen, with the request that it is of; ``when`` is Unix time in seconds."""

    trace_id: str
    span_id: str
    value: float
    when: float


class Histogram:
    """Counts values by ``bounds``. A value that equals a bound belongs to the bucket above it, as in TensorFlow.

    Each of ``sources`` is asked before it is read.
    """

    __slots__ = ("_bounds", "_counts", "_exemplars", "_lock", "_sum", "_waiting", "sources")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._lock = Lock()
        self._sum = 0.0
        self._waiting: deque[float] = deque()
        self._exemplars: dict[int, Exemplar] | None = None
        self.sources: tuple[Source, ...] = ()

    def exemplify(self, exemplar: Exemplar) -> None:
        """Show this one as an example of what is in its bucket. Whoever observes has counted its value."""
        with self._lock:
            self._exemplars = {**(self._exemplars or {}), bisect_right(self._bounds, exemplar.value): exemplar}

    @property
    def exemplars(self) -> Mapping[int, Exemplar]:
        """The newest of each bucket that has any, by the bucket's position."""
        return self._exemplars or {}

    def observe(self, value: float) -> None:
        """Count one value."""
        waiting = self._waiting
        waiting.append(value)
        if len(waiting) >= MOST_WAITING:
            with self._lock:
                self._take_in()

    def observe_many(self, value: float, times: int) -> None:
        """Count one value that was seen so many times."""
        with self._lock:
            self._sort((value,), times)

    def observe_all(self, values: Sequence[float] | NDArray[np.float64]) -> None:
        """Count each of these."""
        with self._lock:
            self._sort(values)

    def add(self, seen: Distribution, exemplars: Mapping[int, Exemplar]) -> None:
        """Count what another one with the same bounds has seen, and show its exemplars."""
        with self._lock:
            self._counts = [count + more for count, more in zip(self._counts, seen.counts, strict=True)]
            self._sum += seen.sum
            if exemplars:
                self._exemplars = {**(self._exemplars or {}), **exemplars}

    @property
    def value(self) -> Distribution:
        """Counts and sum of the same moment."""
        for hand_over in self.sources:
            hand_over()
        with self._lock:
            self._take_in()
            return Distribution(tuple(self._counts), self._sum)

    def _take_in(self) -> None:
        """Sort what waits; the lock is held, and others may go on adding meanwhile."""
        self._sort([self._waiting.popleft() for _ in range(len(self._waiting))])

    def _sort(self, values: Sequence[float] | NDArray[np.float64], times: int = 1) -> None:
        """Sort values into their buckets; the lock is held."""
        found = np.bincount(np.searchsorted(self._bounds, values, "right"), minlength=len(self._counts)).tolist()
        self._counts = [count + more * times for count, more in zip(self._counts, found, strict=True)]
        self._sum += float(np.sum(values)) * times


MetricT = TypeVar("MetricT", Counter, Gauge, Histogram)


class Family(Generic[MetricT]):
    """A metric with every set of label values it was ever used with. Thread-safe; children are made when asked for."""

    def __init__(
        self,
        name: str,
        kind: Kind,
        labels: Labels,
        make: Callable[[], MetricT],
        bounds: Sequence[float] = (),
        *,
        exact: bool = False,
    ) -> None:
        self.name = name
        self.kind = kind
        self.labels = labels
        self.bounds = bounds
        self.exact = exact
        """Whether sums are written with all their digits; TensorFlow Serving writes six."""
        self._make: Callable[[], MetricT] = make
        self._lock = Lock()
        self._children: dict[Labels, MetricT] = {}

    def child(self, *values: str) -> MetricT:
        """The metric with these label values. ValueError for another number of them than the family has labels."""
        found = self._children.get(values)
        if found is not None:
            return found
        if len(values) != len(self.labels):
            raise ValueError(f"{self.name} has the labels {self.labels}; got the values {values}")
        with self._lock:
            return self._children.setdefault(values, self._make())

    def forget(self, gone: Callable[[Labels], bool]) -> None:
        """Drop the children whose label values are ``gone``; what is still added to one of them is lost."""
        with self._lock:
            self._children = {values: child for values, child in self._children.items() if not gone(values)}

    def points(self) -> list[tuple[Labels, MetricT]]:
        """Every child, in the order of its label values."""
        with self._lock:
            children = list(self._children.items())
        return sorted(children, key=lambda point: point[0])


AnyFamily = Family[Counter] | Family[Gauge] | Family[Histogram]


class Registry:
    """All families by name. A name is registered once; from then on it is on the page, with or without points."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._families: Mapping[str, AnyFamily] = {}

    def counter(self, name: str, *labels: str) -> Family[Counter]:
        """Register a counter. ValueError if the name is taken, here and below."""
        return self._add(Family(name, Kind.COUNTER, labels, Counter))

    def gauge(self, name: str, *labels: str) -> Family[Gauge]:
        """Register a gauge."""
        return self._add(Family(name, Kind.GAUGE, labels, Gauge))

    def histogram(self, name: str, bounds: Sequence[float], *labels: str, exact: bool = False) -> Family[Histogram]:
        """Register a histogram with these upper bounds, rising."""
        return self._add(Family(name, Kind.HISTOGRAM, labels, lambda: Histogram(bounds), bounds, exact=exact))

    def families(self) -> list[AnyFamily]:
        """Every family, by name."""
        return [family for _, family in sorted(self._families.items())]

    def family(self, name: str, of: type[MetricT]) -> "Family[MetricT] | None":
        """The family of this name, whose metrics are such; None if there is none."""
        return cast("Family[MetricT] | None", self._families.get(name))

    def value(self, name: str) -> int:
        """The number of the first point of a counter or gauge; 0 for a histogram, an unknown name, no points."""
        family = self._families.get(name)
        points = family.points() if family is not None else []
        first = points[0][1].value if points else 0
        return first if isinstance(first, int) else 0

    def _add(self, family: Family[MetricT]) -> Family[MetricT]:
        with self._lock:
            if family.name in self._families:
                raise ValueError(f"the metric {family.name} is registered already")
            self._families = {**self._families, family.name: family}
        return family


def exponential(first: float, growth: float, count: int) -> tuple[float, ...]:
    """``count`` bounds, each ``growth`` times the one before."""
    return tuple(first * growth**power for power in range(count))
