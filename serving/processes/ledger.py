"""What one worker knows of what every worker has counted, of those that have ended too. No process is asked here.

What a worker has said counts for its life, from its start to its end: the next process with its number begins anew.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

_MOST_LIVES = 8
"""Of one worker that are kept apart. Older ones are added up, for by then everybody knows the same of them."""


class Life(NamedTuple):
    """One process of a worker. ``began`` is in nanoseconds of the machine's monotonic clock, ``pid`` its number."""

    began: int
    pid: int


class Said(NamedTuple):
    """What a worker had counted when it was ``taken``, on the same clock; ``value`` is written as bytes."""

    taken: int
    value: bytes


class Page(NamedTuple):
    """All that is known of one worker: its last ``lives``, and what those up to ``until`` have counted together."""

    lives: dict[Life, Said]
    until: Life = Life(0, 0)
    before: Said | None = None


Fold = Callable[[Sequence[bytes]], bytes]
"""What several lives have counted together."""


class Ledger:
    """By worker. Whatever is noted of a life, the newest stays, in whatever order it comes. Not thread-safe."""

    def __init__(self) -> None:
        self._pages: dict[int, Page] = {}

    def note(self, worker: int, life: Life, said: Said) -> None:
        """A worker has said this of its life."""
        page = self._pages.setdefault(worker, Page({}))
        known = page.lives.get(life)
        if life > page.until and (known is None or known.taken < said.taken):
            page.lives[life] = said

    def pages(self) -> dict[int, Page]:
        """All of it, for another worker's ``join``."""
        return {worker: page._replace(lives=dict(page.lives)) for worker, page in self._pages.items()}

    def join(self, pages: Mapping[int, Page]) -> None:
        """Learn what another worker knows."""
        for worker, theirs in pages.items():
            ours = self._pages.get(worker, Page({}))
            if theirs.until > ours.until:
                lives = {life: said for life, said in ours.lives.items() if life > theirs.until}
                ours = Page(lives, theirs.until, theirs.before)
            self._pages[worker] = ours
            for life, said in theirs.lives.items():
                self.note(worker, life, said)

    def said(self, worker: int, pid: int) -> Said | None:
        """The last that this process has said; None if it has said nothing yet."""
        lives = self._pages[worker].lives if worker in self._pages else {}
        found = [life for life in lives if life.pid == pid]
        return lives[max(found)] if found else None

    def gone(self, pids: Mapping[int, int]) -> list[Said]:
        """What the lives have said that are over, by worker and age; ``pids`` has the process of each that is there."""
        found: list[Said] = []
        for worker, page in sorted(self._pages.items()):
            found += [page.before] if page.before is not None else []
            now = max((life for life in page.lives if life.pid == pids.get(worker)), default=None)
            found += [said for life, said in sorted(page.lives.items()) if life != now]
        return found

    def fold(self, fold: Fold) -> None:
        """Add up what is too old to be kept apart."""
        for worker, page in self._pages.items():
            old = sorted(page.lives)[:-_MOST_LIVES]
            if not old:
                continue
            said = [page.before] if page.before is not None else []
            said += [page.lives[life] for life in old]
            lives = {life: each for life, each in page.lives.items() if life > old[-1]}
            before = Said(max(each.taken for each in said), fold([each.value for each in said]))
            self._pages[worker] = Page(lives, old[-1], before)
