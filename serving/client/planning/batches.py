"""How long a request takes where requests are put together into batches, by the server's own parameters for that.

Two accounts, each of which is too slow somewhere, and the answer is the faster one. In the first, batches are
customers of a station of so many threads and nothing joins one that waits: right while a thread is free most often. In
the second, the threads take turns at even distances, and who comes until a turn joins it: right once all are busy.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serving.client.planning.waiting import NO_WAITING, Station, Waiting, quantile

_SLICES, _GAPS = 24, 4
"""Into so many parts a span of time is cut where a formula asks for an integral over it, and the distances of turns."""

_DISTINCT = 1000
"""Waits are told apart by this part of the longest one."""

_MOST_LEFT = 1200
"""Requests that a turn may leave behind, at most; the equations are so many."""

_ROUNDS = 40
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class BatchStation:
    """``threads`` (num_batch_threads) that take batches of up to ``largest`` (max_batch_size) requests of one row.

    ``timeout`` is batch_timeout_micros in seconds. ``seconds`` gives the measured times of a batch of so many rows.
    """

    threads: int
    largest: int
    timeout: float
    seconds: Callable[[float], Sequence[float]]

    @property
    def capacity(self) -> float:
        """Requests per second with full batches."""
        return self.largest * self.threads / float(np.mean(self.seconds(self.largest)))

    def quantile(self, rate: float, share: float) -> float:
        """The seconds from arrival to answer that ``share`` of the requests do not exceed.

        ValueError from the capacity on.
        """
        if rate >= self.capacity:
            raise ValueError(f"{rate:g} requests per second are not below the capacity, {self.capacity:g}")
        size = self.size(rate)
        seconds = np.asarray(self.seconds(size), np.float64)
        # A batch that fills up does not wait for its time.
        patience = min(self.timeout, (self.largest - 1) / rate)
        found = [_quantile(_turns(rate, self.largest, patience, float(np.mean(seconds)), self.threads), seconds, share)]
        alone = Station(self.threads, tuple(seconds))
        batches = rate / (1 + rate * patience)
        if batches < alone.capacity:
            found.append(_quantile(_collected(rate, patience), seconds, share, alone.waiting(batches)))
        return min(found)

    def size(self, rate: float) -> float:
        """The rows of a batch on average: who comes within the timeout, or within a turn if that is longer."""
        size = 1.0
        for _ in range(_ROUNDS):  # a larger batch may take longer, and be larger for that
            turn = float(np.mean(self.seconds(size))) / self.threads
            size = min(max(1 + rate * self.timeout, rate * turn), self.largest)
        return size


@dataclass(frozen=True, slots=True)
class Waits:
    """A distribution of waits until a batch begins: these seconds, each so likely."""

    seconds: Array
    weights: Array

    @classmethod
    def of(cls, parts: Sequence[tuple[Array, Array]]) -> "Waits":
        """All parts together, those that are as good as the same as one, their weights made to sum up to one."""
        seconds = np.concatenate([seconds for seconds, _ in parts])
        weights = np.concatenate([weights for _, weights in parts])
        step = float(np.max(seconds)) / _DISTINCT or 1.0
        places = np.rint(seconds / step).astype(np.int64)
        sums = np.bincount(places, weights)
        kept = np.flatnonzero(sums)
        means = np.bincount(places, weights * seconds)[kept] / sums[kept]
        return cls(means, sums[kept] / weights.sum())


def _quantile(waits: Waits, seconds: Array, share: float, then: Waiting = NO_WAITING) -> float:
    """Of the sum of three that know nothing of each other: the wait, what ``then`` comes before a thread, the run."""
    runs = np.quantile(seconds, (np.arange(_SLICES) + 0.5) / _SLICES) if len(seconds) > _SLICES else seconds

    def beyond(limit: float) -> float:
        left = limit - waits.seconds[:, None] - runs[None, :]
        # Not as a product of matrices: small ones are slower on several threads than on one.
        return float(np.sum(waits.weights[:, None] * then.beyond(left))) / len(runs)

    return quantile(beyond, share, float(np.max(waits.seconds) + np.max(runs)))


def _collected(rate: float, patience: float) -> Waits:
    """The first request waits for all of the time, others for what is left of it."""
    parts = [(np.array([patience]), np.array([1.0]))]
    if patience:
        parts.append((_middles(0.0, patience), np.full(_SLICES, rate * patience / _SLICES)))
    return Waits.of(parts)


def _turns(rate: float, largest: int, patience: float, run: float, threads: int) -> Waits:
    """The waits where all threads are in use, each for ``run`` seconds at a time.

    What a turn leaves behind is a random walk, and who comes behind ``largest`` others waits for a further turn. A turn
    that nobody waits for begins when the first request has waited for its patience. Turns are ``run / threads`` apart
    on average. Threads that began at random stay where they are, and those that run out of work spread evenly; taken is
    the middle of the two.
    """
    turn = run / threads
    middles = _middles(0.0, 1.0)
    firsts = -np.log1p(-middles) / rate  # when the next request comes, as likely each
    gaps = _gaps(run, threads)
    ends = np.maximum(turn, firsts + patience)
    left = _left_behind(rate, largest, turn, 1 + rate * (ends - firsts))
    parts: list[tuple[Array, Array]] = []
    for gap in gaps:
        for first in firsts:
            end, weight = max(gap, first + patience), left[0] / _SLICES
            parts.append((np.array([end - first]), np.array([weight])))
            after = np.array([0.0, weight * rate * (end - first)])
            parts.append(_within(end - first, rate, largest, turn, after))
        parts.append(_within(gap, rate, largest, turn, rate * gap * np.array([0.0, *left[1:]])))
    return Waits.of(parts)


def _gaps(run: float, threads: int) -> Array:
    """How far apart two turns are, as likely each."""
    if threads == 1:
        return np.array([run])
    random = run * (1 - (1 - _middles(0.0, 1.0, _GAPS)) ** (1 / (threads - 1)))
    return (random + run / threads) / 2


def _within(span: float, rate: float, largest: int, turn: float, before: Array) -> tuple[Array, Array]:
    """Waits of those who come in the time before a turn; ``before`` weighs each number of those that waited before."""
    waits = span - _middles(0.0, span)
    most = _poisson(rate * span)
    if len(before) + len(most) <= largest:
        return waits, np.full(_SLICES, before.sum() / _SLICES)
    parts: list[tuple[float, float]] = []
    for wait in waits:
        ahead = np.convolve(before, _poisson(rate * (span - wait)))
        shares = np.add.reduceat(ahead, np.arange(0, len(ahead), largest)) / _SLICES
        parts += [(wait + number * turn, float(share)) for number, share in enumerate(shares)]
    found = np.array(parts)
    return found[:, 0], found[:, 1]


def _left_behind(rate: float, largest: int, turn: float, after_none: Array) -> Array:
    """How likely a turn leaves 0, 1, 2, ... requests behind; after an empty one come so many, each as likely."""
    busy = _poisson(rate * turn)
    load = rate * turn / largest
    most = min(_MOST_LEFT, 1 + math.ceil(len(busy) + 4 * largest / max(1 - load, 0.01)))
    step = np.zeros((most, most))
    for held in range(1, most):
        _spread(step[held], busy, held - largest)
    for mean in after_none:
        _spread(step[0], _poisson(mean - 1) / len(after_none), 1 - largest)
    # The stationary distribution: one of the equations says nothing new, and the sum is one.
    equations = step.T - np.eye(most)
    equations[-1] = 1.0
    known = np.zeros(most)
    known[-1] = 1.0
    return np.maximum(np.asarray(np.linalg.solve(equations, known), np.float64), 0.0)


def _spread(row: Array, shares: Array, offset: int) -> None:
    """Add shares from a place on; what falls off an end goes to that end."""
    places = np.clip(np.arange(len(shares)) + offset, 0, len(row) - 1)
    np.add.at(row, places, shares)


def _poisson(mean: float) -> Array:
    """How likely 0, 1, 2, ... are, up to where it does not matter."""
    counts = np.arange(math.ceil(mean + 8 * math.sqrt(mean) + 10))
    if not mean:
        return np.where(counts == 0, 1.0, 0.0)
    factorials = np.cumsum(np.log(np.maximum(counts, 1)))
    return np.asarray(np.exp(counts * math.log(mean) - mean - factorials), np.float64)


def _middles(begin: float, end: float, count: int = _SLICES) -> Array:
    return begin + (end - begin) * (np.arange(count) + 0.5) / count
