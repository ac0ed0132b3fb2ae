"""Leases on loaded versions, and the map in which requests find them. Nothing here loads or unloads."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from threading import Lock
from types import TracebackType

from serving.core.plans import Plans
from serving.core.servable import Servable, ServableId
from serving.errors import Code, ServingError, invalid_argument


class Handle:
    """One request's hold on a version, a context manager; the version is not unloaded before ``release``.

    A handle belongs to one request and is released by one thread at a time. Releasing it again does nothing.
    """

    __slots__ = ("_lease", "id", "plans", "servable")

    def __init__(self, lease: "Lease") -> None:
        self._lease: Lease | None = lease
        self.id = lease.id
        self.servable = lease.servable
        self.plans = lease.plans

    def release(self) -> None:
        """Let go; the last one to do so on a quiescing version sets its unloading off."""
        lease, self._lease = self._lease, None
        if lease is not None:
            lease.give_back()

    def __enter__(self) -> "Handle":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class Lease:
    """Counts the holds on one loaded version. Every method may be called from any thread.

    A hold is an entry of a list, for that neither needs nor waits for a lock: it is added before ``_closed`` is looked
    at, and that is set before the list is. So a list that was empty once it was set has no hold that anybody was given,
    and never has one again; who comes too late may be in it for a moment.
    """

    __slots__ = ("_closed", "_holds", "_lock", "_on_idle", "_over", "id", "plans", "servable")

    def __init__(self, servable_id: ServableId, servable: Servable, on_idle: Callable[[], None]) -> None:
        self.id = servable_id
        self.servable = servable
        self.plans = Plans(servable)
        self._on_idle = on_idle
        self._lock = Lock()
        self._holds: list[None] = []
        self._closed = False
        self._over = False  # closed, and the last hold was given back

    def take(self) -> Handle | None:
        """A handle, or None once the version is quiescing."""
        return Handle(self) if self.hold() else None

    def hold(self) -> bool:
        """What ``take`` does, without a handle: ``give_back`` has to follow once, unless this gives False."""
        self._holds.append(None)
        if self._closed:
            self.give_back()
            return False
        return True

    @property
    def busy(self) -> bool:
        """Whether anybody holds it."""
        return bool(self._holds)

    @property
    def last_use(self) -> int:
        """Rises with each hold on any version, where that is counted; else 0."""
        return 0

    def give_back(self) -> None:
        """Once per hold; calls ``on_idle`` for the last one after ``close``."""
        self._holds.pop()
        if self._closed and not self._holds:
            self._end()

    def _end(self) -> None:
        with self._lock:
            before, self._over = self._over, True
        if not before:
            self._on_idle()

    def close(self) -> None:
        """Give no more handles. ``on_idle`` is not called when there are none left to wait for."""
        with self._lock:
            self._closed = True
            self._over = self._over or not self._holds

    @property
    def idle(self) -> bool:
        """Whether no handle is held and none can be taken any more."""
        return self._over or (self._closed and not self._holds)


class CountedLease(Lease):
    """A lease that knows when it was last held: ``uses`` gives the next number, and is shared by all versions."""

    __slots__ = ("_last_use", "_uses")

    def __init__(
        self, servable_id: ServableId, servable: Servable, on_idle: Callable[[], None], uses: Iterator[int]
    ) -> None:
        super().__init__(servable_id, servable, on_idle)
        self._uses = uses
        self._last_use = next(uses)

    def hold(self) -> bool:
        """As ``Lease``."""
        self._last_use = next(self._uses)
        self._holds.append(None)
        if self._closed:
            self.give_back()
            return False
        return True

    @property
    def last_use(self) -> int:
        """As ``Lease``; a version that was just loaded counts as used."""
        return self._last_use


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingMap:
    """What can be asked for at one moment. It is replaced whole and never edited; its mappings are read only."""

    models: Mapping[str, Mapping[int, Lease]] = field(default_factory=dict)
    latest: Mapping[str, Lease] = field(default_factory=dict)
    labels: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def find(self, name: str, version: int | None, label: str | None) -> Lease:
        """The lease that a request means: of ``label``, of ``version``, or of the highest version when both are None.

        INVALID_ARGUMENT for an unknown label, NOT_FOUND for what is not available; texts as docs/compatibility.md.
        """
        if label is not None:
            version = self._labelled(name, label)
        if version is None:
            lease = self.latest.get(name)
        else:
            versions = self.models.get(name)
            lease = None if versions is None else versions.get(version)
        if lease is None:
            wanted = f"Latest({name})" if version is None else f"Specific({name}, {version})"
            raise ServingError(Code.NOT_FOUND, f"Servable not found for request: {wanted}")
        return lease

    def available(self, name: str) -> tuple[int, ...]:
        """The available versions of ``name``, highest first."""
        return tuple(sorted(self.models.get(name, ()), reverse=True))

    def with_lease(self, lease: Lease) -> "ServingMap":
        """The same map with one version more."""
        name = lease.id.name
        return self._with_versions(name, {**self.models.get(name, {}), lease.id.version: lease})

    def without(self, servable_id: ServableId) -> "ServingMap":
        """The same map with one version less."""
        others = {each: lease for each, lease in self.models[servable_id.name].items() if each != servable_id.version}
        return self._with_versions(servable_id.name, others)

    def with_labels(self, labels: Mapping[str, Mapping[str, int]]) -> "ServingMap":
        """The same map with exactly these labels, by model."""
        return replace(self, labels={name: dict(each) for name, each in labels.items() if each})

    def _labelled(self, name: str, label: str) -> int:
        labels = self.labels.get(name)
        version = None if labels is None else labels.get(label)
        if version is None:
            raise invalid_argument(f"Unrecognized servable version label: {label}")
        return version

    def _with_versions(self, name: str, leases: Mapping[int, Lease]) -> "ServingMap":
        models = {each: versions for each, versions in self.models.items() if each != name}
        latest = {each: lease for each, lease in self.latest.items() if each != name}
        if leases:
            models[name] = leases
            latest[name] = leases[max(leases)]
        return replace(self, models=models, latest=latest)
