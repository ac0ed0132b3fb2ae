"""How many workers --workers asks for: a number, or as many as the CPUs and the memory allow."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from serving.host import memory
from serving.settings import Settings

AUTO = "auto"

_BASE_BYTES = 350 * 2**20
"""What a worker holds without a model: TensorFlow's library and this server."""
_TIMES_FILES = 2.5
"""What a loaded version holds, as a multiple of its files: weights, and the graph that they are folded into."""
_SHARE = 0.9
"""Of the memory: the rest is for requests."""


class Decision(NamedTuple):
    """So many workers, and why not more."""

    workers: int
    reason: str


def decide(cpus: int, limit_bytes: int | None, model_bytes: int) -> Decision:
    """As many workers as there are CPUs, if ``limit_bytes`` has room for models with files of ``model_bytes`` in each.

    At least one; None is no limit.
    """
    if limit_bytes is None:
        return Decision(cpus, f"{cpus} CPUs")
    one = _BASE_BYTES + int(model_bytes * _TIMES_FILES)
    room = max(int(limit_bytes * _SHARE / one), 1)
    if room >= cpus:
        return Decision(cpus, f"{cpus} CPUs")
    return Decision(
        room,
        f"a worker is expected to hold {one // 2**20} MiB, {model_bytes // 2**20} MiB of files times {_TIMES_FILES:g} "
        f"and {_BASE_BYTES // 2**20} MiB, and there may be {limit_bytes // 2**20} MiB",
    )


def number_of_workers(settings: Settings, cpus: int, base_paths: Iterable[Path]) -> Decision:
    """What --workers says; ``base_paths`` are those of the models, as far as the flags name them."""
    if settings.workers != AUTO:
        return Decision(int(settings.workers), "--workers")
    limit = settings.memory_budget_mb * 2**20 if settings.memory_budget_mb > 0 else memory.limit_bytes()
    return decide(cpus, limit, sum(map(_size, base_paths)))


def _size(base_path: Path) -> int:
    """Bytes of the files of its highest version; 0 where there is none, or none that can be read."""
    try:
        versions: Mapping[int, Path] = {int(each.name): each for each in base_path.iterdir() if each.name.isdecimal()}
        return sum(each.stat().st_size for each in versions[max(versions)].rglob("*")) if versions else 0
    except OSError:
        return 0
