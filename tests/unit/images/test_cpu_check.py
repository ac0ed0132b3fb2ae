"""The CPU check at start: the script on made-up CPUs, and the entrypoint around it. Containers are in tests/image."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from build.variants import VARIANTS
from tests.image.containers import ROOT
from tests.unit.images.scripts import IMAGES, Done, run

CHECK = IMAGES / "check-cpu"
CPU_LACKS = 86
PORTABLE = json.loads((IMAGES / "portable" / "x86_64.json").read_text())["cpu_features"]
NEHALEM = ["pni", "popcnt", "sse4_1", "sse4_2", "ssse3"]
IVY_BRIDGE = [*NEHALEM, "avx"]
HASWELL = [*IVY_BRIDGE, *sorted(VARIANTS["cpu-avx2"].cpu_features - {"avx"})]
SKYLAKE = [*IVY_BRIDGE, *sorted(VARIANTS["cpu-avx512"].cpu_features - {"avx"})]
GRAVITON = ["fp", "asimd", "atomics"]


def build_json(
    path: Path, features: Sequence[str], *, target: str = "made-up", cuda: bool = False, architecture: str = ""
) -> Path:
    """A description of a build that needs the features, readable for every user."""
    fields = {"schema": 1, "tensorflow": "2.21.0", "cpu_target": target, "cpu_features": features, "cuda": cuda}
    path.write_text(json.dumps(fields | ({"architecture": architecture} if architecture else {}), indent=2))
    path.chmod(0o644)
    return path


class Check:
    """Runs the script on a CPU and for a build that are files."""

    def __init__(self, directory: Path) -> None:
        self.build = directory / "build.json"
        self.cpuinfo = directory / "cpuinfo"

    def run(
        self,
        cpu: Sequence[str],
        needs: Sequence[str],
        *,
        cuda: bool = False,
        architecture: str = "",
        **environment: str,
    ) -> Done:
        name = "Features" if "asimd" in cpu else "flags\t"
        model = "model name\t: Made-up CPU\n" if name != "Features" else ""
        words = f"{name}\t: fpu {' '.join(cpu)}\n"
        self.cpuinfo.write_text(f"processor\t: 0\n{model}{words}\nprocessor\t: 1\n{words}")
        return self.again(build_json(self.build, needs, cuda=cuda, architecture=architecture), **environment)

    def again(self, build: Path, **environment: str) -> Done:
        places = {"CHECK_CPU_BUILD_JSON": str(build), "CHECK_CPU_CPUINFO": str(self.cpuinfo)}
        return run(CHECK, environment={**places, **environment})


@pytest.fixture
def check(tmp_path: Path) -> Check:
    return Check(tmp_path)


@pytest.mark.parametrize(
    ("cpu", "needs"),
    [
        pytest.param(IVY_BRIDGE, PORTABLE, id="portable"),
        pytest.param(HASWELL, HASWELL, id="haswell"),
        pytest.param(SKYLAKE, SKYLAKE, id="avx512"),
        pytest.param(GRAVITON, ["asimd"], id="arm64"),
        pytest.param(NEHALEM, [], id="nothing-needed"),
        pytest.param(
            [*IVY_BRIDGE, "abm", "sha_ni"], ["SSE3", "sse4.1", "SSE4.2", "AVX", "lzcnt", "sha"], id="other-names"
        ),
    ],
)
def test_a_cpu_that_fits_is_passed_without_a_word(check: Check, cpu: Sequence[str], needs: Sequence[str]) -> None:
    """What is needed is there, under whichever name, and no variant would use more."""
    done = check.run(cpu, needs)
    assert (done.status, done.output, done.errors) == (0, "", "")


@pytest.mark.parametrize(
    ("cpu", "needs", "missing", "advice"),
    [
        pytest.param(IVY_BRIDGE, HASWELL, "avx2 bmi1 bmi2 f16c fma", "--variant cpu\n", id="portable-fits"),
        pytest.param(HASWELL, ["avx2", "avx512f"], "avx512f", "--variant cpu-avx2\n", id="avx2-fits"),
        pytest.param(SKYLAKE, ["avx512f", "amx_tile"], "amx_tile", "--variant cpu-avx512\n", id="avx512-fits"),
        pytest.param(NEHALEM, PORTABLE, "avx", "CPU_TARGET=x86-64-v2", id="none-fits"),
        pytest.param(["pni"], ["pni", "sse4_2"], "sse4_2", "the least that it can be", id="too-old"),
        pytest.param(GRAVITON, ["asimd", "sve"], "sve", "--variant arm64\n", id="arm64-fits"),
        pytest.param(IVY_BRIDGE, ["sse4.2", "lzcnt", "bmi"], "abm bmi1", "--variant cpu\n", id="other-names"),
    ],
)
def test_a_cpu_that_lacks_something_is_refused(
    check: Check, cpu: Sequence[str], needs: Sequence[str], missing: str, advice: str
) -> None:
    """The missing flags are named, with the variant that fits, and the status is the check's own."""
    done = check.run(cpu, needs)
    assert done.status == CPU_LACKS
    assert f"lacks what this image needs: {missing}.\n" in done.errors
    assert advice in done.errors


@pytest.mark.parametrize(
    ("cpu", "cuda", "variant"),
    [
        pytest.param(HASWELL, False, "cpu-avx2", id="avx2"),
        pytest.param(SKYLAKE, False, "cpu-avx512", id="avx512"),
        pytest.param(SKYLAKE, True, "gpu-avx2", id="gpu"),
    ],
)
def test_a_cpu_that_could_do_more_is_mentioned(check: Check, cpu: Sequence[str], cuda: bool, variant: str) -> None:
    """One line says what the image leaves unused and which variant uses it; the start goes on."""
    done = check.run(cpu, PORTABLE, cuda=cuda)
    assert (done.status, done.errors, done.output.count("\n")) == (0, "", 1)
    assert "avx2" in done.output
    assert done.output.startswith(f"The variant {variant} of this image may be faster: ")


def test_the_check_can_be_left_out(check: Check) -> None:
    """SERVING_CPU_CHECK=off is for those whose /proc/cpuinfo does not tell the truth."""
    done = check.run(NEHALEM, SKYLAKE, SERVING_CPU_CHECK="off")
    assert (done.status, done.errors) == (0, "")


def test_nothing_known_is_no_obstacle(check: Check, tmp_path: Path) -> None:
    """Without build.json, or with a /proc/cpuinfo that lists no flags, there is nothing to compare."""
    check.cpuinfo.write_text("processor\t: 0\nflags\t\t: fpu\n")
    assert check.again(tmp_path / "absent.json").status == 0
    check.cpuinfo.write_text("processor\t: 0\n")
    assert check.again(build_json(check.build, HASWELL)).status == 0


def test_an_emulated_arm_cpu_is_passed(check: Check) -> None:
    """QEMU 7.2 shows the /proc/cpuinfo of the machine itself; what the image needs, all 64-bit ARM CPUs have."""
    done = check.run(HASWELL, ["asimd"], architecture="aarch64")
    assert (done.status, done.output, done.errors) == (0, "", "")


def test_an_image_for_x86_on_arm_is_refused(check: Check) -> None:
    """An emulator may know no AVX, and an image for the machine itself can be made; who knows better is told how."""
    done = check.run(GRAVITON, PORTABLE, architecture="x86_64")
    assert done.status == CPU_LACKS
    assert "this image is for x86-64, and /proc/cpuinfo is that of an ARM CPU" in done.errors
    assert "--platform linux/arm64" in done.errors
    assert check.run(GRAVITON, PORTABLE, architecture="x86_64", SERVING_CPU_CHECK="off").status == 0


@pytest.mark.parametrize(
    ("cpu", "needs", "architecture", "status"),
    [
        pytest.param(HASWELL, PORTABLE, "x86_64", 0, id="x86"),
        pytest.param(NEHALEM, PORTABLE, "x86_64", CPU_LACKS, id="x86-without-avx"),
        pytest.param(GRAVITON, ["asimd"], "aarch64", 0, id="arm"),
        pytest.param(GRAVITON, ["asimd", "sve"], "aarch64", CPU_LACKS, id="arm-without-sve"),
    ],
)
def test_the_images_own_kind_of_cpu_is_compared(
    check: Check, cpu: Sequence[str], needs: Sequence[str], architecture: str, status: int
) -> None:
    """Where build.json names the kind of CPU that is there, its features decide as before."""
    assert check.run(cpu, needs, architecture=architecture).status == status


def test_the_label_is_that_of_the_portable_wheels() -> None:
    """One image is made for either kind of CPU by the same Dockerfile, so its label has both."""
    described = [json.loads((IMAGES / "portable" / f"{name}.json").read_text()) for name in ("x86_64", "aarch64")]
    wanted = "; ".join(f"{each['architecture']}: {' '.join(each['cpu_features'])}" for each in described)
    assert f'serving.cpu-features="${{CPU_FEATURES:-{wanted}}}"' in (ROOT / "Dockerfile").read_text()


def test_the_table_is_that_of_the_build_tool() -> None:
    """The script's variants need what build/variants.py and the portable wheel's description say."""
    listed = subprocess.run(
        ["bash", "-c", f'source "{CHECK}"; printf "%s" "$VARIANTS"'], capture_output=True, text=True, check=True
    ).stdout
    table = {name: set(needs) for name, *needs in (line.split() for line in listed.splitlines() if line)}
    known = {name: set(v.cpu_features) or set(PORTABLE) for name, v in VARIANTS.items() if not v.depends_on_this_cpu}
    assert table == known
    assert {name for name, needs in table.items() if needs == set(PORTABLE)} == {
        name for name, v in VARIANTS.items() if not v.compiled
    }


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        pytest.param([], CPU_LACKS, id="server"),
        pytest.param(["--version"], CPU_LACKS, id="flags"),
        pytest.param(["saved_model_cli", "show"], CPU_LACKS, id="saved_model_cli"),
        pytest.param(["sh", "-c", "exit 3"], 3, id="shell"),
    ],
)
def test_the_entrypoint_asks_before_tensorflow_is_loaded(tmp_path: Path, arguments: list[str], status: int) -> None:
    """Nothing that loads TensorFlow is started on a CPU that is refused; a shell is, to look around."""
    refusal = tmp_path / "check"
    refusal.write_text(f"#!/bin/sh\nexit {CPU_LACKS}\n")
    refusal.chmod(0o755)
    done = run(IMAGES / "entrypoint.sh", *arguments, environment={"CHECK_CPU": str(refusal), "MODEL_NAME": "m"})
    assert (done.status, done.output, done.errors) == (status, "", "")
