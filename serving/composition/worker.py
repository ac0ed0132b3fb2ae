"""What a server does as one of several workers: what it answers the others, and what it begins with."""

from serving.composition import worker_together
from serving.composition.all_workers import AllWorkers
from serving.composition.parts import Composition
from serving.configuration.model_config import Configured
from serving.processes.group import Group
from serving.processes.supervisor import Begin


def connect(composition: Composition, group: Group) -> None:
    """Let the parts of this worker take part in what the workers do together; before ``group.join``."""
    if composition.guard is not None:
        composition.guard.connect(composition.models)
    worker_together.connect(composition, group)
    composition.all_workers = AllWorkers(composition.metrics, group)


def begin(composition: Composition, begun: Begin, configured: Configured) -> Configured:
    """The models to start with: those of the flags, or what the workers have made of these since."""
    if composition.guard is not None:
        composition.guard.begin(begun)
    return worker_together.begin(composition, begun, configured)
