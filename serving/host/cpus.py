"""The CPUs of this process: how many it may use, cut by the container's quota (cgroup v1 and v2), and of what kind."""

import math
import os

_CGROUP = "/sys/fs/cgroup"


def usable_cpus(cgroup: str | os.PathLike[str] = _CGROUP) -> int:
    """CPUs to size thread pools by: those that may be scheduled on, at most the quota rounded up, at least one."""
    schedulable = len(os.sched_getaffinity(0))
    quota = granted_cpus(cgroup)
    return schedulable if quota is None else max(1, min(schedulable, math.ceil(quota)))


def granted_cpus(cgroup: str | os.PathLike[str] = _CGROUP) -> float | None:
    """CPUs' worth of time that the control group grants, or None for no limit."""
    try:
        quota, period = _read(cgroup, "cpu.max").split()
    except (OSError, ValueError):
        try:
            quota = _read(cgroup, "cpu/cpu.cfs_quota_us").strip()
            period = _read(cgroup, "cpu/cpu.cfs_period_us").strip()
        except OSError:
            return None
    if not quota.isdecimal() or not period.isdecimal() or int(period) == 0:  # "max", or -1 in v1
        return None
    return int(quota) / int(period)


def _read(cgroup: str | os.PathLike[str], name: str) -> str:
    with open(f"{os.fspath(cgroup)}/{name}", encoding="utf-8") as file:  # noqa: PTH123 - without pathlib's imports
        return file.read()


def has_bfloat16(cpuinfo: str) -> bool:
    """Whether the first CPU of a /proc/cpuinfo computes with bfloat16."""
    return not {"avx512_bf16", "amx_bf16"}.isdisjoint(_of_cpu(cpuinfo, "flags").split())


def has_float16(cpuinfo: str) -> bool:
    """Whether the first CPU of a /proc/cpuinfo computes with float16."""
    return not {"avx512_fp16", "amx_fp16"}.isdisjoint(_of_cpu(cpuinfo, "flags").split())


def cpu_model(cpuinfo: str) -> str:
    """What an optimised graph depends on: the first CPU's name and features. ARM's have numbers in place of a name."""
    numbers = " ".join(_of_cpu(cpuinfo, f"CPU {each}") for each in ("implementer", "variant", "part", "revision"))
    name = _of_cpu(cpuinfo, "model name") or numbers
    return f"{name}; {_of_cpu(cpuinfo, 'flags') or _of_cpu(cpuinfo, 'Features')}"


def features(cpuinfo: str) -> frozenset[str]:
    """What the first CPU of a /proc/cpuinfo can do, in the kernel's words; ARM's line has another name."""
    return frozenset((_of_cpu(cpuinfo, "flags") or _of_cpu(cpuinfo, "Features")).split())


def _of_cpu(cpuinfo: str, name: str) -> str:
    for line in cpuinfo.splitlines():
        found, _, value = line.partition(":")
        if found.strip() == name:
            return value.strip()
    return ""
