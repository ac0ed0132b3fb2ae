"""How many servers a rate needs so that a p99 is kept, and what would be the next thing in the way."""

import math
from dataclasses import dataclass

from serving.client.planning.measurement import Measurement

_HALVINGS = 40
FULL_LINK = 0.7
"""What part of a link is used at most: bursts, and the traffic of others."""

HEADER_BYTES = 400
"""What gRPC, HTTP/2, TCP and IP add to a small request and its answer together, about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is wanted, and of what machines: ``rate`` in requests per second, ``p99`` in seconds.

    ``gigabits`` are those per second of a machine's network, and ``utilisation`` how much of a server's capacity may be
    used at most.
    """

    rate: float
    p99: float
    cores: int
    gigabits: float
    utilisation: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """Something that ends the growth, and how much of it is used; 1 is all of it."""

    name: str
    used: float
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """So many worker processes on so many machines, none of them to spare; times are in seconds."""

    workers: int
    workers_per_machine: int
    machines: int
    per_worker: float
    most_per_worker: float
    utilisation: float
    p50: float
    p99: float
    limits: tuple[Limit, ...]


class ImpossibleError(ValueError):
    """What no number of servers can do, in a sentence."""


def plan(measured: Measurement, wish: Wish) -> Plan:
    """The plan. ImpossibleError if requests on an idle server are too slow already."""
    alone = measured.alone_quantile(0.99)
    if alone > wish.p99:
        raise ImpossibleError(
            f"A p99 of {_ms(wish.p99)} is out of reach, however many servers there are: on an idle server the p99 is "
            f"{_ms(alone)}. The model has to become faster, or its requests smaller; see also where the time goes with "
            "serving-client bench."
        )
    kept = _most_within(measured, wish.p99)
    most = min(kept, wish.utilisation * measured.capacity)
    workers = math.ceil(wish.rate / most)
    cores = _cores(measured)
    per_machine = max(1, min(int(wish.cores / cores + 1e-9), wish.cores)) if cores else wish.cores
    machines = max(math.ceil(workers / per_machine), _machines_for_network(measured, wish))
    each = wish.rate / workers
    return Plan(
        workers=workers,
        workers_per_machine=math.ceil(workers / machines),
        machines=machines,
        per_worker=each,
        most_per_worker=most,
        utilisation=each / measured.capacity,
        p50=measured.quantile(each, 0.5),
        p99=measured.quantile(each, 0.99),
        limits=_limits(measured, wish, workers, machines, kept),
    )


def _most_within(measured: Measurement, p99: float) -> float:
    """Requests per second up to which the p99 is kept."""
    low, high = 0.0, measured.capacity
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if measured.quantile(middle, 0.99) <= p99 else (low, middle)
    return max(low, measured.capacity * 1e-6)


def _cores(measured: Measurement) -> float:
    """The cores that one worker has use of at its capacity; 1 if the server does not tell."""
    return 1.0 if measured.cpu_seconds is None else measured.cpu_seconds * measured.capacity


def bits(measured: Measurement) -> float:
    """Of one request and its answer, the larger of the two directions: links carry both at once."""
    return 8.0 * (max(measured.request_bytes, measured.answer_bytes) + HEADER_BYTES)


def _machines_for_network(measured: Measurement, wish: Wish) -> int:
    return math.ceil(wish.rate * bits(measured) / (FULL_LINK * wish.gigabits * 1e9))


def _limits(measured: Measurement, wish: Wish, workers: int, machines: int, kept: float) -> tuple[Limit, ...]:
    """The nearest first."""
    each, carried = wish.rate / workers, wish.rate * bits(measured)
    cores = _cores(measured)
    cpu = cores * wish.rate / measured.capacity / (machines * wish.cores)
    link = carried / machines / (wish.gigabits * 1e9)
    told = "" if measured.cpu_seconds is not None else " if each worker uses one core, which --rest would tell"
    found = [
        Limit(
            name="worker",
            used=each / measured.capacity,
            sentence=f"One worker answers {measured.capacity:,.0f} requests per second at most and gets {each:,.0f}.",
        ),
        Limit(
            name="p99",
            used=each / kept,
            sentence=f"The p99 stays within {_ms(wish.p99)} up to {kept:,.0f} requests per second of one worker.",
        ),
        Limit(
            name="cpu",
            used=cpu,
            sentence=f"The machines' {machines * wish.cores} cores are used to {cpu:.0%}{told}.",
        ),
        Limit(
            name="network",
            used=link,
            sentence=f"A machine's link carries {carried / machines / 1e9:.3g} of {wish.gigabits:g} Gbit/s "
            f"({bits(measured) / 8:,.0f} bytes of each request or answer).",
        ),
        Limit(
            name="balancer",
            used=carried / (wish.gigabits * 1e9),
            sentence=f"A balancer that everything passes carries {carried / 1e9:.3g} Gbit/s on one such link, and "
            f"{wish.rate:,.0f} requests per second: let clients balance themselves, or use several.",
        ),
    ]
    return tuple(sorted(found, key=lambda limit: -limit.used))


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.3g} ms"
