"""The checks before the start: each finds what is missing, says it in numbers, and names a way out."""

import pytest

from build.errors import (
    BuildError,
    CpuLacksFeaturesError,
    DiskSpaceError,
    EngineTooOldError,
    MemoryTooSmallError,
    ReleaseTooOldError,
    WrongArchitectureError,
)
from build.plan import Goal, Options
from build.preflight import expected, jobs, problems
from tests.unit.build.values import GIGA, MACHINE, compile_step, machine, plan

PLAIN_CPU = frozenset({"avx", "sse4_2"})


def test_nothing_is_wrong_with_a_good_machine() -> None:
    """Plenty of everything has no problems, so that the cases below fail for their own reason."""
    assert problems(MACHINE, plan("cpu-avx512")) == []


@pytest.mark.parametrize(
    ("changes", "options", "error", "what", "next_step"),
    [
        pytest.param(
            {"engine_version": "19.03.8"}, {}, EngineTooOldError, "19.03.8; 20.10", "upgrade the engine", id="engine"
        ),
        pytest.param(
            {"architecture": "aarch64"},
            {},
            WrongArchitectureError,
            "runs on aarch64",
            "DOCKER_HOST=",
            id="architecture",
        ),
        pytest.param(
            {"free_disk_bytes": 12 * GIGA}, {}, DiskSpaceError, "12 GB free; this takes up to 50 GB", "prune", id="disk"
        ),
        pytest.param(
            {"memory_bytes": 4 * GIGA}, {}, MemoryTooSmallError, "4.5 GB (2.5 GB", "more memory", id="memory-for-none"
        ),
        pytest.param(
            {"memory_bytes": 8 * GIGA},
            {"jobs": 4},
            MemoryTooSmallError,
            "4 jobs may take 12.0 GB",
            "--jobs 2",
            id="jobs",
        ),
        pytest.param({}, {"memory_bytes": 4 * GIGA}, MemoryTooSmallError, "4.0 GB", "--memory", id="limit"),
        pytest.param(
            {"cpu_features": PLAIN_CPU}, {}, CpuLacksFeaturesError, "avx2 bmi1 bmi2 f16c fma", "--no-proof", id="cpu"
        ),
        pytest.param(
            {}, {"git_branch": "r2.19"}, ReleaseTooOldError, "r2.19 is older than 2.21", "--build-options", id="release"
        ),
    ],
)
def test_problem(
    changes: dict[str, object], options: dict[str, object], error: type[BuildError], what: str, next_step: str
) -> None:
    """One thing is missing: the error is its own, with what was found and what to do."""
    (found,) = problems(machine(**changes), plan("cpu-avx2", options=Options(**options)))  # type: ignore[arg-type]
    assert type(found) is error
    assert what in found.what
    assert next_step in found.next_step


@pytest.mark.parametrize(
    ("changes", "options", "variant", "goal"),
    [
        pytest.param({"cpu_features": PLAIN_CPU}, {"prove": False}, "cpu-avx512", Goal.ALL, id="no-proof"),
        pytest.param({"cpu_features": None}, {}, "cpu-avx512", Goal.ALL, id="cpu-unknown"),
        pytest.param({"cpu_features": PLAIN_CPU}, {}, "cpu-native", Goal.ALL, id="native-fits-any"),
        pytest.param({"free_disk_bytes": None}, {}, "cpu-avx2", Goal.ALL, id="disk-unknown"),
        pytest.param({"free_disk_bytes": 10 * GIGA}, {}, "cpu", Goal.ALL, id="portable-needs-less"),
        pytest.param({"memory_bytes": GIGA}, {}, "cpu-avx2", Goal.RUNTIME, id="runtime-compiles-nothing"),
        pytest.param({"engine_version": "20.10.24+dfsg1"}, {}, "cpu-avx2", Goal.ALL, id="debians-version"),
        pytest.param({"engine_version": "1.0"}, {}, "cpu", Goal.WHEEL, id="nothing-to-do"),
        pytest.param({}, {"tensorflow": "2.19.0"}, "cpu-avx2", Goal.RUNTIME, id="old-but-compiles-nothing"),
        pytest.param(
            {}, {"git_branch": "r2.19", "build_options": "--config=mkl"}, "cpu-avx2", Goal.ALL, id="options-of-ones-own"
        ),
    ],
)
def test_no_problem(changes: dict[str, object], options: dict[str, object], variant: str, goal: Goal) -> None:
    """What a plan does not need, or cannot be known, does not stop it."""
    chosen = Options(**options)  # type: ignore[arg-type]
    assert problems(machine(**changes), plan(variant, goal, chosen)) == []


def test_all_problems_at_once() -> None:
    """A machine that lacks several things is told all of them, the most basic first."""
    bad = machine(engine_version="18.09", free_disk_bytes=0, memory_bytes=GIGA, cpu_features=frozenset())
    expected = [EngineTooOldError, DiskSpaceError, MemoryTooSmallError, CpuLacksFeaturesError]
    assert [type(problem) for problem in problems(bad, plan())] == expected


def test_cuda_takes_more_disk() -> None:
    """A disk that suffices for a CPU variant may not for a compile with CUDA."""
    disk = machine(free_disk_bytes=60 * GIGA)
    assert problems(disk, plan("cpu-avx2")) == []
    assert [type(problem) for problem in problems(disk, plan("gpu-avx2"))] == [DiskSpaceError]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param({}, 16, id="as-many-as-fit"),
        pytest.param({"jobs": 3}, 3, id="as-asked"),
        pytest.param({"memory_bytes": 10 * GIGA}, 3, id="bounded-by-the-limit"),
        pytest.param({"memory_bytes": GIGA}, 1, id="never-none"),
    ],
)
def test_jobs(options: dict[str, object], expected: int) -> None:
    """The number of compilers follows the memory that the container will have."""
    assert jobs(MACHINE, compile_step(options=Options(**options))) == expected  # type: ignore[arg-type]


def test_what_a_compile_will_take() -> None:
    """Hours, gigabytes of disk and of memory; more with CUDA."""
    time, disk, memory = expected(plan("cpu-avx2"))
    assert "25 to 60 CPU-hours to compile (an estimate)" in time
    assert "2 to 4 hours with 16 CPUs" in time
    assert "up to 50 GB" in disk
    assert "2.5 GB for each compiler" in memory
    assert "100 GB" in expected(plan("gpu-avx2"))[1]


def test_what_an_image_alone_will_take() -> None:
    """Nothing is compiled: minutes, and less disk."""
    time, disk = expected(plan("cpu"))
    assert "minutes" in time
    assert "up to 8 GB" in disk
