"""Who may run, of those that share a number of places: a count, without threads and without a clock.

Whoever runs for ever holds a place for ever. So two things hold beyond the number: who has nothing running always gets
a place, and a place whose holder nobody waits for can be written off.
"""

from collections.abc import Hashable
from concurrent.futures import Future
from typing import TypeVar

from serving.core.batch_run import BatchRun

T = TypeVar("T")

MOST_LOST = 16
"""Places that may be written off at a time: each is a run that goes on, with its memory and its share of the CPUs."""


class PlacedFuture(Future[T]):
    """What comes of a call that holds a place. It has waited ``queued_seconds`` until it began.

    ``batches`` are those that it ran in, where batches are noted.
    """

    queued_seconds = 0.0
    batches: tuple[BatchRun, ...] = ()

    def write_off(self) -> None:
        """Give the place to others, for nobody waits for the call; it goes on. Does nothing if it does not run."""
        raise NotImplementedError


class Places:
    """``most`` places for everybody together, and one at least for each. Not thread-safe: its user has a lock."""

    __slots__ = ("_lost", "_most", "_of", "_taken")

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0
        self._lost = 0
        self._of: dict[Hashable, int] = {}

    @property
    def full(self) -> bool:
        """Whether only those get a place who have none."""
        return self._taken >= self._most

    def has_room(self, who: Hashable) -> bool:
        """Whether ``take`` would succeed."""
        return self._taken < self._most or (who not in self._of and self._most > 0)

    def take(self, who: Hashable) -> bool:
        """Count one more of ``who``; False if there is no place for it."""
        if not self.has_room(who):
            return False
        self._taken += 1
        self._of[who] = self._of.get(who, 0) + 1
        return True

    def give_back(self, who: Hashable) -> None:
        """One of ``who`` is over."""
        self._taken -= 1
        left = self._of[who] - 1
        if left:
            self._of[who] = left
        else:
            del self._of[who]

    def write_off(self, who: Hashable) -> bool:
        """Give a place to others though its holder goes on; False if ``MOST_LOST`` are written off already."""
        if self._lost >= MOST_LOST:
            return False
        self._lost += 1
        self.give_back(who)
        return True

    def found(self) -> None:
        """One that was written off is over after all."""
        self._lost -= 1
