"""Loading, unloading, labelling one model at run time, without a list of others (docs/adr/0030-one-model-at-a-time.md).

Where a model is, for how long it stays and who waits for what; versions are loaded as those of every other model.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from threading import Lock

from serving.configuration.model_config import ModelConfig
from serving.core.servable import ServableState, State
from serving.errors import Code, ServingError, first_few
from serving.inference.long_call import Gone
from serving.inference.repository import Done, LoadRequest
from serving.loading.base_paths import BasePaths
from serving.loading.model_places import ModelPlaces, check_versions, entry, shown
from serving.loading.models import Models
from serving.settings import Settings
from serving.telemetry.log import logger

_UNTIL_LIST = "a list comes by HandleReloadConfigRequest or the server ends"
_UNTIL_FILE = f"what --model_config_file lists changes, {_UNTIL_LIST}"
_LOADED, _UNLOADED = "loaded", "unloaded"
_GOES_ON = (Code.DEADLINE_EXCEEDED, Code.CANCELLED, Code.UNAVAILABLE)
"""What ends a wait, and nothing else."""


class SingleModels:
    """Edits the list of ``models``; what a whole list says wins when the next one comes.

    ``follows_file`` says that --model_config_file is read again and again.
    """

    def __init__(self, models: Models, places: ModelPlaces, *, follows_file: bool) -> None:
        self._models = models
        models.waits.add(_LOADED, self._wait)
        models.waits.add(_UNLOADED, self._wait_for_end)
        self._places = places
        self._lasts = _UNTIL_FILE if follows_file else _UNTIL_LIST
        self.on_failure: Callable[[ServableState], None] = lambda state: None
        """Told, as of its end, of a version that a load has given up and that others may try again."""
        self._lock = Lock()
        self._waiting: Counter[str] = Counter()
        self._new: set[str] = set()
        """Models that loads have put into the list and that have not served yet."""

    def configured(self) -> Sequence[str]:
        """As ``Repository``."""
        return self._models.names

    def base_paths(self) -> Mapping[str, str]:
        """As ``Repository``."""
        return {model.name: str(model.base_path) for model in self._models.configured or ()}

    def beside(self) -> Sequence[str]:
        """As ``Repository``."""
        return self._places.names()

    def load(self, request: LoadRequest, timeout: float | None, gone: Gone, *, anywhere: bool) -> Done:
        """As ``Repository``. A model that is in the list is looked at again: what has failed of it is tried at once.

        FAILED_PRECONDITION, or RESOURCE_EXHAUSTED for want of memory, if it cannot be loaded; then it is in the list
        only if it was before. DEADLINE_EXCEEDED, CANCELLED and UNAVAILABLE end the wait alone. ABORTED if somebody
        takes it out. ALREADY_EXISTS if it is there and ought to be new. Otherwise as ``ModelPlaces.find``.
        """
        name = request.name
        logger.info("Loading model %s by request", name)
        try:
            wanted = self._places.find(request, anywhere=anywhere)
            if request.policy is not None:
                wanted = replace(wanted, policy=request.policy)
            check_versions(wanted, named=request.policy is not None)
            with self._waits_for(name):
                self._models.edit(lambda present: self._with(present, wanted, new=request.new))
                self._models.everywhere.wait(_LOADED, name, timeout, gone)
            self._restore_labels(name)
        except ServingError as error:
            logger.error("Loading model %s by request failed: %s", name, error.text)
            raise
        return self._done(name, "loaded", request.ignored)

    def unload(self, name: str, timeout: float | None, gone: Gone) -> Done:
        """As ``Repository``. NOT_FOUND for a model that is not in the list."""
        self._models.edit(lambda present: _without(present, name))
        self._models.everywhere.wait(_UNLOADED, name, timeout, gone)
        return self._done(name, "unloaded")

    def move_label(self, name: str, label: str, version: int) -> Done:
        """As ``Repository``. NOT_FOUND for a model that is not in the list; otherwise as a list with this label."""
        try:
            self._models.edit(lambda present: _labelled(present, name, label, version))
        except ServingError as error:
            logger.error("Moving label %s of model %s by request failed: %s", label, name, error.text)
            raise
        listed = entry(self._models.listed or (), name)
        as_listed = listed is not None and listed.labels.get(label) == version
        note = "as the list of models says" if as_listed else f"until {self._lasts}"
        logger.info("Label %s of model %s is for version %d by request, %s", label, name, version, note)
        return Done(name=name, note=f"the label is for version {version}, {note}")

    def _done(self, name: str, what: str, ignored: Sequence[str] = ()) -> Done:
        before, now = (entry(models or (), name) for models in (self._models.listed, self._models.configured))
        note = f"{what}, as the list of models says" if before == now else f"{what} until {self._lasts}"
        if ignored:
            note += f"; without effect here: {first_few(ignored)}"
        logger.info("Model %s is %s", name, note)
        return Done(name=name, note=note)

    def _with(self, present: Sequence[ModelConfig], wanted: ModelConfig, *, new: bool) -> Sequence[ModelConfig]:
        there = entry(present, wanted.name)
        if there is None:
            with self._lock:
                self._new.add(wanted.name)
            # A label may be for what is available alone; those that the operator has given come back behind the load.
            return [*present, replace(wanted, labels={})]
        if new:
            raise ServingError(Code.ALREADY_EXISTS, f"Model {shown(wanted.name)} is loaded already, or being loaded")
        if there.base_path != wanted.base_path:
            text = f"Model {shown(wanted.name)} is there with another base path; unload it first"
            raise ServingError(Code.ALREADY_EXISTS, text)
        return [replace(each, policy=wanted.policy) if each is there else each for each in present]

    @contextmanager
    def _waits_for(self, name: str) -> Iterator[None]:
        """Take a new model out again when it has failed and nobody else waits for it."""
        with self._lock:
            self._waiting[name] += 1
        failed = False
        try:
            yield
        except ServingError as error:
            failed = error.code not in _GOES_ON
            raise
        finally:
            with self._lock:
                self._waiting[name] -= 1
                if not self._waiting[name]:
                    del self._waiting[name]
                if not failed:
                    self._new.discard(name)
            if failed:
                self._models.edit(lambda present: self._without_failed(present, name))

    def _without_failed(self, present: Sequence[ModelConfig], name: str) -> Sequence[ModelConfig]:
        """The list without a model that a load has put into it, unless others still wait or a whole list has it now."""
        with self._lock:
            if name in self._waiting:
                return present
            new = name in self._new
            self._new.discard(name)
        listed = entry(self._models.listed or (), name) is not None
        return [model for model in present if model.name != name] if new and not listed else present

    def _wait(self, name: str, timeout: float | None, gone: Gone) -> None:
        """Block until every version that ought to serve does. Raises what else has become of the model."""
        manager, models = self._models.manager, self._models
        asked = False

        def settled() -> bool:
            nonlocal asked
            if not asked:  # the base path has been looked at by now: what is tried again is what is there
                asked = True
                manager.ask_for(name)
                return False
            if models.sources.is_asking(name):
                return False
            return name not in models.names or all(map(_is_settled, manager.attempts(name)))

        try:
            ended = models.wait(settled, timeout, gone)
        finally:
            if asked:
                manager.unask(name)
        attempts = manager.attempts(name)
        failed = [each for each in attempts if each.error is not None]
        if ended is not Code.OK:
            raise ServingError(ended, f"Model {shown(name)} is being loaded, but did not become available in time")
        if name not in models.names:
            raise _dropped(name, manager.states(name))
        for each in failed:
            if each.state is not State.END:  # of that everybody is told
                self.on_failure(replace(each, state=State.END))
        if failed:
            raise _failure(failed, [each for each in manager.answerable(name) if each not in _numbers(failed)])
        trouble = models.sources.shown(name)
        if not attempts and trouble:
            raise ServingError(Code.FAILED_PRECONDITION, f"Model {shown(name)} did not become available: {trouble}")
        if not attempts:
            raise ServingError(Code.NOT_FOUND, f"The versions of model {shown(name)} went away while it was loaded")

    def _wait_for_end(self, name: str, timeout: float | None, gone: Gone) -> None:
        """Block until no request reaches any version."""
        manager = self._models.manager
        self._models.wait(lambda: name in self._models.names or not manager.serving.available(name), timeout, gone)

    def _restore_labels(self, name: str) -> None:
        """Give a model that serves again the labels that the last whole list has for it."""
        listed = entry(self._models.listed or (), name)
        available = self._models.manager.answerable(name)
        if listed is None or not listed.labels:
            return
        labels = {label: version for label, version in listed.labels.items() if version in available}
        self._models.edit(
            lambda present: [
                replace(model, labels=labels) if model.name == name and not model.labels else model for model in present
            ]
        )


def from_settings(settings: Settings, models: Models, base_paths: BasePaths) -> SingleModels:
    """As the flags say."""
    places = ModelPlaces(models, base_paths, any_base_path=settings.allow_any_base_path)
    follows_file = bool(settings.model_config_file) and settings.model_config_file_poll_wait_seconds > 0
    return SingleModels(models, places, follows_file=follows_file)


def _without(present: Sequence[ModelConfig], name: str) -> Sequence[ModelConfig]:
    if entry(present, name) is None:
        raise ServingError(Code.NOT_FOUND, f"Model {shown(name)} is not loaded, nor to be")
    return [model for model in present if model.name != name]


def _labelled(present: Sequence[ModelConfig], name: str, label: str, version: int) -> Sequence[ModelConfig]:
    there = entry(present, name)
    if there is None:
        raise ServingError(Code.NOT_FOUND, f"Model {shown(name)} is not configured; expected one that is")
    labelled = replace(there, labels={**there.labels, label: version})
    return [labelled if each is there else each for each in present]


def _is_settled(state: ServableState) -> bool:
    return state.error is not None or state.state is State.AVAILABLE


def _numbers(states: Sequence[ServableState]) -> list[int]:
    return [state.id.version for state in states]


def _failure(failed: Sequence[ServableState], others: Sequence[int]) -> ServingError:
    """What the highest version has met; FAILED_PRECONDITION, for the model has to change before it can be loaded."""
    first = failed[0]
    error = first.error
    short = error is not None and error.code is Code.RESOURCE_EXHAUSTED
    text = f"Model {shown(first.id.name)} did not become available: {first.id} due to error: {error}"
    if others:
        text += f"; version {', '.join(map(str, others))} answers as before"
    return ServingError(Code.RESOURCE_EXHAUSTED if short else Code.FAILED_PRECONDITION, text)


def _dropped(name: str, states: Sequence[ServableState]) -> ServingError:
    failed = [state for state in states if state.error is not None]
    if failed:
        return _failure(failed, ())
    return ServingError(Code.ABORTED, f"Model {shown(name)} was taken out of the list before it was available")
