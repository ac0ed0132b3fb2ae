"""What can be known of the machine that builds: the engine's word, and this machine's files where that is the same one.

Reads, decides nothing; build/preflight.py judges.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

UNLIMITED = 1 << 60
"""Above this a cgroup's limit is none: version 1 writes a very large number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where a build would run. None where it cannot be found out, as with an engine on another machine."""

    engine_version: str
    architecture: str
    cpus: int
    memory_bytes: int
    free_disk_bytes: int | None = None
    cpu_features: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineInfo:
    """What an engine says of itself. ``root_directory`` is where it keeps images; ``local`` whether it may be ours."""

    version: str
    architecture: str
    cpus: int
    memory_bytes: int
    root_directory: str
    local: bool


def survey(info: EngineInfo, root: Path = Path("/")) -> Machine:
    """The engine's machine; ``root`` stands for ``/`` of this one."""
    # The engine's directory is seen only where the engine is a process of this machine: not in Docker Desktop's.
    images = root / info.root_directory.lstrip("/")
    here = info.local and images.is_dir()
    limit = memory_limit(root) if here else None
    return Machine(
        engine_version=info.version,
        architecture=info.architecture,
        cpus=info.cpus,
        memory_bytes=min(info.memory_bytes, limit or info.memory_bytes),
        free_disk_bytes=shutil.disk_usage(images).free if here else None,
        cpu_features=cpu_features(root) if here else None,
    )


def memory_limit(root: Path = Path("/")) -> int | None:
    """This process's own limit in bytes: an engine inside a container (CI) has the container's; None for none."""
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        path = root / "sys" / "fs" / "cgroup" / name
        text = path.read_text().strip() if path.is_file() else ""
        if text.isdigit() and int(text) < UNLIMITED:
            return int(text)
    return None


def cpu_features(root: Path = Path("/")) -> frozenset[str] | None:
    """The CPU's flags in the kernel's words; None where there is no such list (macOS)."""
    path = root / "proc" / "cpuinfo"
    if not path.is_file():
        return None
    for line in path.read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return frozenset()
