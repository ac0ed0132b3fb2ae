"""The driver on a real engine: a small wheel with a C extension is compiled by a script of the real one's contract.

TensorFlow itself is not compiled here. What is shown is what surrounds a compile: output followed, jobs and memory
bounded, a failure that resumes, the wheel copied out, and containers that are gone afterwards.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from build.cli import main
from build.engine import Engine
from build.errors import EngineLostError
from build.inputs import read_inputs
from build.plan import Names, Options, names
from build.steps import CACHE_LABEL
from build.variants import VARIANTS
from tests.unit.build.conftest import BASE, ROOT, make_tree

# The CPU of whoever runs this decides whether the wheel can be tried out, and must not decide whether tests pass.
VARIANT = VARIANTS["cpu-native"]
NAME = "serving-build-test"
START_SECONDS = 120.0

RUN_MAIN = "import sys; from pathlib import Path; from build.cli import console; console(Path(sys.argv.pop(1)))"
"""The program for another source tree, in a process of its own: signals and exit status are then real."""


class Driver:
    """The command line on a small tree of its own, and what it left on the engine."""

    def __init__(self, engine: Engine, tree: Path) -> None:
        self.engine = engine
        self.tree = tree
        self.names: Names = names(VARIANT, Options(name=NAME, base_image=BASE), read_inputs(VARIANT, tree))

    def arguments(self, goal: str, *more: str) -> list[str]:
        # The checks before the start want room for TensorFlow.
        fixed = ["--variant", VARIANT.name, "--name", NAME, "--base-image", BASE, "--jobs", "2", "--no-checks"]
        return [goal, *fixed, *more]

    def __call__(self, goal: str, *more: str) -> int:
        return main(self.arguments(goal, *more), self.tree)

    def process(self, goal: str, *more: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-c", RUN_MAIN, str(self.tree), *self.arguments(goal, *more)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def containers(self) -> tuple[str, ...]:
        return self.engine.containers(f"{CACHE_LABEL}={self.names.cache_volume}", running=False)

    def logs(self) -> list[str]:
        """What the last compile printed."""
        latest = max((self.tree / "dist" / "logs").glob("wheel-*.log"), key=lambda path: path.stat().st_mtime_ns)
        return latest.read_text().splitlines()

    def wheels(self) -> list[Path]:
        return sorted((self.tree / "dist" / "wheels").glob("*/*.whl"))

    def tidy(self) -> None:
        for container in self.containers():
            self.engine.remove(container)
        self.engine.remove_volume(self.names.cache_volume)


@pytest.fixture(scope="module")
def devel(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The image with the compiler, built once; its names go when the module is done."""
    driver = Driver(engine, make_tree(tmp_path_factory.mktemp("devel") / "tree"))
    assert driver("devel") == 0
    yield
    for image in (driver.names.wheels_image, driver.names.runtime, driver.names.runtime_alias, driver.names.devel):
        with suppress(EngineLostError):  # a test that failed may not have made it
            engine.remove_image(image)


@pytest.fixture
def driver(engine: Engine, devel: None, tree: Path) -> Iterator[Driver]:
    """A driver with an empty cache."""
    made = Driver(engine, tree)
    made.tidy()
    yield made
    made.tidy()


def test_wheel_and_runtime_image(driver: Driver, capsys: pytest.CaptureFixture[str]) -> None:
    """From nothing to a runtime image that holds the compiled wheel: every step but the look into it, for real."""
    assert driver("wheel") == 0
    assert driver("runtime") == 0
    (wheel,) = driver.wheels()
    with zipfile.ZipFile(wheel) as archive:
        library = archive.read("small.abi3.so")
    described = json.loads((wheel.parent / "build.json").read_text())
    assert library.startswith(b"\x7fELF")
    assert (described["tensorflow"], described["cpu_target"], described["jobs"]) == ("2.21.0", "native", 2)
    assert "proof: 6 * 7 = 42" in driver.logs()
    assert "6/6 (100 %)" in capsys.readouterr().out
    command = ["docker", "run", "--rm", driver.names.runtime_alias, "ls", "/wheels"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert listed == ["build.json", wheel.name]
    assert driver.containers() == ()


def test_failed_compile_resumes(driver: Driver, capsys: pytest.CaptureFixture[str]) -> None:
    """A compile that fails in the middle is gone with its container, and the next begins where it stopped."""
    assert driver("wheel", "--bazel-options=--fail_at=3") == 17
    assert "asked to fail" in capsys.readouterr().err
    assert (driver.containers(), driver.wheels()) == ((), [])
    assert driver("wheel") == 0
    cached = [line for line in driver.logs() if line.endswith("comes from the cache")]
    compiled = [line for line in driver.logs() if line.endswith("was compiled")]
    assert [len(cached), len(compiled)] == [3, 3]


def test_out_of_memory_is_explained(driver: Driver, capsys: pytest.CaptureFixture[str]) -> None:
    """A compile that outgrows its container's memory is killed, and the message says by whom and what to do."""
    assert driver("wheel", "--memory", "64m", "--bazel-options=--eat_memory_at=1") == 18
    error = capsys.readouterr().err
    assert "ran out of memory of 0.1 GB with 2 jobs: status 137, and the kernel counted a kill" in error
    assert "next: the same command again with --jobs 1 or a higher --memory" in error
    assert driver.containers() == ()


def wait_for_container(driver: Driver, process: "subprocess.Popen[str]") -> None:
    """Return when the script in the container is known to hang."""
    deadline = time.monotonic() + START_SECONDS
    pause = threading.Event()
    while not any("hanging" in path.read_text() for path in driver.tree.glob("dist/logs/wheel-*.log")):
        assert process.poll() is None, process.stdout and process.stdout.read()
        assert time.monotonic() < deadline, "the compile did not start in time"
        pause.wait(0.05)


@pytest.mark.parametrize(
    "number", [pytest.param(signal.SIGINT, id="ctrl-c"), pytest.param(signal.SIGTERM, id="sigterm")]
)
def test_signal_removes_the_container(driver: Driver, number: signal.Signals) -> None:
    """An interrupted compile leaves its cache and no container, and ends with the shell's status for it."""
    with driver.process("wheel", "--bazel-options=--hang_at=2") as process:
        wait_for_container(driver, process)
        assert len(driver.containers()) == 1
        process.send_signal(number)
        printed, _ = process.communicate(timeout=60)
    assert process.returncode == 130, printed
    assert driver.containers() == ()
    assert driver("wheel") == 0
    assert "INFO: part_1 comes from the cache" in driver.logs()


def test_keep_leaves_the_container(driver: Driver, capsys: pytest.CaptureFixture[str]) -> None:
    """With --keep a failed compile's container stays, stopped, under the id that is printed."""
    assert driver("wheel", "--keep", "--bazel-options=--fail_at=0") == 17
    (container,) = driver.containers()
    assert f"docker rm --force --volumes {container}" in capsys.readouterr().out
    assert driver.engine.wait(container).status == 1


def test_kept_container_is_no_obstacle(driver: Driver) -> None:
    """A container that was kept does not use the cache any more, so that the next compile goes on."""
    assert driver("wheel", "--keep", "--bazel-options=--fail_at=0") == 17
    assert driver("wheel") == 0


def test_cache_in_use(driver: Driver, capsys: pytest.CaptureFixture[str]) -> None:
    """While one compile runs, a second with the same cache is refused and the first goes on."""
    with driver.process("wheel", "--bazel-options=--hang_at=0") as process:
        wait_for_container(driver, process)
        assert driver("wheel") == 21
        assert driver.containers()[0] in capsys.readouterr().err
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


def test_failed_step_of_a_dockerfile(driver: Driver, capsys: pytest.CaptureFixture[str]) -> None:
    """A Dockerfile that fails ends with its own status and the engine's words."""
    dockerfile = driver.tree / "Dockerfile"
    dockerfile.write_text("ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nRUN set -eux; echo before; false\n")
    arguments = ["runtime", "--variant", "cpu", "--name", NAME, "--base-image", BASE, "--no-checks"]
    assert main(arguments, driver.tree) == 16
    error = capsys.readouterr().err
    assert "returned a non-zero code: 1" in error
    assert "  | before" in error


def test_engine_that_refuses(engine: Engine) -> None:
    """What the engine refuses is told as such, with what it was asked."""
    with pytest.raises(EngineLostError, match="asked to start no-such-container and refused"):
        engine.start("no-such-container")


def test_removal_of_what_is_gone(engine: Engine) -> None:
    """Removing a container twice is no error: someone else may have been quicker."""
    engine.remove("no-such-container")


def test_engine_info(engine: Engine) -> None:
    """The engine's own word has what the checks before the start look at."""
    info = engine.info()
    assert info.cpus >= 1
    assert info.memory_bytes > 10**8
    assert info.architecture == os.uname().machine
