"""How much of the machine this process may use: schedulable CPUs, cut by the container's quota (cgroup v1 and v2)."""

import math
import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def cpus(cgroup: Path = _CGROUP) -> int:
    """CPUs to size thread pools by: those that may be scheduled on, at most the quota rounded up, at least one."""
    schedulable = len(os.sched_getaffinity(0))
    quota = _quota(cgroup)
    return schedulable if quota is None else max(1, min(schedulable, math.ceil(quota)))


def _quota(cgroup: Path) -> float | None:
    """CPUs' worth of time that the control group grants, or None for no limit."""
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota = (cgroup / "cpu" / "cpu.cfs_quota_us").read_text().strip()
            period = (cgroup / "cpu" / "cpu.cfs_period_us").read_text().strip()
        except OSError:
            return None
    if not quota.isdecimal() or not period.isdecimal() or int(period) == 0:  # "max", or -1 in v1
        return None
    return int(quota) / int(period)
