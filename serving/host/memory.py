"""Memory of this process: what it holds, and what is free, which is the machine's, cut by the container's limit.

Control groups of v1 and v2.
"""

from pathlib import Path
from typing import NamedTuple

CGROUP = Path("/sys/fs/cgroup")
_MEMINFO = Path("/proc/meminfo")
_STATUS = Path("/proc/self/status")
_CGROUP_FILES = (  # limit, usage, statistics, and the name in them of file pages that can be dropped
    ("memory.max", "memory.current", "memory.stat", "inactive_file"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat", "total_inactive_file"),
)

_NO_LIMIT = 2**60
"""In version 1 a group without a limit has the largest number of pages that there is."""


class GroupMemory(NamedTuple):
    """Bytes of a control group, None where it says nothing. The working set is its use without droppable pages."""

    limit: int | None
    usage: int | None
    working_set: int | None


def available_bytes(cgroup: Path = CGROUP, meminfo: Path = _MEMINFO) -> int | None:
    """Bytes that can be had without swapping or being killed; None if the system does not say."""
    known = [each for each in (_of_machine(meminfo), _of_cgroup(cgroup)) if each is not None]
    return max(min(known), 0) if known else None


def limit_bytes(cgroup: Path = CGROUP) -> int | None:
    """What the container may hold; None if it sets no limit."""
    for limit_file, *_ in _CGROUP_FILES:
        limit = _number(cgroup / limit_file)
        if limit is not None and limit < _NO_LIMIT:
            return limit
    return None


def held_bytes(status: Path = _STATUS) -> int:
    """What this process holds and the system cannot take back: no files that it has mapped. 0 if it does not say."""
    kilobytes = dict(_numbers(status))
    return sum(kilobytes.get(name, 0) for name in ("RssAnon:", "RssShmem:")) * 1024


def resident_bytes(status: Path = _STATUS) -> int:
    """Bytes of this process that are in memory; 0 if the system does not say."""
    return dict(_numbers(status)).get("VmRSS:", 0) * 1024


def _of_machine(meminfo: Path) -> int | None:
    kilobytes = dict(_numbers(meminfo)).get("MemAvailable:")
    return None if kilobytes is None else kilobytes * 1024


def of_group(cgroup: Path = CGROUP) -> GroupMemory:
    """What the control group has, and what it may have."""
    for limit_file, usage_file, statistics_file, droppable in _CGROUP_FILES:
        limit, usage = _number(cgroup / limit_file), _number(cgroup / usage_file)
        if usage is not None:
            dropped = dict(_numbers(cgroup / statistics_file)).get(droppable, 0)
            return GroupMemory(None if limit is not None and limit >= _NO_LIMIT else limit, usage, usage - dropped)
    return GroupMemory(None, None, None)


def _of_cgroup(cgroup: Path) -> int | None:
    """What the control group leaves; None if it sets no limit."""
    group = of_group(cgroup)
    return None if group.limit is None or group.working_set is None else group.limit - group.working_set


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
