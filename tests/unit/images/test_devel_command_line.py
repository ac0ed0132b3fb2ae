"""Bazel's command line for each kind of CPU, held against what is known of TensorFlow's own names. Needs no Docker."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from build import plan
from build.variants import VARIANTS
from tests.unit.images.scripts import DEVEL, IMAGES, Done, run
from tests.unit.images.stand_in import RECORDED, source_files

COMPILE = IMAGES / "compile-tensorflow.sh"
CLANG = "/usr/lib/llvm-19/bin/clang"

TARGETS = [
    pytest.param("x86_64", "haswell", "0", id="haswell"),
    pytest.param("x86_64", "x86-64-v2", "0", id="x86-64-v2"),
    pytest.param("x86_64", "skylake-avx512", "0", id="skylake-avx512"),
    pytest.param("x86_64", "sapphirerapids", "0", id="sapphirerapids"),
    pytest.param("x86_64", "native", "0", id="native"),
    pytest.param("x86_64", "haswell", "1", id="cuda"),
    pytest.param("aarch64", "armv8", "0", id="armv8"),
    pytest.param("aarch64", "native", "0", id="native-arm"),
]


def command_line(machine: str = "x86_64", target: str = "haswell", cuda: str = "0", **more: str) -> Done:
    """What compile-tensorflow.sh would give to Bazel."""
    environment = {"TENSORFLOW_VERSION": "2.21.0", "MACHINE": machine, "CPU_TARGET": target, "CUDA": cuda, "JOBS": "3"}
    return run(COMPILE, "--print", environment=environment | more)


def values(words: list[str], option: str) -> list[str]:
    """The values that ``--option=value`` is given, in order."""
    return [word.removeprefix(f"--{option}=") for word in words if word.startswith(f"--{option}=")]


@pytest.fixture
def of_copy(tmp_path: Path) -> Callable[[dict[str, Any]], str]:
    """A source's directory with what is known of a copy of TensorFlow's."""

    def written(copy: dict[str, Any]) -> str:
        for name, text in source_files(copy).items():
            (tmp_path / name).write_text(text)
        return str(tmp_path)

    return written


HERMETIC = [pytest.param(copy, id=copy["tensorflow"]) for copy in RECORDED if copy["hermetic"]]


@pytest.mark.parametrize(("machine", "target", "cuda"), TARGETS)
@pytest.mark.parametrize("copy", HERMETIC)
def test_configurations_are_tensorflows(
    machine: str, target: str, cuda: str, copy: dict[str, Any], of_copy: Callable[[dict[str, Any]], str]
) -> None:
    """Every --config is in the copy of TensorFlow's .bazelrc that it is chosen for."""
    words = command_line(machine, target, cuda, SOURCE=of_copy(copy)).words
    found = values(words, "config")
    assert len(found) >= 2
    assert [name for name in found if name not in copy["configurations"]] == []


@pytest.mark.parametrize(("machine", "target", "cuda"), TARGETS)
def test_names_are_tensorflows(machine: str, target: str, cuda: str) -> None:
    """The target, the wheel's name, and what the repository rules read, are called as TensorFlow's own builds do."""
    words = command_line(machine, target, cuda, CUDA_COMPUTE_CAPABILITIES="sm_80").words
    environment = dict(value.split("=", 1) for value in values(words, "repo_env"))
    assert [name for name in environment if name not in RECORDED[0]["repository_environment"]] == []
    assert environment["WHEEL_NAME"] in RECORDED[0]["wheel_names"]
    assert words[-1] in RECORDED[0]["targets"]


@pytest.mark.parametrize(
    ("machine", "target", "cuda", "configurations", "copts"),
    [
        pytest.param("x86_64", "haswell", "0", ["release_cpu_linux"], ["-mavx", "-march=haswell"], id="haswell"),
        pytest.param(
            "x86_64",
            "x86-64-v2",
            "0",
            ["release_cpu_linux"],
            ["-mavx", "-march=x86-64-v2", "-mno-avx"],
            id="v2-takes-the-releases-avx-away",
        ),
        pytest.param("x86_64", "native", "1", ["release_gpu_linux"], ["-mavx", "-march=native"], id="native-cuda"),
        pytest.param(
            "aarch64",
            "armv8",
            "0",
            ["release_linux_base", "linux_arm64", "mkl_aarch64_threadpool", "clang_local"],
            ["-flax-vector-conversions", "-march=armv8-a"],
            id="armv8",
        ),
    ],
)
def test_release_options(machine: str, target: str, cuda: str, configurations: list[str], copts: list[str]) -> None:
    """The release configuration and the CPU's flags, in the order in which the compiler gets them."""
    words = command_line(machine, target, cuda).words
    assert values(words, "config") == [*configurations, "cuda_wheel"]
    assert values(words, "copt") == copts


@pytest.mark.parametrize("copy", HERMETIC)
def test_arm_takes_the_sources_compiler_if_there_is_one(
    copy: dict[str, Any], of_copy: Callable[[dict[str, Any]], str]
) -> None:
    """A WORKSPACE that registers a compiler for ARM is left to it; otherwise Bazel is to take Debian's."""
    words = command_line("aarch64", "armv8", SOURCE=of_copy(copy)).words
    brings = "linux_aarch64_linux_aarch64" in copy["compilers"]
    assert ("clang_local" in values(words, "config")) != brings
    named = [value for value in values(words, "repo_env") if value.startswith(("CC=", "BAZEL_COMPILER="))]
    assert named == ([] if brings else [f"CC={CLANG}", f"BAZEL_COMPILER={CLANG}"])


def test_a_compiler_that_is_commented_out_is_none(of_copy: Callable[[dict[str, Any]], str]) -> None:
    """TensorFlow's own repository had such lines."""
    source = of_copy(RECORDED[0])
    with Path(source, "WORKSPACE").open("a") as workspace:
        workspace.write('# register_toolchains("@rules_ml_toolchain//cc:linux_aarch64_linux_aarch64")\n')
    assert "clang_local" in values(command_line("aarch64", "armv8", SOURCE=source).words, "config")


def test_cuda_is_told_of_a_compiler_that_is_there() -> None:
    """After the release configuration, which names one that Debian 12 does not have: Bazel takes the last."""
    words = command_line(cuda="1").words
    assert values(words, "action_env") == [f"CLANG_CUDA_COMPILER_PATH={CLANG}"]
    assert words.index(f"--action_env=CLANG_CUDA_COMPILER_PATH={CLANG}") > words.index("--config=release_gpu_linux")
    assert values(command_line().words, "action_env") == []


@pytest.mark.parametrize(("machine", "copt"), [("x86_64", "-march=haswell"), ("aarch64", "-march=armv8-a")])
def test_the_default_target_is_the_machines(machine: str, copt: str) -> None:
    """Without a CPU_TARGET the two commands of the tutorials do what is useful on either kind of machine."""
    assert copt in values(command_line(machine, "").words, "copt")


def test_the_wheel_is_called_as_the_release() -> None:
    """Without ML_WHEEL_TYPE a wheel is called 2.21.0.dev0+selfbuilt, which the lock does not have."""
    environment = values(command_line().words, "repo_env")
    assert "ML_WHEEL_TYPE=release" in environment
    assert "WHEEL_NAME=tensorflow_cpu" in environment
    assert "WHEEL_NAME=tensorflow" in values(command_line(cuda="1").words, "repo_env")
    assert "WHEEL_NAME=tensorflow" in values(command_line("aarch64", "armv8").words, "repo_env")


def test_capabilities_are_passed_with_cuda_only() -> None:
    """A build without CUDA is the same whatever cards are named."""
    cards = {"CUDA_COMPUTE_CAPABILITIES": "sm_80,compute_90"}
    expected = "HERMETIC_CUDA_COMPUTE_CAPABILITIES=sm_80,compute_90"
    assert expected in values(command_line(cuda="1", **cards).words, "repo_env")
    assert command_line(**cards).words == command_line().words


def test_the_target_comes_last() -> None:
    """Upstream's two arguments: the options in place of --config=release, and Bazel's after all others."""
    more = {"TF_SERVING_BUILD_OPTIONS": "--copt=-O2 --config=monolithic", "TF_SERVING_BAZEL_OPTIONS": "--keep_going -s"}
    words = command_line(**more).words
    assert values(words, "config") == ["monolithic", "cuda_wheel"]
    assert values(words, "copt") == ["-O2"]
    assert words[-3:] == ["--keep_going", "-s", "//tensorflow/tools/pip_package:wheel"]


def test_options_beside_the_release() -> None:
    """--config=release may stand among others, as in the tutorials of TensorFlow Serving."""
    words = command_line(TF_SERVING_BUILD_OPTIONS="--config=release --copt=-O3").words
    assert values(words, "config") == ["release_cpu_linux", "cuda_wheel"]
    assert values(words, "copt") == ["-mavx", "-march=haswell", "-O3"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"CPU_TARGET": "pentium"}, 'CPU_TARGET is "pentium"; expected one of: haswell', id="target"),
        pytest.param({"CPU_TARGET": "armv8"}, "CPU_TARGET=armv8 cannot be compiled on x86_64", id="arm-on-x86"),
        pytest.param(
            {"MACHINE": "aarch64", "CPU_TARGET": "haswell"},
            "CPU_TARGET=haswell cannot be compiled on aarch64",
            id="x86-on-arm",
        ),
        pytest.param({"MACHINE": "riscv64"}, "CUDA=0 on riscv64 is not known", id="machine"),
        pytest.param(
            {"MACHINE": "aarch64", "CPU_TARGET": "armv8", "CUDA": "1"},
            "CUDA=1 on aarch64 is not known",
            id="cuda-on-arm",
        ),
        pytest.param({"CUDA": "yes"}, 'CUDA is "yes"; expected 0 or 1', id="cuda"),
        pytest.param({"CUDA_COMPUTE_CAPABILITIES": "8.0; rm"}, "expected words as sm_80", id="capabilities"),
        pytest.param({"TF_SERVING_BUILD_OPTIONS": "--config=nativeopt"}, "CPU_TARGET=native is the same", id="native"),
    ],
)
def test_wrong_arguments_are_explained(change: dict[str, str], message: str) -> None:
    """Status 2, what was given and what is expected, before anything is compiled."""
    done = run(
        COMPILE, "--print", environment={"TENSORFLOW_VERSION": "2.21.0", "MACHINE": "x86_64", "JOBS": "1"} | change
    )
    assert done.status == 2, done
    assert message in done.errors
    assert done.output == ""


@pytest.mark.parametrize(
    ("megabytes", "jobs"), [(4600, "1"), (7100, "2"), (12_100, "4"), (900_000, "4")], ids=lambda value: str(value)
)
def test_jobs_are_bounded_by_the_memory(tmp_path: Path, megabytes: int, jobs: str) -> None:
    """As many compilers as fit, and no more than there are CPUs, so that none is killed after an hour."""
    done = _with_memory(tmp_path, megabytes)
    assert values(done.words, "jobs") == [jobs], done


def test_too_little_memory_is_said_at_once(tmp_path: Path) -> None:
    """Memory for less than one compiler ends it with a status of its own and a way out."""
    done = _with_memory(tmp_path, 4000)
    assert done.status == 4
    assert "4000 MB of memory are too few" in done.errors
    assert "JOBS=1" in done.errors


def _with_memory(directory: Path, megabytes: int) -> Done:
    meminfo = directory / "meminfo"
    meminfo.write_text(f"MemTotal: 1 kB\nMemAvailable: {megabytes * 1_000_000 // 1024 + 1} kB\n")
    (directory / "nproc").write_text("#!/bin/sh\necho 4\n")
    (directory / "nproc").chmod(0o755)
    # This machine's own limits, of which a container has one, are put out of sight.
    (directory / "cat").write_text('#!/bin/sh\ncase $1 in /sys/*) exit 1 ;; esac\nexec /bin/cat "$@"\n')
    (directory / "cat").chmod(0o755)
    environment = {"TENSORFLOW_VERSION": "2.21.0", "MACHINE": "x86_64", "MEMINFO": str(meminfo)}
    return run(COMPILE, "--print", programs=directory, environment=environment)


def test_the_memory_of_a_job_is_the_plans() -> None:
    """The script and `python -m build` reckon with the same numbers."""
    found = re.search(r"BYTES_PER_JOB=(\d+) RESERVED_BYTES=(\d+)", COMPILE.read_text())
    assert found
    assert (int(found[1]), int(found[2])) == (plan.BYTES_PER_JOB, plan.RESERVED_BYTES)


def test_the_tools_targets_have_flags() -> None:
    """Each variant that is compiled names a kind of CPU that the script knows."""
    targets = {variant.cpu_target for variant in VARIANTS.values() if variant.compiled}
    assert "haswell" in targets
    assert [target for target in targets if run(DEVEL / "cpu-flags", target).status] == []


def test_release_flags_are_repeated() -> None:
    """The flags for x86-64 begin with the release configuration's, as the compiler gets them."""
    for target in ("haswell", "x86-64-v2", "skylake-avx512", "sapphirerapids"):
        assert run(DEVEL / "cpu-flags", target).output.split()[:1] == RECORDED[0]["release_flags"]
