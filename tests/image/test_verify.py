"""What `python -m build verify` says of the runtime image and of the portable wheel, on a real engine."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from build.errors import VerifyError
from build.steps import LABEL
from tests.image.conftest import DOCKER_TEST_SECONDS
from tests.image.containers import ROOT, docker

LARGEST = 5
BEGIN, END = "<!-- report of the portable wheel: begin -->\n", "<!-- report of the portable wheel: end -->\n"
AT_RUN_TIME = "at run time"
"""The section of the report that is about the CPU of the machine it is made on."""


def verify(*arguments: str) -> tuple[int, str, str]:
    """``python -m build verify ARGUMENTS``: status, standard output, standard error."""
    command = [sys.executable, "-m", "build", "verify", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=DOCKER_TEST_SECONDS, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def report(image: str, measured: dict[str, str]) -> Mapping[str, Any]:
    """The image's, as JSON; what of it the issue asks to be printed is printed."""
    base = os.environ.get("BASE_IMAGE", "")
    _, output, errors = verify("--image", image, "--json", *(["--base", base] if base else []))
    assert output, errors
    found: dict[str, Any] = json.loads(output)
    sizes = found["sizes"]
    measured["above the base image"] = (
        f"{sizes['unpacked'] / 1e6:.1f} MB unpacked, {sizes['packed'] / 1e6:.1f} MB as `docker save | gzip`"
    )
    for part in sizes["parts"][:LARGEST]:
        measured[f"  {part['name']}"] = f"{part['size'] / 1e6:.1f} MB"
    measured["`docker run` to the first answer"] = f"{found['first_answer_seconds']:.2f} s"
    measured["oneDNN generates code for"] = found["dispatch"]["isa"]
    return found | {"errors": errors}


def test_image_keeps_its_promises(report: Mapping[str, Any]) -> None:
    """Sizes, instructions, libraries, the product of two matrices and the bill of materials: none is found wanting."""
    assert [line for line in report["errors"].splitlines() if line.startswith("broken promise")] == []


def test_the_bases_size_is_left_out(image: str, report: Mapping[str, Any]) -> None:
    """The size above the base is the difference of what the engine says of the two images, but for a thousandth."""
    base = report["sizes"]["base"]
    if not base:
        pytest.skip("BASE_IMAGE does not name the image's base")
    sizes = [int(docker("image", "inspect", "--format", "{{.Size}}", name)) for name in (image, base)]
    assert report["sizes"]["unpacked"] == pytest.approx(sizes[0] - sizes[1], rel=1e-3)


def test_the_server_is_in_the_bill(report: Mapping[str, Any]) -> None:
    """The bill of materials has the server, its two engines and Debian's Python, each with a version."""
    components = {component["name"]: component for component in report["sbom"]["components"]}
    for name in ("tensorflow-serving-appliance", "tensorflow_cpu", "openvino", "python3"):
        assert components[name]["version"]


def test_nothing_is_left_behind(report: Mapping[str, Any]) -> None:
    """The containers that were looked into are gone."""
    assert docker("ps", "--all", "--quiet", "--filter", f"label={LABEL}=verify") == ""


@pytest.fixture(scope="module")
def portable_wheel(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of requirements.lock for Python 3.11 on x86-64, from the package index."""
    directory = tmp_path_factory.mktemp("wheel")
    lock = directory / "one.lock"
    found = re.search(r"(?m)^tensorflow-cpu==\S+.*\\\n(?:    --hash=.*\n)+", (ROOT / "requirements.lock").read_text())
    assert found
    lock.write_text(re.sub(r" ; .*?\\", r" \\", found[0]))
    place = ["--platform=manylinux_2_27_x86_64", "--python-version=3.11", "--implementation=cp", "--abi=cp311"]
    options = ["--no-deps", "--only-binary=:all:", "--require-hashes", "--no-cache-dir", "--quiet"]
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        *options,
        *place,
        "--dest",
        str(directory),
        "--requirement",
        str(lock),
    ]
    subprocess.run(command, check=True, timeout=DOCKER_TEST_SECONDS)
    (wheel,) = directory.glob("*.whl")
    return wheel


def sections(text: str) -> list[list[str]]:
    """A report's sections as lines, without the one about the CPU at hand."""
    found = [section.splitlines() for section in text.strip().split("\n\n")]
    return [section for section in found if not section[0].startswith(AT_RUN_TIME)]


@pytest.fixture(scope="module")
def portable_report(portable_wheel: Path) -> str:
    """What is printed for it; it breaks no promise."""
    status, output, errors = verify("--wheel", str(portable_wheel))
    assert status == 0
    assert all(line.startswith("verify, ") for line in errors.splitlines()), errors
    return output


def test_report_of_the_portable_wheel(portable_report: str) -> None:
    """docs/images.md shows the report as it is, but for what differs from CPU to CPU."""
    _, begin, rest = (ROOT / "docs" / "images.md").read_text().partition(BEGIN)
    shown, end, _ = rest.partition(END)
    assert begin, "docs/images.md has no place for the report"
    assert end, "docs/images.md has no end of the report"
    printed = re.search(r"(?s)```text\n(.*?)```", shown)
    assert printed, "docs/images.md has no report"
    assert sections(printed[1]) == sections(portable_report)


def test_the_cpu_at_hand(portable_report: str) -> None:
    """The section that the comparison leaves out is there: oneDNN named what it generates code for."""
    (found,) = [text for text in portable_report.split("\n\n") if text.startswith(AT_RUN_TIME)]
    assert re.search(r"oneDNN v\S+ generates code for: (?!nothing)\S", found), found


def test_a_wheel_that_is_not_what_it_says(portable_wheel: Path, tmp_path: Path) -> None:
    """The portable wheel under a build.json that promises AVX2 and FMA is caught: Eigen has none of them."""
    wheel = tmp_path / portable_wheel.name
    wheel.symlink_to(portable_wheel)
    described = {"tensorflow": "2.21.0", "cpu_target": "haswell", "cpu_features": ["avx", "avx2", "fma"]}
    (tmp_path / "build.json").write_text(json.dumps(described))
    status, _, errors = verify("--wheel", str(wheel))
    assert status == VerifyError.exit_code
    broken = [line for line in errors.splitlines() if line.startswith("broken promise")]
    assert [re.search(r"asks the CPU for (\w+)", line) is not None for line in broken] == [True, True]
