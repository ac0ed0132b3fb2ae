"""What the plan relies on is in the files that it builds: stages, arguments, the script's place, variables and pins."""

import re
import tomllib

import pytest

from build.inputs import read_inputs
from build.plan import BYTES_PER_JOB, RESERVED_BYTES, Goal, Options, make_plan
from build.steps import COMPILE, BuildImage, CompileWheel
from build.variants import VARIANTS
from tests.unit.build.conftest import ROOT

PINS = tomllib.loads((ROOT / "build" / "pins.toml").read_text())
SCRIPT = (ROOT / "build" / "images" / "compile-tensorflow.sh").read_text()
EVERYTHING = Options(
    base_image="b",
    git_branch="r",
    git_commit="c",
    revision="x",
    build_options="o",
    bazel_options="o",
    tensorflow="1.2.3",
)
COMPILED = [pytest.param(variant.name, id=variant.name) for variant in VARIANTS.values() if variant.compiled]


def steps(variant: str) -> tuple[BuildImage | CompileWheel, ...]:
    """The steps of a variant with every option given, for this source tree."""
    chosen = VARIANTS[variant]
    made = make_plan(Goal.ALL, chosen, EVERYTHING, read_inputs(chosen, ROOT)).steps
    return tuple(step for step in made if isinstance(step, BuildImage | CompileWheel))


def arguments(dockerfile: str) -> dict[str, str]:
    """The build arguments of a Dockerfile with their defaults."""
    text = (ROOT / dockerfile).read_text()
    return {name: value.strip('"') for name, value in re.findall(r"^ARG (\w+)=?(.*)$", text, re.MULTILINE)}


@pytest.mark.parametrize("variant", [pytest.param(name, id=name) for name in VARIANTS])
def test_dockerfiles_know_the_arguments(variant: str) -> None:
    """Every argument that is given is one that the Dockerfile has; Docker would only warn."""
    for step in steps(variant):
        if isinstance(step, BuildImage):
            assert {name for name, _ in step.arguments} <= set(arguments(step.dockerfile))


@pytest.mark.parametrize("variant", COMPILED)
def test_dockerfiles_have_the_target(variant: str) -> None:
    """The stage that is built is in the Dockerfile."""
    (target,) = [step for step in steps(variant) if isinstance(step, BuildImage) and step.target]
    assert re.search(rf"^FROM .* AS {target.target}$", (ROOT / target.dockerfile).read_text(), re.MULTILINE)


def test_script_is_where_it_is_called() -> None:
    """Dockerfile.devel puts the script where the compile's container runs it, before the stage ends."""
    stage = (ROOT / "Dockerfile.devel").read_text().split(" AS source\n")[1].split("\nFROM ")[0]
    directory, _, name = COMPILE.rpartition("/")
    assert re.search(rf"^COPY .*build/images/{re.escape(name)} .*{directory}/$", stage, re.MULTILINE)


@pytest.mark.parametrize("variant", COMPILED)
def test_script_reads_the_environment(variant: str) -> None:
    """Every variable that the container gets is one that the script mentions."""
    (step,) = [step for step in steps(variant) if isinstance(step, CompileWheel)]
    names = {name for name, _ in step.environment} | {"JOBS"}
    assert {name for name in names if not re.search(rf"\b{name}\b", SCRIPT)} == set()


def test_script_reckons_alike() -> None:
    """Script and plan have the same idea of what a compiler takes."""
    for name, value in (("BYTES_PER_JOB", BYTES_PER_JOB), ("RESERVED_BYTES", RESERVED_BYTES)):
        assert re.search(rf"\b{name}={value}\b", SCRIPT)


@pytest.mark.parametrize("variant", COMPILED)
def test_targets_have_flags(variant: str) -> None:
    """Each target of the table is one that the toolchain knows flags for."""
    flags = (ROOT / "build" / "images" / "devel" / "cpu-flags").read_text()
    assert re.search(rf"(?<![\w-]){re.escape(VARIANTS[variant].cpu_target)}(?![\w-])", flags)


def test_cuda_capabilities_are_the_dockerfiles() -> None:
    """`docker build` alone and this tool compile for the same cards."""
    assert VARIANTS["gpu-avx2"].cuda_compute_capabilities == tuple(
        arguments("Dockerfile.devel")["CUDA_COMPUTE_CAPABILITIES"].split(",")
    )


def test_tensorflow_is_the_locked_one() -> None:
    """What is compiled is the version that the runtime image's lock has."""
    lock = (ROOT / "requirements.lock").read_text()
    assert re.search(rf"^tensorflow-cpu=={re.escape(PINS['tensorflow']['version'])} ", lock, re.MULTILINE)
    assert PINS["tensorflow"]["tag"] == f"v{PINS['tensorflow']['version']}"


@pytest.mark.parametrize(
    ("name", "section", "key"),
    [
        pytest.param("TENSORFLOW_VERSION", "tensorflow", "version", id="tensorflow"),
        pytest.param("TENSORFLOW_COMMIT", "tensorflow", "commit", id="commit"),
        pytest.param("BAZELISK_VERSION", "bazelisk", "version", id="bazelisk"),
        pytest.param("BAZELISK_INTEGRITY", "bazelisk", "integrity", id="integrity"),
    ],
)
def test_pins(name: str, section: str, key: str) -> None:
    """Dockerfile.devel's defaults are what build/pins.toml says."""
    assert arguments("Dockerfile.devel")[name] == PINS[section][key]
