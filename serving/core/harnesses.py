"""The versions under management and the aspirations they answer to; bookkeeping for the manager, which has the lock."""

from collections.abc import Iterator, Mapping

from serving.core.events import StateMonitor
from serving.core.lifecycle import FINISHED, Event, Harness, HarnessState
from serving.core.servable import Loader, ServableId
from serving.errors import Code, ServingError


class Harnesses:
    """One harness for each version that is aspired or not yet gone; every change of state is published here."""

    def __init__(self, monitor: StateMonitor) -> None:
        self._monitor = monitor
        self._aspired: dict[str, dict[int, Loader]] = {}
        self._harnesses: dict[str, dict[int, Harness]] = {}

    def __iter__(self) -> Iterator[Harness]:
        for versions in self._harnesses.values():
            yield from versions.values()

    def names(self) -> tuple[str, ...]:
        """The models that have versions under management."""
        return tuple(self._harnesses)

    def of(self, name: str) -> Mapping[int, Harness]:
        """The versions of ``name`` under management."""
        return self._harnesses.get(name, {})

    def get(self, servable_id: ServableId) -> Harness:
        """The harness of one version; INTERNAL when it is not under management."""
        harness = self.of(servable_id.name).get(servable_id.version)
        if harness is None:
            raise ServingError(Code.INTERNAL, f"Servable {servable_id} is not under management")
        return harness

    def aspire(self, name: str, versions: Mapping[int, Loader]) -> bool:
        """Replace what is aspired of ``name`` whole; whether that changed which versions are."""
        before = self._aspired.pop(name, {})
        if versions:
            self._aspired[name] = dict(versions)
        for version, harness in list(self.of(name).items()):
            if version in versions:
                self._keep(harness, versions[version])
            else:
                self._let_go(harness)
        for version in versions:
            if version not in self.of(name):
                self._admit(ServableId(name=name, version=version))
        return before.keys() != versions.keys()

    def begin_anew(self, harness: Harness) -> Harness:
        """Start a version again that has failed for good and is still aspired; its harness from then on."""
        self._forget(harness)
        anew = self.get(harness.id)
        anew.files, anew.held, anew.need, anew.weighed = harness.files, harness.held, harness.need, harness.weighed
        return anew

    def publish(self, harness: Harness) -> None:
        """Make a harness's state known."""
        self._monitor.publish(harness.public)

    def take(self, harness: Harness, event: Event) -> None:
        """Move a harness and publish its state; forget it when it is finished and not to be remembered as failed.

        A version that ended while it was aspired anew starts again with its new loader.
        """
        harness.take(event)
        self.publish(harness)
        failed_as_aspired = event is Event.FAIL and harness.aspired
        if harness.state in FINISHED and not failed_as_aspired:
            self._forget(harness)

    def _keep(self, harness: Harness, loader: Loader) -> None:
        if not harness.aspired and harness.state is HarnessState.LOADING:
            harness.attempt = 1
        harness.aspired = True
        harness.loader = loader

    def _let_go(self, harness: Harness) -> None:
        harness.aspired = False
        if harness.state is HarnessState.NEW:
            self.take(harness, Event.DROP)
        elif harness.state is HarnessState.WAITING:
            self.take(harness, Event.FAIL)
        elif harness.state is HarnessState.ERROR:
            self._forget(harness)

    def _admit(self, servable_id: ServableId) -> None:
        loader = self._aspired[servable_id.name][servable_id.version]
        harness = Harness(id=servable_id, loader=loader)
        self._harnesses.setdefault(servable_id.name, {})[servable_id.version] = harness
        self._monitor.publish(harness.public)

    def _forget(self, harness: Harness) -> None:
        name, version = harness.id.name, harness.id.version
        del self._harnesses[name][version]
        if not self._harnesses[name]:
            del self._harnesses[name]
        if version in self._aspired.get(name, {}):
            self._admit(harness.id)
