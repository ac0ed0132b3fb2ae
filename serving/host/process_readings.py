"""What the system says of this process and its container, under the names that Prometheus's own libraries use."""

import os
import resource
from collections.abc import Iterator
from pathlib import Path

from serving.host import memory
from serving.telemetry.metrics import Kind
from serving.telemetry.readings import Reading, single

_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")

_BEHIND_NAME = 3
"""The number, counted from 1, of the first field behind the name of the program in ``/proc/self/stat``."""


def process(proc: Path = _PROC) -> Iterator[Reading]:
    """CPU time, memory, threads and the time of the start, of ``/proc/self/stat``. OSError without a ``/proc``."""
    fields = (proc / "self" / "stat").read_text().rpartition(")")[2].split()

    def field(number: int) -> int:
        return int(fields[number - _BEHIND_NAME])

    yield single("process_cpu_seconds_total", (field(14) + field(15)) / _TICKS, Kind.COUNTER)
    yield single("process_threads", field(20))
    yield single("process_virtual_memory_bytes", field(23))
    yield single("process_resident_memory_bytes", field(24) * _PAGE_BYTES)
    booted = [line.split()[1] for line in (proc / "stat").read_text().splitlines() if line.startswith("btime ")]
    yield single("process_start_time_seconds", int(booted[0]) + field(22) / _TICKS if booted else None)


def descriptors(proc: Path = _PROC) -> Iterator[Reading]:
    """Files and sockets that are open, and how many may be. OSError if none is left to count them with."""
    listing = 1  # is open itself
    yield single("process_open_fds", len(os.listdir(proc / "self" / "fd")) - listing)  # noqa: PTH208 - the names alone
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield single("process_max_fds", None if soft == resource.RLIM_INFINITY else soft)


def container(cgroup: Path = memory.CGROUP) -> Iterator[Reading]:
    """Memory of the control group, limit and use; without points where it sets or counts none."""
    group = memory.of_group(cgroup)
    yield single("/serving/container_memory_limit_bytes", group.limit)
    yield single("/serving/container_memory_usage_bytes", group.usage)
    yield single("/serving/container_memory_working_set_bytes", group.working_set)
