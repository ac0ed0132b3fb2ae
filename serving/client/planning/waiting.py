"""How long a request waits and takes at a load: M/G/c, requests at random times, ``servers`` that answer one at a time.

What is random is the arrivals (Poisson) and which of the measured service times a request has. Nobody gives up, and
who came first is served first.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_HALVINGS = 60
_LARGEST_EXPONENT = 600.0
"""e to this is still a float, and so is its product with any service time."""


def erlang_c(servers: int, offered: float) -> float:
    """The probability that all of so many servers are busy, of ``offered`` erlangs (rate times mean service time).

    Erlang's C, exact for M/M/c. 1 from as many erlangs as servers on.
    """
    if offered >= servers:
        return 1.0
    blocked = 1.0  # Erlang's B, one server after the other: the sum of factorials would overflow
    for count in range(1, servers + 1):
        blocked = offered * blocked / (count + offered * blocked)
    return blocked / (1 - offered / servers * (1 - blocked))


def mean_wait(servers: int, rate: float, mean: float, variation: float) -> float:
    """Seconds that a request waits on average; infinity from the capacity on.

    ``variation`` is the squared coefficient of variation of the service times, 0 for constant and 1 for exponential
    ones. Between and beyond these two it is Cosmetatos's line through M/D/c and M/M/c, which is Pollaczek and
    Khinchine's exact one for a single server.
    """
    offered = rate * mean
    if offered >= servers:
        return math.inf
    if not offered:
        return 0.0
    exponential = erlang_c(servers, offered) * mean / (servers - offered)
    load = offered / servers
    correction = (1 - load) * (servers - 1) * (math.sqrt(4 + 5 * servers) - 2) / (16 * load * servers)
    constant = min((1 + correction) / 2, 1.0) * exponential
    return constant + max(variation, 0.0) * (exponential - constant)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """The distribution of a wait: over t seconds with probability ``tail * e**(-decay*t) + rest * e**(-fast*t)``."""

    tail: float
    decay: float
    rest: float = 0.0
    fast: float = 1.0

    def beyond(self, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        """The probability of a longer wait, for each of these; 1 for those below zero."""
        late = np.maximum(seconds, 0.0)
        share = self.tail * np.exp(-self.decay * late) + self.rest * np.exp(-self.fast * late)
        return np.where(seconds < 0, 1.0, np.clip(share, 0.0, 1.0))


NO_WAITING = Waiting(tail=0.0, decay=1.0)


@dataclass(frozen=True, slots=True)
class Station:
    """So many servers, and the seconds that a request keeps one of them, as measured: a positive number each."""

    servers: int
    seconds: Sequence[float]

    @property
    def mean(self) -> float:
        """Seconds of service on average."""
        return float(np.mean(self.seconds))

    @property
    def capacity(self) -> float:
        """Requests per second that can be served at most."""
        return self.servers / self.mean

    def waiting(self, rate: float) -> Waiting:
        """The wait at ``rate`` requests per second. ValueError from the capacity on, where it grows without end.

        Three things fix it. How likely a wait is: Erlang's C. How long it is on average: ``mean_wait``. And how it
        falls off at the far end, which is known exactly: by the root of E[e**(xS/c)] = 1 + x/rate.
        """
        if rate >= self.capacity:
            raise ValueError(f"{rate:g} requests per second are not below the capacity, {self.capacity:g}")
        if rate <= 0:
            return NO_WAITING
        sizes = np.asarray(self.seconds, np.float64) / self.servers
        mean, load = self.mean, rate / self.capacity
        likely = erlang_c(self.servers, rate * mean)
        average = mean_wait(self.servers, rate, mean, float(np.var(self.seconds)) / mean**2)
        decay = _decay(sizes, rate)
        tail = likely / load * (1 - load) / (rate * float(np.mean(sizes * np.exp(decay * sizes))) - 1)
        left = average - tail / decay
        if not (left and (likely - tail) / left > decay):
            return Waiting(tail=likely, decay=likely / average) if average else NO_WAITING
        return Waiting(tail=tail, decay=decay, rest=likely - tail, fast=(likely - tail) / left)

    def quantile(self, rate: float, share: float) -> float:
        """The seconds from arrival to answer that ``share`` of the requests do not exceed, 0.99 for the p99."""
        waiting, sizes = self.waiting(rate), np.asarray(self.seconds, np.float64)
        return quantile(lambda limit: float(np.mean(waiting.beyond(limit - sizes))), share, float(np.max(sizes)))


def _decay(sizes: NDArray[np.float64], rate: float) -> float:
    """The positive root x of mean(e**(x*sizes)) = 1 + x/rate."""
    low, high = 0.0, 1 / rate
    top = _LARGEST_EXPONENT / float(np.max(sizes))

    def over(x: float) -> bool:
        return float(np.mean(np.exp(x * sizes))) > 1 + x / rate

    while high < top and not over(high):
        low, high = high, 2 * high
    high = min(high, top)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if over(middle) else (middle, high)
    return high


def quantile(beyond: Callable[[float], float], share: float, guess: float) -> float:
    """Where a falling probability ``beyond`` reaches 1 - ``share``; ``guess`` is a positive number about so large."""
    low, high = 0.0, guess
    while beyond(high) > 1 - share:
        low, high = high, 2 * high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if beyond(middle) > 1 - share else (low, middle)
    return high
