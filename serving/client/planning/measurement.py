"""What was measured of one running server, and the station that stands for it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from serving.client.planning.waiting import Station, quantile

CLIENT_BUSY = 0.7
"""From so many cores on the measuring process, one interpreter, may be what ends the growth, and not the server."""

_MOST_KEPT = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """So many requests on their way at once: answers per second, and the cores that the two sides used for them.

    ``server_cores`` is None where the server does not tell.
    """

    concurrency: int
    per_second: float
    client_cores: float
    server_cores: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One server under load. ``alone`` are the seconds of requests that had it for themselves; sizes are in bytes."""

    alone: Sequence[float]
    levels: Sequence[Level]
    request_bytes: int
    answer_bytes: int

    @property
    def best(self) -> Level:
        """The level with the most answers per second."""
        return max(self.levels, key=lambda level: level.per_second)

    @property
    def cpu_seconds(self) -> float | None:
        """The server's CPU time of one request, at the best level; None if it is not known."""
        best = self.best
        return None if best.server_cores is None else best.server_cores / best.per_second

    @property
    def client_bound(self) -> bool:
        """Whether the measuring process was what could not do more."""
        return self.best.client_cores >= CLIENT_BUSY

    @property
    def capacity(self) -> float:
        """Requests per second that the server answers at most.

        Where the client was the limit, and the server's CPU time is known, what one whole core would answer: that is
        arithmetic, and not measured.
        """
        if self.client_bound and self.cpu_seconds:
            return max(self.best.per_second, 1 / self.cpu_seconds)
        return self.best.per_second

    @property
    def station(self) -> Station:
        """As many servers as were busy on average at the capacity (Little's law), with its times made to fit that.

        They may become shorter: a request is on its way for a time that keeps nobody else waiting.
        """
        mean = float(np.mean(self.alone))
        servers = max(1, round(self.capacity * mean))
        stretch = servers / (self.capacity * mean)
        return Station(servers, tuple(float(each) * stretch for each in self.alone))

    def alone_quantile(self, share: float) -> float:
        """The seconds that this share of the requests on an idle server did not exceed."""
        return float(np.quantile(self.alone, share, method="inverted_cdf"))

    def quantile(self, rate: float, share: float) -> float:
        """The same at ``rate`` requests per second. ValueError from the capacity on.

        Requests run longer beside others, in step with the load, by as much as the capacity says.
        """
        station = self.station
        waiting, times = station.waiting(rate), np.asarray(self.alone, np.float64)
        stretch = max(station.mean / float(np.mean(times)), 1.0)
        times = times * (1 + (stretch - 1) * rate / station.capacity)
        return quantile(lambda limit: float(np.mean(waiting.beyond(limit - times))), share, float(np.max(times)))

    def plain(self) -> dict[str, Any]:
        """As JSON has it; of many times alone some hundred quantiles."""
        found = asdict(self)
        if len(self.alone) > _MOST_KEPT:
            shares = (np.arange(_MOST_KEPT) + 0.5) / _MOST_KEPT
            found["alone"] = [float(each) for each in np.quantile(self.alone, shares)]
        return found

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Self:
        """What ``plain`` gave. ValueError if it is not that."""
        try:
            levels = [Level(**each) for each in plain["levels"]]
            found = cls(**{**plain, "levels": levels})
            right = min(found.alone) > 0 and min(level.per_second for level in levels) > 0
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"no measurement: {error!r}") from None
        if not right:
            raise ValueError("no measurement: times and rates are positive")
        return found
