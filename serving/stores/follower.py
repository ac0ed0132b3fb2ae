"""Follows one model's base path in a store: what ought to be served, what of it is in the cache, when to look again.

It is stepped by hand or by the thread that ``source.py`` gives it; it sleeps nowhere. What serves is never touched: a
store that does not answer leaves everything as it is.
"""

import math
import random
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from serving.core.store_url import StoreUrl
from serving.core.version_policy import VersionPolicy, choose, missing
from serving.errors import Code, first_few
from serving.sources.scan import scan, version_number
from serving.stores import fetch
from serving.stores.cache import CachePlace, Claim
from serving.stores.values import Bundle, Fetching, StoppedError, Store, StoreError, megabytes
from serving.telemetry.log import logger

_FIRST_RETRY_SECONDS, _LONGEST_RETRY_SECONDS = 1.0, 60.0
_BUSY_SECONDS = 1.0
_PROGRESS_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    """What is followed, and how: ``poll_seconds`` is the time between two looks, 0 for one look at the start."""

    name: str
    url: StoreUrl
    policy: VersionPolicy
    poll_seconds: float
    settle_seconds: float


class InUse:
    """What the manager has of a model: ``managed`` versions are aspired, loaded or on their way out, ``fixed`` ones are
    loaded or being loaded, so that their files may not be others."""

    def __init__(self, managed: Callable[[str], Collection[int]], fixed: Callable[[str], Collection[int]]) -> None:
        self.managed = managed
        self.fixed = fixed


@dataclass(slots=True)
class Counts:
    """Since the start."""

    fetched: int = 0
    failed: int = 0
    bytes: int = 0


class Follower:
    """``look`` belongs to one thread; what it has found may be read by any."""

    def __init__(
        self,
        following: Following,
        place: CachePlace,
        open_store: Callable[[], Store],
        in_use: InUse,
        changed: Callable[[], None],
        *,
        stopped: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.following = following
        self.aspired: Mapping[int, Path] | None = None
        """The versions that ought to be served and are in the cache; None as long as nothing is known."""
        self.fetching: Fetching | None = None
        self.trouble = ""
        """What the store did not do, while it does not."""
        self.counts = Counts()
        self.failing_since: float | None = None
        self._place = place
        self._open_store = open_store
        self._store: Store | None = None
        self._in_use = in_use
        self._changed = changed
        self._stopped = stopped
        self._clock = clock
        self._wall_clock = wall_clock
        self._failures = 0
        self._said: set[str] = set()
        self._seen: dict[str, float] = {}
        self._refused: dict[str, StoreError] = {}
        self._leaving: set[str] = set()
        self._lock = Lock()
        self._told_at = 0.0

    def look(self) -> float | None:
        """Look at the store, fetch what is wanted, delete what is not used. Seconds until the next look; None: none."""
        try:
            pause = self._look()
        except StoreError as error:
            return self._failed(error)
        except StoppedError:
            return None
        finally:
            self.fetching = None
        if self._failures:
            logger.info("%s of model %s answers again", self.following.url, self.following.name)
        self._failures, self.trouble, self.failing_since = 0, "", None
        poll = self.following.poll_seconds or math.inf
        return None if math.isinf(min(pause, poll)) else min(pause, poll)

    def end(self) -> bool:
        """The model is not configured any more: aspire nothing and delete what is not used. Whether that is done."""
        self._aspire({})
        before = self._leaving
        self._clean()
        return self._leaving <= before and not self._in_use.managed(self.following.name)

    def close(self) -> None:
        """Use nothing any more; what is in the cache stays for the next start."""
        self._place.close()

    def _look(self) -> float:
        self._place.make()
        if self._store is None:
            self._store = self._open_store()
        store, found, pauses = self._store, dict[int, Path](), [math.inf]
        wanted = self._wanted(store)
        error: StoreError | None = None
        complete = True
        for bundle in wanted:
            try:
                paths, pause = self._paths(store, bundle)
            except StoreError as failed:
                paths, pause, error = None, math.inf, error or failed
            if paths is None:
                complete = False
                pauses.append(pause)
                continue
            found |= paths
            if len(wanted) > 1:
                self._aspire({**(self.aspired or {}), **found})
        # What is missing is still on its way: until it is there, what was before goes on to be served.
        self._aspire(found if complete else {**(self.aspired or {}), **found}, known=complete)
        if error is not None:
            raise error
        if complete:
            self._clean()
        return min(pauses)

    def _wanted(self, store: Store) -> Sequence[Bundle]:
        """What the policy wants of what is there, highest first."""
        names, following = store.versions(), self.following
        if names is None:
            return (store.bundle(None, ""),)
        absent = missing(following.policy, names)
        for version in absent:
            self._say(
                f"absent {version}",
                f"Version {version} of servable {following.name}, which was requested to be served as a 'specific' "
                f"version in the servable's version policy, was not found in {following.url}",
            )
        chosen = choose(following.policy, names)
        if not chosen:
            wanted = (
                "the version policy asks for others" if names else "expected a numeric version directory such as 1/"
            )
            what = f"found {first_few(store.there) or 'nothing'}; {wanted}"
            self._say("none", f"No versions of servable {following.name} found under base path {following.url}: {what}")
        else:
            self._said.discard("none")
        self._said -= {f"absent {version}" for version in names}
        return [store.bundle(version, names[version]) for version in chosen]

    def _paths(self, store: Store, bundle: Bundle) -> tuple[Mapping[int, Path] | None, float]:
        """Where the versions of a bundle are; None if they are not here yet, and when to look again."""
        kept = self._kept(bundle)
        if kept is not None:
            return {bundle.version or 0: kept}, math.inf
        claim = self._place.claim(bundle.folder)
        if claim is Claim.BUSY:
            self._say(
                f"busy {bundle.folder}",
                f"Another process fetches {bundle.named} of model {self.following.name} into {self._place.directory}",
            )
            return None, _BUSY_SECONDS
        if claim is Claim.READY:
            return self._versions_in(bundle, self._place.path(bundle.folder)), math.inf
        if bundle.fingerprint in self._refused:
            raise self._refused[bundle.fingerprint]
        wait = self._settles(bundle)
        if wait > 0:
            return None, wait
        return self._versions_in(bundle, self._fetch(store, bundle)), math.inf

    def _kept(self, bundle: Bundle) -> Path | None:
        """Where a version is that is loaded already: as in a directory, changed content is not noticed until then."""
        version, name = bundle.version, self.following.name
        present = None if version is None else (self.aspired or {}).get(version)
        if present is None or version not in self._in_use.fixed(name):
            return None
        if present.name != bundle.folder:
            self._say(
                f"changed {bundle.folder}",
                f"The files of {bundle.named} of model {name} have changed in {self.following.url}; it stays as it was "
                "loaded. A new version number would be loaded",
            )
        return present

    def _settles(self, bundle: Bundle) -> float:
        """Seconds until an upload has been left alone for long enough; 0 if it has."""
        now, needed = self._clock(), self.following.settle_seconds
        since = self._seen.setdefault(bundle.fingerprint, now)
        age = self._wall_clock() - bundle.modified
        unchanged = max(now - since, age if bundle.modified else 0.0)
        left = needed - unchanged
        if not bundle.files:
            left = max(left, self.following.poll_seconds or _BUSY_SECONDS)
        if left > 0:
            self._say(
                f"settles {bundle.fingerprint}",
                f"Waiting until the files of {bundle.named} of model {self.following.name} have been left alone in "
                f"{self.following.url} for {needed:g} s (--version_settle_seconds)",
                warn=False,
            )
        return max(left, 0.0)

    def _fetch(self, store: Store, bundle: Bundle) -> Path:
        following, began = self.following, self._clock()
        what = f"{bundle.named} of model {following.name} from {following.url}"
        logger.info("Fetching %s: %d file(s), %s", what, len(bundle.files), megabytes(bundle.size))
        self._told_at = began
        self.fetching = Fetching(what=bundle.named, done=0, size=bundle.size)
        try:
            path = fetch.fetch(store, bundle, following.url, self._place, self._note, self._stopped)
        except StoreError as error:
            self.counts.failed += 1
            told = StoreError(f"{bundle.named} was not fetched: {error.text}", error.code)
            if error.code is Code.FAILED_PRECONDITION:
                self._refused = {bundle.fingerprint: told}  # the same bytes would be fetched in vain
            raise told from error
        done, took = self.fetching.done, self._clock() - began
        self.counts.fetched += 1
        self.fetching = None
        checked = sum(file.checksum is not None for file in bundle.files)
        logger.info(
            "Fetched %s: %s in %.1f s, checked by size and %d of %d file(s) by checksum",
            what,
            megabytes(done),
            took,
            checked,
            len(bundle.files),
        )
        return path

    def _note(self, count: int) -> None:
        """Bytes came, on any of the threads that read."""
        if self._stopped():
            raise StoppedError
        with self._lock:
            fetching, now = self.fetching, self._clock()
            if fetching is None:
                return
            self.counts.bytes += count
            self.fetching = Fetching(what=fetching.what, done=fetching.done + count, size=fetching.size)
            tell = now - self._told_at >= _PROGRESS_SECONDS
            self._told_at = now if tell else self._told_at
        if tell:
            logger.info("Fetching model %s, %s", self.following.name, self.fetching.shown)

    def _versions_in(self, bundle: Bundle, folder: Path) -> Mapping[int, Path]:
        if bundle.version is not None:
            return {bundle.version: folder}
        found = scan(folder, self.following.policy)
        if not found.versions:
            raise StoreError(f"the archive has no version to serve: {found.notice}", Code.FAILED_PRECONDITION)
        fixed, before = self._in_use.fixed(self.following.name), self.aspired or {}
        return {
            version: before[version] if version in fixed and version in before else path
            for version, path in found.versions.items()
        }

    def _failed(self, error: StoreError) -> float:
        following = self.following
        if self.aspired is None:
            self._serve_cached()
        self._failures += 1
        if error.code is Code.PERMISSION_DENIED:
            self._store = None  # credentials are read when it is opened
        longest = max(_LONGEST_RETRY_SECONDS, following.poll_seconds)
        pause = min(_FIRST_RETRY_SECONDS * 2.0 ** min(self._failures - 1, 20), longest) * random.uniform(0.75, 1.25)  # noqa: S311 - spread, no secret
        if self.failing_since is None:
            self.failing_since = self._clock()
        if error.text != self.trouble:
            logger.error(
                "Model %s: %s: %s. It is tried again, %s", following.name, following.url, error.text, self._stays
            )
        self.trouble = error.text
        self._changed()  # somebody may wait for this model
        return pause

    @property
    def _stays(self) -> str:
        versions = first_few([str(each) for each in sorted(self.aspired or (), reverse=True)])
        return f"meanwhile version(s) {versions} stay" if versions else "and nothing of it is in the cache"

    def _serve_cached(self) -> None:
        """At a start without the store: what was fetched before, the newest of each version."""
        found: dict[int, Path] = {}
        folders = self._place.published()
        archives = [each for each in folders if each.startswith("archive-")]
        for folder in folders:
            version = version_number(folder.rpartition("-")[0])
            if version is not None and self._place.claim(folder) is Claim.READY:
                found[version] = self._place.path(folder)
        if self.following.url.archive and archives and self._place.claim(archives[-1]) is Claim.READY:
            found = dict(scan(self._place.path(archives[-1]), self.following.policy).versions or {})
        chosen = {version: found[version] for version in choose(self.following.policy, found)}
        if chosen:
            logger.warning(
                "Model %s is served from the cache, %s, for its store gives no answer",
                self.following.name,
                self._place.directory,
            )
            self._aspire(chosen)

    def _aspire(self, versions: Mapping[int, Path], *, known: bool = True) -> None:
        if versions != self.aspired and (known or versions):
            self.aspired = dict(versions)
            self._changed()

    def _clean(self) -> None:
        """Delete what is neither wanted nor used, when two looks have seen so: the manager may be about to load it."""
        wanted = {self._folder_of(path) for path in (self.aspired or {}).values()}
        managed = self._in_use.managed(self.following.name)
        unused, used = set[str](), set[str]()
        for folder in self._place.published():
            version = version_number(folder.rpartition("-")[0])
            if folder in wanted:
                continue
            going = set(managed).difference(self.aspired or ())
            (used if (bool(going) if version is None else version in going) else unused).add(folder)
        for folder in self._place.sweep(wanted | used | (unused - self._leaving)):
            logger.info(
                "Removed %s of model %s from the cache: nothing serves it any more", folder, self.following.name
            )
        self._leaving = {each for each in self._place.published() if each in unused | used}

    def _folder_of(self, path: Path) -> str:
        return path.relative_to(self._place.directory).parts[0]

    def _say(self, key: str, text: str, *, warn: bool = True) -> None:
        """A line for the log, once."""
        if key not in self._said:
            self._said.add(key)
            (logger.warning if warn else logger.info)("%s", text)
