"""How much memory is free for this process: the machine's, cut by the container's limit (cgroup v1 and v2)."""

from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")
_MEMINFO = Path("/proc/meminfo")

_CGROUP_FILES = (  # limit, usage, statistics, and the name in them of file pages that can be dropped
    ("memory.max", "memory.current", "memory.stat", "inactive_file"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat", "total_inactive_file"),
)


def available_bytes(cgroup: Path = _CGROUP, meminfo: Path = _MEMINFO) -> int | None:
    """Bytes that can be had without swapping or being killed; None if the system does not say."""
    known = [each for each in (_of_machine(meminfo), _of_cgroup(cgroup)) if each is not None]
    return max(min(known), 0) if known else None


def _of_machine(meminfo: Path) -> int | None:
    kilobytes = dict(_numbers(meminfo)).get("MemAvailable:")
    return None if kilobytes is None else kilobytes * 1024


def _of_cgroup(cgroup: Path) -> int | None:
    """What the control group leaves; None if it sets no limit."""
    for limit_file, usage_file, statistics_file, droppable in _CGROUP_FILES:
        limit, usage = _number(cgroup / limit_file), _number(cgroup / usage_file)
        if limit is not None and usage is not None:
            return limit - usage + dict(_numbers(cgroup / statistics_file)).get(droppable, 0)
    return None


def _number(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None  # "max" is none


def _numbers(path: Path) -> list[tuple[str, int]]:
    """The first number of each line that has one behind its name."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return []
    words = [line.split() for line in lines]
    return [(each[0], int(each[1])) for each in words if len(each) > 1 and each[1].isdecimal()]
