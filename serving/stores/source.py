"""The source of models in object stores: each is followed on a thread of its own; ``poll`` waits for none of them."""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from serving.core.store_url import StoreUrl
from serving.core.version_policy import VersionPolicy
from serving.sources.poll import Poll
from serving.stores.cache import CachePlace
from serving.stores.follower import Follower, Following, InUse
from serving.stores.opening import open_store
from serving.stores.values import Store
from serving.telemetry.log import logger
from serving.telemetry.metrics import Kind
from serving.telemetry.readings import Reading, by_label

_ENDING_SECONDS = 5.0
"""Between two looks whether a model that is not configured any more has been unloaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StorePath:
    """Where a model's versions are, and which of them ought to be served."""

    url: StoreUrl
    policy: VersionPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreOptions:
    """``cache`` is where versions are fetched to. A store is looked at every ``poll_seconds``, 0 for once, and may take
    ``answer_seconds`` for an answer; what was changed within ``settle_seconds`` is not fetched yet."""

    cache: Path
    poll_seconds: float
    settle_seconds: float
    answer_seconds: float


class _Followed:
    """A follower and its thread."""

    def __init__(self, follower: Follower, stop: threading.Event) -> None:
        self.follower = follower
        self.stop = stop
        self.ending = False
        self.over = False
        self.wake = threading.Event()

    def run(self, on_death: Callable[[BaseException], None]) -> None:
        """Look and rest, until the end."""
        try:
            while not self.stop.is_set():
                if self.ending:
                    if self.follower.end():
                        break
                    pause: float | None = _ENDING_SECONDS
                else:
                    pause = self.follower.look()
                self.wake.wait(pause)
                self.wake.clear()
        except Exception as death:  # noqa: BLE001 - a dead loop must be known, whatever killed it
            logger.exception("The thread that follows %s died", self.follower.following.url)
            on_death(death)
        finally:
            self.over = True
            self.follower.close()


class StoreSource:
    """Aspires what is in the cache of what stores hold. Every method may be called from any thread.

    ``changed`` is called when there is something new to ``poll``; ``on_death`` is told when a thread dies.
    """

    def __init__(
        self,
        options: StoreOptions,
        in_use: InUse,
        changed: Callable[[], None],
        on_death: Callable[[BaseException], None],
        open_of: Callable[[StoreUrl, float], Store] = open_store,
    ) -> None:
        self._options = options
        self._in_use = in_use
        self._changed = changed
        self._on_death = on_death
        self._open_of = open_of
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._followed: dict[str, _Followed] = {}
        self._ending: list[_Followed] = []
        self._removed: set[str] = set()

    def replace(self, models: Mapping[str, StorePath]) -> None:
        """Follow exactly ``models`` from now on, and look at each at once."""
        with self._lock:
            for name in [each for each in self._followed if each not in models]:
                self._end(name)
                self._removed.add(name)
            for name, path in models.items():
                present = self._followed.get(name)
                if present is not None and present.follower.following.url == path.url:
                    present.follower.following = replace(present.follower.following, policy=path.policy)
                    present.wake.set()
                    continue
                if present is not None:
                    self._end(name)
                self._removed.discard(name)
                self._begin(name, path)

    def poll(self) -> Poll:
        """What is known at this moment; nothing is waited for, and lines for the log were written when they came up."""
        with self._lock:
            aspired: dict[str, Mapping[int, Path]] = {name: {} for name in self._removed}
            for name, followed in self._followed.items():
                if followed.follower.aspired is not None:
                    aspired[name] = followed.follower.aspired
        return Poll(aspired=aspired)

    def names(self) -> frozenset[str]:
        """The models that are followed."""
        with self._lock:
            return frozenset(self._followed)

    def shown(self, name: str) -> str:
        """What is being fetched for a model, or what its store does not do; empty if there is nothing to tell."""
        with self._lock:
            followed = self._followed.get(name)
        if followed is None:
            return ""
        follower = followed.follower
        fetching, trouble = follower.fetching, follower.trouble
        if fetching is not None:
            return f"fetching {fetching.shown}"
        return f"{follower.following.url}: {trouble}; it is tried again" if trouble else ""

    def is_asking(self, name: str) -> bool:
        """Whether nothing is known yet of a model that is followed, and nothing has gone wrong either."""
        with self._lock:
            followed = self._followed.get(name)
        return followed is not None and followed.follower.aspired is None and not followed.follower.trouble

    def readings(self) -> Iterator[Reading]:
        """For the metrics page, by model."""
        with self._lock:
            followers = {name: followed.follower for name, followed in self._followed.items()}
        fetches = {(name, "ok"): each.counts.fetched for name, each in followers.items()}
        fetches |= {(name, "failed"): each.counts.failed for name, each in followers.items()}
        labels = ("model_name", "status")
        yield Reading(name="/serving/store_fetches", kind=Kind.COUNTER, labels=labels, points=[*fetches.items()])
        fetched = [((name,), each.counts.bytes) for name, each in followers.items()]
        yield Reading(name="/serving/store_fetched_bytes", kind=Kind.COUNTER, labels=("model_name",), points=fetched)
        now = {name: each.fetching for name, each in followers.items()}
        done = {name: 0 if each is None else each.done for name, each in now.items()}
        yield by_label("/serving/store_fetching_bytes", "model_name", done)
        size = {name: 0 if each is None else each.size for name, each in now.items()}
        yield by_label("/serving/store_fetching_size_bytes", "model_name", size)
        yield by_label("/serving/store_failing", "model_name", {n: int(bool(f.trouble)) for n, f in followers.items()})

    def close(self) -> None:
        """Look no more; threads that wait for a store end with the process. The cache stays."""
        self._stop.set()
        with self._lock:
            for each in (*self._followed.values(), *self._ending):
                each.wake.set()

    def _begin(self, name: str, path: StorePath) -> None:
        options, url = self._options, path.url
        followed: _Followed
        follower = Follower(
            Following(
                name=name,
                url=url,
                policy=path.policy,
                poll_seconds=options.poll_seconds,
                settle_seconds=options.settle_seconds,
            ),
            CachePlace(options.cache, url),
            lambda: self._open_of(url, options.answer_seconds),
            self._in_use,
            self._changed,
            stopped=lambda: self._stop.is_set() or followed.ending,
        )
        followed = self._followed[name] = _Followed(follower, self._stop)
        threading.Thread(target=followed.run, args=(self._on_death,), name=f"store-{name}", daemon=True).start()

    def _end(self, name: str) -> None:
        followed = self._followed.pop(name)
        followed.ending = True
        followed.wake.set()
        self._ending = [*(each for each in self._ending if not each.over), followed]
