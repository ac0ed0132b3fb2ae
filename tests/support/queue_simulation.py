"""A queue played through, one request after the other: what the formulas of serving.client.planning are held against.

It does what the server does: threads that take what waits, first come first served, and with batching a batch that is
full, or whose first request has waited for the timeout, as soon as a thread is free; until then more may join it.
"""

import heapq
from collections.abc import Callable
from random import Random


def arrivals(random: Random, rate: float, count: int) -> list[float]:
    """The times of so many requests at random, ``rate`` per second."""
    now, found = 0.0, []
    for _ in range(count):
        now += random.expovariate(rate)
        found.append(now)
    return found


def answered(times: list[float], servers: int, service: Callable[[], float]) -> list[float]:
    """Seconds from arrival to answer of each request, with so many servers; ``service`` draws the time of one."""
    free, found = [0.0] * servers, []
    for arrived in times:
        end = max(arrived, heapq.heappop(free)) + service()
        heapq.heappush(free, end)
        found.append(end - arrived)
    return found


def batched(
    times: list[float], threads: int, largest: int, timeout: float, service: Callable[[int], float]
) -> list[float]:
    """The same with batches; ``service`` draws the time of a batch of so many requests of one row."""
    free, found, first = [0.0] * threads, [], 0
    while first < len(times):
        full = times[first + largest - 1] if first + largest <= len(times) else float("inf")
        taken = max(min(times[first] + timeout, full), heapq.heappop(free))
        last = first
        while last < len(times) and last - first < largest and times[last] <= taken:
            last += 1
        end = taken + service(last - first)
        heapq.heappush(free, end)
        found += [end - arrived for arrived in times[first:last]]
        first = last
    return found


def percentile(values: list[float], share: float) -> float:
    """The smallest value that ``share`` of them are not over."""
    return sorted(values)[min(int(share * len(values)), len(values) - 1)]
