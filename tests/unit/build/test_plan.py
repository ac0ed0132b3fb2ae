"""The plan: its steps, the commands that it prints, and tags that follow from the inputs alone."""

import re
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import fields, replace

import pytest

from build.plan import BYTES_PER_JOB, RESERVED_BYTES, Goal, Inputs, Names, Options, digest, jobs_that_fit, names
from build.steps import BuildImage, CompileWheel, Step, VerifyImage
from build.variants import VARIANTS
from tests.unit.build.values import INPUTS, compile_step, plan


def kinds(steps: Sequence[Step]) -> list[str]:
    """Each step in a word: the Dockerfile, or the kind."""
    return [step.dockerfile if isinstance(step, BuildImage) else type(step).__name__ for step in steps]


COMPILING = ["Dockerfile.devel", "CompileWheel", "build/images/wheels.Dockerfile", "Dockerfile", "VerifyImage"]
PORTABLE = ["Dockerfile", "VerifyImage"]


@pytest.mark.parametrize(
    ("variant", "goal", "expected"),
    [
        pytest.param("cpu-avx2", Goal.ALL, COMPILING, id="all"),
        pytest.param("cpu-avx2", Goal.DEVEL, COMPILING[:1], id="devel"),
        pytest.param("cpu-avx2", Goal.WHEEL, COMPILING[:2], id="wheel"),
        pytest.param("cpu-avx2", Goal.RUNTIME, COMPILING[2:4], id="runtime"),
        pytest.param("gpu-avx2", Goal.ALL, COMPILING, id="gpu-compiled"),
        pytest.param("arm64", Goal.ALL, COMPILING, id="arm64"),
        pytest.param("cpu", Goal.ALL, PORTABLE, id="portable-all"),
        pytest.param("cpu", Goal.WHEEL, [], id="portable-wheel"),
        pytest.param("gpu", Goal.RUNTIME, PORTABLE[:1], id="gpu-portable"),
    ],
)
def test_steps(variant: str, goal: Goal, expected: list[str]) -> None:
    """Each goal has the steps that it needs, and a variant that compiles nothing has no compile."""
    assert kinds(plan(variant, goal).steps) == expected


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        pytest.param("cpu-avx2", {"CPU_TARGET": "haswell", "CUDA": "0"}, id="cpu-avx2"),
        pytest.param("cpu-avx512", {"CPU_TARGET": "skylake-avx512", "CUDA": "0"}, id="cpu-avx512"),
        pytest.param("cpu-native", {"CPU_TARGET": "native", "CUDA": "0"}, id="cpu-native"),
        pytest.param("arm64", {"CPU_TARGET": "armv8", "CUDA": "0"}, id="arm64"),
        pytest.param(
            "gpu-avx2",
            {"CPU_TARGET": "haswell", "CUDA": "1", "CUDA_COMPUTE_CAPABILITIES": "sm_80,sm_86,sm_89,compute_90"},
            id="gpu-avx2",
        ),
    ],
)
def test_compile_environment(variant: str, expected: dict[str, str]) -> None:
    """The script is told the target, whether there is CUDA, the version, and where to leave what."""
    always = {"CACHE": "/cache", "OUTPUT": "/wheels", "PROVE": "1", "TENSORFLOW_VERSION": "2.21.0"}
    assert dict(compile_step(variant).environment) == always | expected


def test_compile_options_reach_the_script() -> None:
    """Upstream's two build arguments are handed on as they are, blanks and all."""
    step = compile_step(options=Options(build_options="--config=a --config=b", bazel_options="--x='y z'", prove=False))
    environment = dict(step.environment)
    assert environment["TF_SERVING_BUILD_OPTIONS"] == "--config=a --config=b"
    assert environment["TF_SERVING_BAZEL_OPTIONS"] == "--x='y z'"
    assert environment["PROVE"] == "0"


def test_another_version_has_no_pinned_commit() -> None:
    """A version that was asked for reaches each step, and the commit of the pinned one is taken back."""
    devel, wheel = plan(goal=Goal.WHEEL, options=Options(tensorflow="2.20.0")).steps
    assert isinstance(devel, BuildImage)
    assert isinstance(wheel, CompileWheel)
    assert {("TENSORFLOW_VERSION", "2.20.0"), ("TENSORFLOW_COMMIT", "")} <= set(devel.arguments)
    assert (dict(wheel.environment)["TENSORFLOW_VERSION"], wheel.tensorflow) == ("2.20.0", "2.20.0")


def test_runtime_takes_the_compiled_wheel() -> None:
    """The runtime image of a compiled variant names the image that carries its wheel; a portable one names none."""
    compiled = plan("cpu-avx2").steps[3]
    portable = plan("cpu").steps[0]
    assert isinstance(compiled, BuildImage)
    assert isinstance(portable, BuildImage)
    assert dict(compiled.arguments)["TF_SERVING_BUILD_IMAGE"] == plan("cpu-avx2").names.wheels_image
    assert "TF_SERVING_BUILD_IMAGE" not in dict(portable.arguments)


@pytest.mark.parametrize("variant", [pytest.param(name, id=name) for name in VARIANTS])
def test_commands_are_what_a_shell_reads(variant: str) -> None:
    """Each printed line is good shell, and says the same words after the shell has taken it apart."""
    options = Options(build_options="--a 'b' \"$c\"", base_image="base image", bazel_options="x\ny")
    for step in plan(variant, options=options).steps:
        for command in step.commands():
            subprocess.run(["bash", "-n", "-c", command], check=True)
        if isinstance(step, BuildImage):
            words = shlex.split(step.commands()[0].replace("\\\n", " "))
            assert words[-1] == step.context
            assert "BASE_IMAGE=base image" in words or "wheels" in step.dockerfile


def test_compile_commands() -> None:
    """A compile by hand: a volume, a container that is made, followed, copied from and removed."""
    options = Options(jobs=4, memory_bytes=12_000_000_000, network="host")
    commands = [" ".join(line.replace("\\\n", " ").split()) for line in compile_step(options=options).commands()]
    volume = compile_step().cache_volume
    assert commands[0] == f"docker volume create --label serving.build=cache {volume}"
    assert commands[1].startswith(f"container=$(docker create --init --volume {volume}:/cache --network host")
    for words in ("--memory 12000000000", "--env JOBS=4", "--env CPU_TARGET=haswell", "compile-tensorflow.sh)"):
        assert words in commands[1]
    assert [line.split()[:2] for line in commands[2:]] == [
        ["mkdir", "-p"],
        ["docker", "start"],
        ["docker", "cp"],
        ["docker", "rm"],
    ]


def test_verify_command() -> None:
    """The last step names the image and the base that its size is counted from."""
    made = plan("cpu", options=Options(base_image="b"))
    step = made.steps[-1]
    assert isinstance(step, VerifyImage)
    assert shlex.split(step.commands()[0])[3:] == ["verify", "--image", made.names.runtime, "--base", "b"]


def turned(inputs: Inputs) -> Inputs:
    """The same inputs, met in another order."""
    return replace(
        inputs,
        devel_files=dict(reversed(list(inputs.devel_files.items()))),
        runtime_files=dict(reversed(list(inputs.runtime_files.items()))),
    )


def test_same_inputs_same_tags() -> None:
    """Tags do not depend on the order in which files were read, nor on anything but the inputs."""
    variant = VARIANTS["cpu-avx2"]
    assert names(variant, Options(), turned(INPUTS)) == names(variant, Options(), INPUTS)


def test_tags_of_before() -> None:
    """The rule itself has not changed: whoever pulled a tag of these inputs yesterday finds it today."""
    assert digest({"b": "2", "a": "1"}) == digest({"a": "1", "b": "2"}) == "4016e0316f40"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param({"a": "1"}, {"a": "2"}, id="value"),
        pytest.param({"a": "1"}, {"b": "1"}, id="name"),
        pytest.param({"ab": "c"}, {"a": "bc"}, id="border"),
        pytest.param({"a": "1", "b": "2"}, {"a": "2", "b": "1"}, id="swapped"),
        pytest.param({"a": "1"}, {"a": "1", "b": ""}, id="empty"),
    ],
)
def test_other_inputs_other_digest(one: dict[str, str], other: dict[str, str]) -> None:
    """Whatever differs in the inputs, the digest differs."""
    assert digest(one) != digest(other)


FILES = INPUTS.devel_files
EVERYTHING = {"devel", "cache_volume", "wheel", "wheels_image", "runtime"}
KEEPS_CACHE = EVERYTHING - {"cache_volume"}
WHEEL_ON = {"wheel", "wheels_image", "runtime"}


@pytest.mark.parametrize(
    ("variant", "options", "inputs", "changed"),
    [
        pytest.param("cpu-avx2", {}, {}, set(), id="nothing"),
        pytest.param("cpu-avx2", {}, {"devel_files": {**FILES, "Dockerfile.devel": "x"}}, KEEPS_CACHE, id="dockerfile"),
        pytest.param("cpu-avx2", {}, {"tensorflow": "2.22.0"}, EVERYTHING, id="tensorflow"),
        pytest.param("cpu-avx2", {"tensorflow": "2.22.0"}, {}, EVERYTHING, id="tensorflow-asked-for"),
        pytest.param("cpu-avx2", {"base_image": "b"}, {}, EVERYTHING, id="base"),
        pytest.param("cpu-avx2", {"arguments": (("MIRROR", "m"),)}, {}, KEEPS_CACHE, id="build-argument"),
        pytest.param("cpu-avx2", {"git_branch": "r2.21"}, {}, EVERYTHING, id="branch"),
        pytest.param("cpu-avx2", {"build_options": "--config=x"}, {}, WHEEL_ON, id="build-options"),
        pytest.param("cpu-avx2", {"bazel_options": "--jobs=1"}, {}, WHEEL_ON, id="bazel-options"),
        pytest.param("cpu-avx2", {"jobs": 1, "memory_bytes": 10, "network": "host"}, {}, set(), id="how-not-what"),
        pytest.param("cpu-avx2", {}, {"runtime_files": {"Dockerfile": "x"}}, {"runtime"}, id="server"),
        pytest.param("cpu-avx2", {"revision": "abc"}, {}, {"runtime"}, id="revision"),
        pytest.param("cpu-avx2", {}, {"cpu": "sse"}, set(), id="another-cpu"),
        pytest.param("cpu-native", {}, {"cpu": "sse"}, EVERYTHING - {"devel"}, id="another-cpu-native"),
        pytest.param("cpu", {}, {"devel_files": {}}, KEEPS_CACHE - {"runtime"}, id="portable-ignores-devel"),
    ],
)
def test_what_changes_which_name(
    variant: str, options: dict[str, object], inputs: dict[str, object], changed: set[str]
) -> None:
    """A name changes when what it names would; a compile keeps its cache when only the way of compiling changes."""
    before = names(VARIANTS[variant], Options(), INPUTS)
    after = names(VARIANTS[variant], Options(**options), replace(INPUTS, **inputs))  # type: ignore[arg-type]
    differing = {field.name for field in fields(Names) if getattr(before, field.name) != getattr(after, field.name)}
    assert differing == changed


@pytest.mark.parametrize("variant", [pytest.param(name, id=name) for name in VARIANTS])
def test_names_are_what_docker_takes(variant: str) -> None:
    """Image names, tags and volumes keep Docker's grammar."""
    named = names(VARIANTS[variant], Options(), INPUTS)
    for image in (named.devel, named.wheels_image, named.runtime, named.runtime_alias):
        assert re.fullmatch(r"[a-z0-9-]+:[\w][\w.-]{0,127}", image)
    assert re.fullmatch(r"[a-zA-Z0-9][\w.-]+", named.cache_volume)


def test_variants_share_the_devel_image() -> None:
    """The toolchain is made once for all targets, and each target has a cache of its own."""
    named = [names(variant, Options(), INPUTS) for variant in VARIANTS.values() if variant.compiled]
    assert len({name.devel for name in named}) == 1
    assert len({name.cache_volume for name in named}) == len(named)


GIB = 1 << 30


@pytest.mark.parametrize(
    ("memory", "cpus", "expected"),
    [
        pytest.param(64 * GIB, 8, 8, id="cpus-decide"),
        pytest.param(16 * GIB, 8, 6, id="memory-decides"),
        pytest.param(RESERVED_BYTES + BYTES_PER_JOB, 8, 1, id="exactly-one"),
        pytest.param(RESERVED_BYTES + BYTES_PER_JOB - 1, 8, 0, id="not-one"),
        pytest.param(GIB, 8, 0, id="less-than-reserved"),
    ],
)
def test_jobs_that_fit(memory: int, cpus: int, expected: int) -> None:
    """As many compilers as CPUs, but no more than the memory holds beside Bazel itself."""
    assert jobs_that_fit(memory, cpus) == expected


def test_plan_is_a_value() -> None:
    """Two plans of the same inputs are equal, and no step can be changed."""
    assert plan() == plan()
    step = plan().steps[1]
    assert isinstance(step, CompileWheel)
    with pytest.raises(AttributeError):
        step.jobs = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("variant", "devel", "runtime"),
    [
        pytest.param("cpu", None, {"r/s:latest", "r/s:1.2.3"}, id="cpu"),
        pytest.param("gpu", None, {"r/s:latest-gpu", "r/s:1.2.3-gpu"}, id="gpu"),
        pytest.param(
            "cpu-avx2",
            {"r/s:latest-devel", "r/s:1.2.3-devel"},
            {"r/s:latest-cpu-avx2", "r/s:1.2.3-cpu-avx2"},
            id="compiled",
        ),
        pytest.param(
            "gpu-avx2",
            {"r/s:latest-devel-gpu", "r/s:1.2.3-devel-gpu"},
            {"r/s:latest-gpu-avx2", "r/s:1.2.3-gpu-avx2"},
            id="compiled-gpu",
        ),
    ],
)
def test_tags_as_people_know_them(variant: str, devel: set[str] | None, runtime: set[str]) -> None:
    """A repository gets upstream's tags, beside those of the digests, which do not depend on it."""
    plain, tagged = plan(variant), plan(variant, options=Options(tag_prefix="r/s"))
    built = {
        after.dockerfile: set(after.images) - set(before.images)
        for before, after in zip(plain.steps, tagged.steps, strict=True)
        if isinstance(before, BuildImage) and isinstance(after, BuildImage)
    }
    assert built.get("Dockerfile.devel") == devel
    assert built["Dockerfile"] == runtime
    assert built.get("build/images/wheels.Dockerfile", set()) == set()
    assert tagged.names.runtime == plain.names.runtime
