"""How many workers --workers asks for."""

from serving.settings import Settings

AUTO = "auto"


def number_of_workers(settings: Settings, cpus: int) -> int:
    """At least one. ``auto`` is one for each of the CPUs."""
    return cpus if settings.workers == AUTO else int(settings.workers)
