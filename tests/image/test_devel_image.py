"""The devel image on a real engine: its compiler for each kind of CPU, and the two commands of the tutorials.

TensorFlow's source and Bazel cannot be fetched where this runs. A source that stands in for it names a program that
takes the portable wheel for what was compiled; everything around that is the real thing.
"""

import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from build.variants import VARIANTS
from tests.image.conftest import DOCKER_TEST_SECONDS
from tests.image.containers import ROOT, TrackedContainer, docker
from tests.unit.images.stand_in import make_repository, served
from tests.unit.images.test_devel_pins import argument

NAME = "tensorflow-serving-appliance-test"
VERSION = argument("TENSORFLOW_VERSION")


def build(tag: str, *options: str) -> str:
    """``docker build`` of the project on the base image of these tests; what it printed."""
    base = os.environ.get("BASE_IMAGE", "")
    network = Path(os.environ.get("ENGINE_DIR", "/nonexistent")) / "build-network"
    arguments = ["--build-arg", f"BASE_IMAGE={base}"] if base else []
    arguments += ["--network=host"] if network.is_file() and network.read_text().strip() == "host" else []
    return docker("build", "--tag", tag, *arguments, *options, str(ROOT), timeout_seconds=DOCKER_TEST_SECONDS)


@pytest.fixture(scope="module")
def toolchain(engine: None) -> Iterator[str]:
    """The first stage: compiler, Bazel's starter, probe."""
    tag = f"{NAME}-toolchain"
    build(tag, "--file", str(ROOT / "Dockerfile.devel"), "--target", "toolchain")
    yield tag
    docker("rmi", tag, check=False)


def prove_flags(toolchain: str, target: str) -> dict[str, Any]:
    """What the probe showed for a kind of CPU."""
    said = docker("run", "--rm", "--network=none", toolchain, "prove-flags", target)
    found: dict[str, Any] = json.loads(said.splitlines()[-1])  # a compiler may warn before
    return found


X86 = pytest.mark.skipif(os.uname().machine != "x86_64", reason="these kinds of CPU are x86-64")


@X86
@pytest.mark.parametrize(
    ("target", "has", "has_not", "features"),
    [
        pytest.param("x86-64-v2", {"xmm"}, {"vex", "ymm", "zmm", "fma"}, {"sse4_2", "popcnt"}, id="x86-64-v2"),
        pytest.param("haswell", {"vex", "ymm", "fma"}, {"zmm"}, {"avx2", "fma", "bmi2", "f16c"}, id="haswell"),
        pytest.param("skylake-avx512", {"vex", "zmm", "fma"}, set(), {"avx512f", "avx512vl"}, id="skylake-avx512"),
        pytest.param("sapphirerapids", {"vex", "zmm", "fma"}, set(), {"avx512_fp16", "amx_int8"}, id="sapphirerapids"),
    ],
)
def test_the_flags_are_seen_in_the_object_code(
    toolchain: str, measured: dict[str, str], target: str, has: set[str], has_not: set[str], features: set[str]
) -> None:
    """Vectors of the width that the kind of CPU has, and none wider; run, and right, where this CPU can."""
    found = prove_flags(toolchain, target)
    kinds = ("vex", "xmm", "ymm", "zmm", "fma")
    assert {kind for kind in has if not found[kind]} == set(), found
    assert {kind for kind in has_not if found[kind]} == set(), found
    assert features <= set(found["cpu_features"].split())
    assert found["printed"] == (6144 if found["runs_here"] else None)
    counts = ", ".join(f"{kind} {found[kind]}" for kind in kinds)
    measured[f"probe for {target}"] = f"{counts}; {'ran' if found['runs_here'] else 'this CPU cannot run it'}"


def test_native_is_this_cpu(toolchain: str) -> None:
    """What is compiled for this CPU runs on it, and asks for no more than it has."""
    found = prove_flags(toolchain, "native")
    flags = re.search(r"^(?:flags|Features)\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    assert flags
    assert found["runs_here"]
    assert found["printed"] == 6144
    assert set(found["cpu_features"].split()) <= set(flags[1].split())


def test_armv8_is_compiled_with_vectors(toolchain: str) -> None:
    """64-bit ARM: multiply-add on vector registers, and a CPU with Advanced SIMD is asked for."""
    script = (
        'flags="--target=aarch64-linux-gnu $(cpu-flags armv8)"; cpu-features $flags;'
        "clang-19 $flags -O3 -ffp-contract=fast -ffreestanding -S -o - /usr/local/share/devel/probe.c"
    )
    features, *assembly = docker("run", "--rm", "--network=none", toolchain, "bash", "-euc", script).splitlines()
    assert features == "asimd"
    assert [line for line in assembly if re.match(r"\s+fmla\s+v\d+\.4s", line)]


@X86
def test_the_tools_features_are_the_compilers(toolchain: str) -> None:
    """What `python -m build` looks for before a compile is among what the compiler then uses."""
    wanted = {variant.cpu_target: variant.cpu_features for variant in VARIANTS.values() if variant.compiled}
    checked = [target for target in wanted if target not in ("armv8", "native")]
    found = {target: set(prove_flags(toolchain, target)["cpu_features"].split()) for target in checked}
    assert len(checked) >= 2
    assert {target: wanted[target] - found[target] for target in checked if not wanted[target] <= found[target]} == {}


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoCommands:
    """The images that the two commands made, and the commit of the source that stood in."""

    devel: str
    runtime: str
    commit: str


def host_of_containers() -> str:
    """The address of this machine for containers, which is the first of their network.

    From its second start on the engine names it too, as the network's gateway.
    """
    subnet = docker("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Subnet}}").strip()
    return str(next(ip_network(subnet).hosts()))


@pytest.fixture(scope="module")
def two_commands(
    toolchain: str, tmp_path_factory: pytest.TempPathFactory, measured: dict[str, str]
) -> Iterator[TwoCommands]:
    """The devel image, then the runtime image from it, as in the tutorials, with the source taken from here."""
    source = tmp_path_factory.mktemp("git") / "tensorflow"
    commit = make_repository(source, VERSION)
    devel, runtime = f"{NAME}-devel", f"{NAME}-runtime"
    began = time.monotonic()
    try:
        with served(source.parent) as port:
            url = f"git://{host_of_containers()}:{port}/tensorflow"
            arguments = ["--build-arg", f"TENSORFLOW_GIT_URL={url}", "--build-arg", f"TENSORFLOW_COMMIT={commit}"]
            build(devel, "--file", str(ROOT / "Dockerfile.devel"), *arguments)
        compiled = time.monotonic()
        build(runtime, "--build-arg", f"TF_SERVING_BUILD_IMAGE={devel}")
        measured["docker build of the devel image, with a stand-in for the compile"] = f"{compiled - began:.0f} s"
        measured["docker build of the runtime image from it"] = f"{time.monotonic() - compiled:.0f} s"
        yield TwoCommands(devel=devel, runtime=runtime, commit=commit)
    finally:
        docker("rmi", devel, runtime, check=False)


@X86
def test_the_devel_image_carries_wheel_and_description(two_commands: TwoCommands) -> None:
    """One wheel that was tried, and build.json about it: version, source, CPU, options."""
    script = "cat /wheels/build.json; ls /wheels"
    printed = docker("run", "--rm", "--network=none", two_commands.devel, "bash", "-euc", script)
    text, _, files = printed.partition("\n}\n")
    described = json.loads(f"{text}}}")
    assert files.split() == ["build.json", described["wheel"]]
    assert described["wheel"].startswith(f"tensorflow_cpu-{VERSION}-cp311-")
    assert (described["tensorflow"], described["tensorflow_commit"]) == (VERSION, two_commands.commit)
    assert (described["cpu_target"], described["proved"]) == ("haswell", "avx2" in Path("/proc/cpuinfo").read_text())
    assert {"avx2", "fma"} <= set(described["cpu_features"])


@X86
def test_the_runtime_image_has_that_wheel(two_commands: TwoCommands) -> None:
    """The server says the wheel's version, and the image says what CPU it needs."""
    version = docker("run", "--rm", two_commands.runtime, "tensorflow_model_server", "--version")
    assert f"TensorFlow Library: {VERSION}\n" in version
    inside = docker("run", "--rm", "--entrypoint=cat", two_commands.runtime, "/opt/serving/build.json")
    of_devel = docker("run", "--rm", two_commands.devel, "cat", "/wheels/build.json")
    assert json.loads(inside) == json.loads(of_devel)
    label = '{{index .Config.Labels "serving.cpu-features"}}'
    assert docker("image", "inspect", "--format", label, two_commands.runtime).strip() == "see /opt/serving/build.json"


@X86
@pytest.mark.skipif("avx2" not in Path("/proc/cpuinfo").read_text(), reason="this CPU has no AVX2")
def test_the_runtime_image_answers(two_commands: TwoCommands, models: Path) -> None:
    """A prediction by the wheel that came through both commands."""
    environment = {"MODEL_NAME": "half_plus_two"}
    with TrackedContainer(two_commands.runtime, models=models, environment=environment) as container:
        container.wait_ready()
        assert container.predict("half_plus_two", {"instances": [1.0, 2.0, 5.0]}) == {"predictions": [2.5, 3.0, 4.5]}


def test_the_portable_image_says_what_it_needs(image: str) -> None:
    """Without a build image the wheel is the package index's, and its build.json asks for no more than that does."""
    inside = json.loads(docker("run", "--rm", "--entrypoint=cat", image, "/opt/serving/build.json"))
    assert (inside["cpu_target"], inside["tensorflow"]) == ("portable", VERSION)
