"""The machine and the container: what the CPU can, how many of them there are, how much memory is free.

Each check takes what it judges as values; ``examination`` reads them.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from serving.doctor.finding import Finding, fails, megabytes, ok, warning
from serving.host.cpus import features
from serving.servables.gpu import Gpus
from serving.settings import Settings

PORTABLE: Mapping[str, tuple[str, ...]] = {
    "x86_64": ("avx", "pni", "popcnt", "sse4_1", "sse4_2", "ssse3"),
    "aarch64": ("asimd",),
}
"""What TensorFlow's own wheels need, by architecture, in the words of /proc/cpuinfo (``build/images/portable``)."""

_FASTER = ("avx2", "fma", "avx512f")
"""What tells the variants of the image apart."""

SERVER_BYTES = 350 * 2**20
"""The server with TensorFlow's library, before it has loaded a model."""

_THREAD_FLAGS = (
    "tensorflow_session_parallelism",
    "tensorflow_intra_op_parallelism",
    "tensorflow_inter_op_parallelism",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """CPUs that may be used, the text of /proc/cpuinfo, and bytes of memory that are free, None if nobody knows."""

    cpus: int
    cpuinfo: str
    available_bytes: int | None


def cpu(cpuinfo: str, needed: Sequence[str], build: str) -> Finding:
    """Whether the first CPU of a /proc/cpuinfo has what TensorFlow was compiled for; ``build`` names that."""
    has = features(cpuinfo)
    if not has or not needed:
        return warning("CPU", f"nobody knows whether it has what {build} needs: /proc/cpuinfo has no features")
    lacks = [each for each in needed if each not in has]
    if lacks:
        return fails(
            "CPU",
            f"lacks {', '.join(lacks)}, which {build} was compiled for: it could end in an illegal instruction",
            "Use a variant of the image for this CPU (docs/images.md); a virtual machine may hide what its host has.",
        )
    unused = [each for each in _FASTER if each in has and each not in needed]
    more = f"; of {', '.join(unused)} only oneDNN's and OpenVINO's kernels make use" if unused else ""
    return ok("CPU", f"has what {build} was compiled for ({' '.join(needed)}){more}")


def quota(settings: Settings, schedulable: int, granted: float | None) -> list[Finding]:
    """CPUs that may be scheduled on and those that the container's quota grants, against the flags for threads."""
    usable = schedulable if granted is None else max(1, min(schedulable, math.ceil(granted)))
    limit = "the container sets no quota" if granted is None else f"the container's quota is {granted:g}"
    found = f"{usable}: {schedulable} can be scheduled on, {limit}"
    if granted is not None and granted < 1:
        advice = "Give the container one whole CPU or more: a call that has used its share up waits up to 0.1 s."
        findings = [warning("CPUs", found, advice)]
    else:
        findings = [ok("CPUs", found)]
    for name in _THREAD_FLAGS:
        threads = getattr(settings, name)
        if threads > usable:
            advice = f"Leave it out, or give {usable} at most: more threads than CPUs wait for each other."
            findings.append(warning(f"--{name}", f"is {threads}, and there are {usable} CPUs", advice))
    return findings


def memory(files: Mapping[str, int], optimized: int, available: int | None) -> Finding:
    """The files of the versions that would be loaded, in bytes by their names, against the memory that is free.

    ``optimized`` are the bytes of weights that are held once more if a faster engine is found for them.
    """
    total = sum(files.values())
    least = SERVER_BYTES + total
    most = least + optimized + max(files.values(), default=0)
    found = (
        f"{len(files)} version(s) with {megabytes(total)} of files need about {megabytes(least)}, the server included"
    )
    if available is None:
        return warning("memory", f"{found}; how much is free nobody knows")
    found += f"; {megabytes(available)} are free"
    if least > available:
        largest = max(files, key=lambda name: files[name]) if files else ""
        return fails(
            "memory",
            f"{found}: the kernel would end the server" + (f". The largest is {largest}" if largest else ""),
            f"Give the container {megabytes(most)}, or serve less.",
        )
    if most > available:
        return warning(
            "memory",
            f"{found}, but a new version beside the old one, and engines that are tried, may need {megabytes(most)}",
            "Give the container that much, or set --optimize=off.",
        )
    return ok("memory", found)


def gpus(found: Gpus, *, required: bool) -> Finding:
    """What models run on; ``required`` is --require_gpu."""
    if found.names:
        return ok("GPU", ", ".join(found.names))
    if required:
        return fails("GPU", f"--require_gpu: {found.problem}", "Leave the flag out to serve on the CPU.")
    if found.expected:
        advice = "--require_gpu would end the start instead."
        return warning("GPU", f"{found.problem}. Models run on the CPU", advice)
    return ok("GPU", f"none is used: {found.problem}")
