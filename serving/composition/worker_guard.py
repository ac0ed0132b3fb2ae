"""What keeps a model that ends workers from ending all: what runs is noted for the supervisor, who sets versions aside.

It is made before the other parts, which have its policy and its stage, and counts of limits that hold for all workers.
"""

import pickle
from collections.abc import Mapping
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from threading import Lock

from serving.core.servable import Loader, Servable, ServableId
from serving.inference.context import Admit
from serving.inference.set_aside import SetAside
from serving.loading.manager_loop import LoaderFor
from serving.loading.models import Models
from serving.loading.running_stage import RunningStage
from serving.processes.balancing import too_many
from serving.processes.child import Stage
from serving.processes.group import Group
from serving.processes.supervisor import SET_ASIDE, Begin

_CONNECTIONS = "gRPC connections"
_LOOKS = 3
"""So many in a row find connections to give up before any is: what others have is as old as their last look."""


class WorkerGuard:
    """One for each worker. ``counts`` are those of ``group.shared``, by which limits hold for all workers together."""

    def __init__(self, group: Group) -> None:
        self._group = group
        self._uneven = 0
        self._one_load = Lock()
        self.counts = group.shared
        self._set_aside = SetAside()
        # A policy costs each request something: those of versions that are loaded here are refused by their stage.
        self.admit: Admit | None = self._set_aside.admit if self.counts.warns else None
        self.stage = RunningStage(lambda servable_id: self.counts.version(str(servable_id)))
        self._models: Models | None = None
        group.when_told(SET_ASIDE, lambda _, sentences: self._take(sentences))

    def surplus(self, connections: int) -> int:
        """Of so many gRPC connections of this worker, how many the others ought to have."""
        self.counts.put(_CONNECTIONS, "", connections)
        others = [each.worker for each in self._group.members if each.stage == Stage.SERVING.value]
        counts = [self.counts.of_worker(each, _CONNECTIONS, "") for each in others if each != self._group.index]
        surplus = too_many(connections, counts)
        self._uneven = self._uneven + 1 if surplus else 0
        return surplus if self._uneven >= _LOOKS else 0

    def connect(self, models: Models) -> None:
        """These are the models that are guarded."""
        self._models = models
        self._set_aside.serving = lambda: models.manager.serving

    def begin(self, begun: Begin) -> None:
        """What was set aside before this worker began."""
        if (kept := begun.kept.get(SET_ASIDE)) is not None:
            self._take(pickle.loads(kept))  # noqa: S301 - of the supervisor

    def loaders(self, loader_for: LoaderFor) -> LoaderFor:
        """The same, with each load noted while it lasts, and refused for what is set aside."""

        def guarded(name: str, version: int, path: Path) -> Loader:
            return partial(self._load, ServableId(name=name, version=version), loader_for(name, version, path))

        return guarded

    def _load(self, servable_id: ServableId, loader: Loader) -> Servable:
        self._set_aside.check_load(servable_id)
        marks = self.counts.version(str(servable_id))
        with self._one_load if self.counts.is_careful else nullcontext():
            marks.loading(is_so=True)
            try:
                return loader()
            finally:
                marks.loading(is_so=False)

    def _take(self, sentences: Mapping[str, str]) -> None:
        self._set_aside.sentences = dict(sentences)
        self.stage.refuse(sentences)
        if self._models is not None:
            self._models.excused = self._set_aside.models
