"""What makes the models of several workers those of one server: connected before a worker joins, begun after."""

import pickle
from typing import Any

from serving.composition import worker_trials
from serving.composition.parts import Composition
from serving.composition.worker_models import CONFIGURED, GIVEN, WorkersTogether
from serving.composition.worker_states import WorkerStates
from serving.configuration.model_config import Configured
from serving.processes.group import Group
from serving.processes.supervisor import Begin


def connect(composition: Composition, group: Group) -> None:
    """Let the models change with those of the others, and requests be answered for all."""
    states = WorkerStates(group, composition.manager)
    together = WorkersTogether(group, composition.models, composition.base_paths, states)
    composition.models.everywhere = together
    composition.on_list = together.on_list
    composition.request_log.name_worker(group.index)
    if composition.optimizing is not None:
        worker_trials.connect(group, composition.optimizing, composition.manager)
    if not composition.settings.lazy_load:  # with it, each worker loads what it is asked for, and all can be asked
        composition.known = states


def begin(composition: Composition, begun: Begin, configured: Configured) -> Configured:
    """The models to start with."""
    together = composition.models.everywhere
    if not isinstance(together, WorkersTogether):
        raise AssertionError("begin comes after connect")
    if begun.first or CONFIGURED not in begun.kept:
        together.first(configured)
        return configured
    now, listed = _kept(begun, CONFIGURED, None)
    together.resume(now, listed, _kept(begun, GIVEN, configured), lazy=composition.settings.lazy_load)
    return now  # type: ignore[no-any-return]


def _kept(begun: Begin, name: str, otherwise: Any) -> Any:
    return pickle.loads(begun.kept[name]) if name in begun.kept else otherwise  # noqa: S301 - of our own processes
