"""What is looked at before hours are spent: release, engine, CPU, disk, memory for each job. Pure judgement of values.

Each problem is an error that says what is missing and what to do; all of them are found at once.
"""

import re

from build.errors import (
    BuildError,
    CpuLacksFeaturesError,
    DiskSpaceError,
    EngineTooOldError,
    MemoryTooSmallError,
    ReleaseTooOldError,
    WrongArchitectureError,
)
from build.machine import Machine
from build.plan import BYTES_PER_JOB, RESERVED_BYTES, Plan, jobs_that_fit
from build.releases import older, refusal
from build.steps import BuildImage, CompileWheel
from build.variants import Variant

# The first with limits on memory under cgroup version 2, which current distributions have.
MINIMUM_ENGINE = (20, 10)

# Estimates with room to spare, not measurements: sources, Bazel's output and cache, the toolchain; CUDA brings its own
# libraries several times over. The runtime image alone: its layers, and those of the stages that are left behind.
COMPILE_BYTES = 50_000_000_000
CUDA_COMPILE_BYTES = 100_000_000_000
IMAGE_BYTES = 8_000_000_000
GPU_IMAGE_BYTES = 25_000_000_000

GIGA = 1_000_000_000


# Estimates as well, for TensorFlow is compiled by its own rules and nobody has measured it here: CPU-hours.
COMPILE_HOURS = (25, 60)
CUDA_COMPILE_HOURS = (60, 150)
_SHOWN_CPUS = (4, 16)


def expected(plan: Plan) -> list[str]:
    """What a plan will take, as sentences: time, disk, and memory where something is compiled."""
    disk = f"disk: up to {_disk_bytes(plan) / GIGA:.0f} GB free while it runs"
    if not any(isinstance(step, CompileWheel) for step in plan.steps):
        return ["time: some minutes, most of them downloads", disk]
    least, most = CUDA_COMPILE_HOURS if plan.variant.gpu else COMPILE_HOURS
    by_cpus = ", ".join(f"{least / cpus:.0f} to {most / cpus:.0f} hours with {cpus} CPUs" for cpus in _SHOWN_CPUS)
    return [
        f"time: {least} to {most} CPU-hours to compile (an estimate): {by_cpus}; images take minutes",
        disk,
        f"memory: {RESERVED_BYTES / GIGA:.0f} GB and {BYTES_PER_JOB / GIGA} GB for each compiler; as many run as fit",
        *(f"error: {problem.what}" for problem in [_release(plan)] if problem),
    ]


def problems(machine: Machine, plan: Plan) -> list[BuildError]:
    """Everything that stands in the way of a plan, the most basic first."""
    if not plan.steps:
        return []
    found = [_release(plan), _engine(machine), _architecture(machine, plan.variant), _disk(machine, plan)]
    for step in plan.steps:
        if isinstance(step, CompileWheel):
            found += [_memory(machine, step), _cpu(machine, step, plan.variant)]
    return [problem for problem in found if problem]


def jobs(machine: Machine, step: CompileWheel) -> int:
    """How many compilers the step may run at once: as asked for, or as many as the memory holds, and one at least."""
    return step.jobs or max(1, jobs_that_fit(_memory_bytes(machine, step), machine.cpus))


def _release(plan: Plan) -> BuildError | None:
    for step in plan.steps:
        if isinstance(step, CompileWheel):
            name = older(step.tensorflow, plan.options.git_branch, plan.options.git_commit, plan.options.build_options)
            if name:
                return ReleaseTooOldError(refusal(name), "leave the version out, or give --build-options of its own")
    return None


def _engine(machine: Machine) -> BuildError | None:
    numbers = tuple(int(number) for number in re.findall(r"\d+", machine.engine_version)[:2])
    if numbers >= MINIMUM_ENGINE:
        return None
    wanted = ".".join(str(number) for number in MINIMUM_ENGINE)
    return EngineTooOldError(
        f"The Docker engine is version {machine.engine_version}; {wanted} or newer is needed.",
        "upgrade the engine (https://docs.docker.com/engine/install/), then try again",
    )


def _architecture(machine: Machine, variant: Variant) -> BuildError | None:
    if variant.architecture is None or machine.architecture == variant.architecture.value:
        return None
    # What pip would choose is another package there, and nothing is compiled for a CPU other than the engine's.
    return WrongArchitectureError(
        f"The variant {variant.name} is for {variant.architecture.value}; the engine runs on {machine.architecture}.",
        f"use an engine there: DOCKER_HOST=ssh://user@host python -m build all --variant {variant.name}",
    )


def _disk(machine: Machine, plan: Plan) -> BuildError | None:
    need = _disk_bytes(plan)
    if machine.free_disk_bytes is None or machine.free_disk_bytes >= need:
        return None
    return DiskSpaceError(
        f"The engine's disk has {machine.free_disk_bytes / GIGA:.0f} GB free; this takes up to {need / GIGA:.0f} GB.",
        "make room, for example: docker system df; docker image prune; docker builder prune",
    )


def _disk_bytes(plan: Plan) -> int:
    gpu = plan.variant.gpu
    if any(isinstance(step, CompileWheel) or (isinstance(step, BuildImage) and step.target) for step in plan.steps):
        return CUDA_COMPILE_BYTES if gpu else COMPILE_BYTES
    return GPU_IMAGE_BYTES if gpu else IMAGE_BYTES


def _memory_bytes(machine: Machine, step: CompileWheel) -> int:
    return min(machine.memory_bytes, step.memory_bytes or machine.memory_bytes)


def _memory(machine: Machine, step: CompileWheel) -> BuildError | None:
    memory = _memory_bytes(machine, step)
    fitting = jobs_that_fit(memory, machine.cpus)
    if (step.jobs or 1) <= fitting:
        return None
    asked = f"{step.jobs} jobs" if step.jobs else "one job"
    need = RESERVED_BYTES + BYTES_PER_JOB * (step.jobs or 1)
    what = (
        f"A compile with {asked} may take {need / GIGA:.1f} GB ({BYTES_PER_JOB / GIGA} GB for each compiler, "
        f"{RESERVED_BYTES / GIGA:.0f} GB for Bazel); there are {memory / GIGA:.1f} GB and {machine.cpus} CPUs."
    )
    if fitting:
        return MemoryTooSmallError(what, f"--jobs {fitting}, or leave --jobs out")
    return MemoryTooSmallError(what, "give the engine more memory (or raise --memory), or compile on a larger machine")


def _cpu(machine: Machine, step: CompileWheel, variant: Variant) -> BuildError | None:
    if dict(step.environment).get("PROVE") != "1" or machine.cpu_features is None:
        return None
    missing = sorted(variant.cpu_features - machine.cpu_features)
    if not missing:
        return None
    return CpuLacksFeaturesError(
        f"This CPU cannot run what {variant.name} compiles, so the wheel could not be tried out here. "
        f"It lacks: {' '.join(missing)}.",
        "--no-proof compiles without trying it out; a variant for this CPU: cpu-native",
    )
