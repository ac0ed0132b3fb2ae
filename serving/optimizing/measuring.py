"""How long calls take by two ways of running them, measured in turn so that what else the machine does hits both."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from serving.optimizing.choice import gains

Call = Callable[[], object]
"""One call of a model with an example."""

_SHORTEST_SECONDS = 0.02
"""A turn has as many calls as fit into this."""
_MOST_CALLS = 200

_FEWEST_PAIRS, _MOST_PAIRS = 3, 15
_CELL_SECONDS = 0.8
"""After this a cell is decided by the pairs that there are."""
_CLEAR_SECONDS = 0.5
_CLEARLY_BETTER, _NO_BETTER = 0.75, 1.05
"""After half a second also by fewer than the fewest, if each says the same so clearly: a pair may take seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Seconds per call of both, turn by turn."""

    plain: tuple[float, ...]
    other: tuple[float, ...]

    @property
    def other_gains(self) -> bool:
        """Whether the other one is clearly faster."""
        return gains(self.plain, self.other)


def measured(plain: Call, other: Call, calls: int, clock: Callable[[], float]) -> Pairs:
    """Both with ``calls`` at once; the first call of each, which is another, was made before."""
    began = clock()
    count = _calls_per_turn(plain, clock)
    plain_seconds: list[float] = []
    other_seconds: list[float] = []
    while len(plain_seconds) < _MOST_PAIRS:
        plain_seconds.append(_turn(plain, calls, count, clock))
        other_seconds.append(_turn(other, calls, count, clock))
        spent = clock() - began
        if spent > _CELL_SECONDS and (len(plain_seconds) >= _FEWEST_PAIRS or spent > 2 * _CELL_SECONDS):
            break
        if spent > _CLEAR_SECONDS and _clear(plain_seconds, other_seconds):
            break
    return Pairs(plain=tuple(plain_seconds), other=tuple(other_seconds))


def _clear(plain: Sequence[float], other: Sequence[float]) -> bool:
    ratios = [after / before for before, after in zip(plain, other, strict=True)]
    return max(ratios) <= _CLEARLY_BETTER or min(ratios) >= _NO_BETTER


def _calls_per_turn(call: Call, clock: Callable[[], float]) -> int:
    began = clock()
    call()
    seconds = max(clock() - began, 1e-9)
    return max(1, min(_MOST_CALLS, int(_SHORTEST_SECONDS / seconds)))


def _turn(call: Call, calls: int, count: int, clock: Callable[[], float]) -> float:
    """Seconds per call, of ``count`` in each of ``calls`` threads."""
    if calls == 1:
        began = clock()
        for _ in range(count):
            call()
        return (clock() - began) / count
    failures: list[BaseException] = []
    ready = threading.Barrier(calls + 1)

    def work() -> None:
        ready.wait()
        try:
            for _ in range(count):
                call()
        except BaseException as error:  # noqa: BLE001 - raised by the caller
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(calls)]
    for thread in threads:
        thread.start()
    ready.wait()
    began = clock()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return (clock() - began) / (count * calls)


def median(seconds: Sequence[float]) -> float:
    """The one in the middle, the longer of two."""
    return sorted(seconds)[len(seconds) // 2]
