"""The CPU check at a container's start, with a made-up build."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.image.containers import RunContainer, docker
from tests.unit.images.test_cpu_check import CPU_LACKS, PORTABLE, build_json


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param([], id="server"),
        pytest.param(["tensorflow_model_server", "--version"], id="by-name"),
        pytest.param(["saved_model_cli", "--help"], id="saved_model_cli"),
    ],
)
def test_a_container_ends_with_a_sentence(image: str, tmp_path: Path, arguments: list[str]) -> None:
    """An image made for a CPU that does not exist says so and ends with status 86."""
    tmp_path.chmod(0o755)
    made_up = build_json(tmp_path / "build.json", [*PORTABLE, "avx4096"])
    mount = f"--volume={made_up}:/opt/serving/build.json:ro"
    done = subprocess.run(
        ["docker", "run", "--rm", mount, image, *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout) == (CPU_LACKS, "")
    assert "lacks what this image needs: avx4096.\n" in done.stderr


def test_the_check_left_out_starts_the_server(image: str, tmp_path: Path) -> None:
    """With SERVING_CPU_CHECK=off the same image runs, for the flag is only made up."""
    tmp_path.chmod(0o755)
    made_up = build_json(tmp_path / "build.json", ["avx4096"])
    options = ["--rm", f"--volume={made_up}:/opt/serving/build.json:ro", "--env=SERVING_CPU_CHECK=off"]
    assert "TensorFlow Library: " in docker("run", *options, image, "--version")


def test_the_images_own_build_is_checked(run_container: RunContainer, models: Path) -> None:
    """The description in the image is of its wheel, and this machine's CPU passes."""
    container = run_container(models=models, environment={"MODEL_NAME": "half_plus_two"})
    container.wait_ready()
    description = json.loads(container.execute("cat", "/opt/serving/build.json"))
    assert description["cpu_features"]
    wanted = any(word.startswith("avx2") for word in _cpu_words()) and "avx2" not in description["cpu_features"]
    assert ("of this image may be faster" in container.logs()) == wanted


def _cpu_words() -> list[str]:
    return Path("/proc/cpuinfo").read_text().partition("flags")[2].partition("\n")[0].split()
