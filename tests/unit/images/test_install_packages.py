"""Which TensorFlow the runtime image installs: the lock's, or the wheel of a build image. Needs no Docker."""

import hashlib
import json
import re
from pathlib import Path

import pytest

from tests.image.containers import ROOT
from tests.unit.images.scripts import IMAGES, Done, run, write_program

INSTALL = IMAGES / "install-packages.sh"
LOCKS = [pytest.param(ROOT / name, id=name) for name in ("requirements.lock", "requirements-gpu.lock")]
WHEEL = "tensorflow_cpu-{version}-cp311-cp311-linux_x86_64.whl"

# Notes its arguments, and the lock that it is given.
PIP = """
printf '%s ' "$@" >>"$0.calls"
echo >>"$0.calls"
while [ $# -gt 0 ]; do
	[ "$1" != -r ] || cp "$2" "$0.lock"
	shift
done
"""


def version() -> str:
    """The lock's TensorFlow."""
    found = re.search(r"^tensorflow-cpu==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert found
    return found[1]


class Install:
    """A directory of wheels, and a pip that notes what it is told."""

    def __init__(self, directory: Path, *wheels: str) -> None:
        self.wheels = directory / "wheels"
        self.wheels.mkdir()
        for name in wheels:
            (self.wheels / name).write_text("wheel\n")
        self.pip = write_program(directory / "programs", "pip", PIP)

    def run(self, lock: Path = ROOT / "requirements.lock") -> Done:
        """Run the script as the Dockerfile does."""
        return run(INSTALL, str(lock), str(self.wheels), str(self.pip), "--python", "/opt/python")

    @property
    def calls(self) -> list[str]:
        """What pip was told, a call on a line."""
        return (self.pip.parent / "pip.calls").read_text().splitlines()

    @property
    def packages(self) -> set[str]:
        """The packages of the lock that pip was given."""
        return set(re.findall(r"^([\w.-]+)(?:\[[^]]*\])?==", (self.pip.parent / "pip.lock").read_text(), re.MULTILINE))


@pytest.mark.parametrize("lock", LOCKS)
def test_without_a_wheel_the_whole_lock_is_installed(tmp_path: Path, lock: Path) -> None:
    """One call, with hashes, for the lock as it is; build.json alone is no wheel."""
    install = Install(tmp_path, "x86_64.json")
    done = install.run(lock)
    assert done.status == 0, done
    assert len(install.calls) == 1
    assert "--python /opt/python install" in install.calls[0]
    assert "--require-hashes" in install.calls[0]
    assert {"numpy", "tensorflow"} <= install.packages


@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize("name", ["tensorflow_cpu", "tensorflow"])
def test_a_wheel_takes_tensorflows_place(tmp_path: Path, lock: Path, name: str) -> None:
    """Everything but TensorFlow comes from the lock with hashes, then the wheel alone from where it lies."""
    wheel = f"{name}-{version()}-cp311-cp311-linux_x86_64.whl"
    install = Install(tmp_path, wheel)
    done = install.run(lock)
    assert done.status == 0, done
    assert len(install.calls) == 2
    assert "--require-hashes" in install.calls[0]
    assert not {"tensorflow", "tensorflow-cpu"} & install.packages
    assert {"numpy", "protobuf", "keras", "grpcio"} <= install.packages
    assert install.calls[1].endswith(f"--no-deps --no-index {install.wheels / wheel} ")


def test_a_gpu_wheel_keeps_cudas_packages(tmp_path: Path) -> None:
    """A wheel that was compiled with CUDA still takes CUDA's libraries from the lock."""
    install = Install(tmp_path, f"tensorflow-{version()}-cp311-cp311-linux_x86_64.whl")
    install.run(ROOT / "requirements-gpu.lock")
    assert [name for name in install.packages if name.startswith("nvidia-")]


@pytest.mark.parametrize(
    ("wheels", "message"),
    [
        pytest.param([WHEEL.format(version="2.20.0")], "--build-arg TENSORFLOW_VERSION=", id="version"),
        pytest.param([WHEEL.format(version="2.21.0"), WHEEL.format(version="2.20.0")], "has 2 wheels", id="two"),
        pytest.param(["numpy-2.0.0-cp311-cp311-linux_x86_64.whl"], "is not TensorFlow", id="other"),
    ],
)
def test_a_wheel_that_does_not_fit_is_refused(tmp_path: Path, wheels: list[str], message: str) -> None:
    """It ends before anything is installed, and says what was found."""
    install = Install(tmp_path, *wheels)
    done = install.run()
    assert done.status != 0
    assert message in done.errors
    assert not (install.pip.parent / "pip.calls").exists()


@pytest.mark.parametrize("content", [b"wheel\n", b"another\n"], ids=["same", "other"])
def test_the_wheel_is_the_described_one(tmp_path: Path, content: bytes) -> None:
    """A wheel whose hash is not that of build.json is refused."""
    install = Install(tmp_path, WHEEL.format(version=version()))
    described = {"wheel_sha256": hashlib.sha256(content).hexdigest()}
    (install.wheels / "build.json").write_text(json.dumps(described))
    assert (install.run().status == 0) == (content == b"wheel\n")


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_portable_wheel_is_described(machine: str) -> None:
    """What the image says of the package index's wheel: the lock's version, its CPU, and nothing compiled here."""
    described = json.loads((IMAGES / "portable" / f"{machine}.json").read_text())
    assert described["tensorflow"] == version()
    assert described["architecture"] == machine
    assert described["cpu_target"] == "portable"
    assert ("avx" in described["cpu_features"]) == (machine == "x86_64")
    assert "avx2" not in described["cpu_features"]
