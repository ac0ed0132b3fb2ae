"""What the image tests share: the image, the models that they serve, containers, and the numbers printed at the end."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.image.containers import ROOT, RunContainer, TrackedContainer, docker

HERE = Path(__file__).parent
DEFAULT_IMAGE = "tensorflow-serving-appliance:cpu"
# Building the image and exporting the models count towards the first test that needs them.
DOCKER_TEST_SECONDS = 1200

measurements = pytest.StashKey[dict[str, str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[measurements] = {}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.timeout(DOCKER_TEST_SECONDS))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    numbers = config.stash[measurements]
    if numbers:
        terminalreporter.section("image")
        for name, value in numbers.items():
            terminalreporter.line(f"{name}: {value}")


@pytest.fixture(scope="session")
def measured(pytestconfig: pytest.Config) -> dict[str, str]:
    """Numbers by name, printed below the results."""
    return pytestconfig.stash[measurements]


@pytest.fixture(scope="session")
def engine() -> None:
    """A Docker engine that answers; without one the tests are skipped, in CI they fail."""
    if shutil.which("docker"):
        done = subprocess.run(["docker", "version"], capture_output=True, text=True, timeout=60, check=False)
        if done.returncode == 0:
            return
        why = done.stderr.strip()
    else:
        why = "there is no docker command"
    if os.environ.get("CI"):
        pytest.fail(f"no Docker engine: {why}", pytrace=False)
    pytest.skip(f"no Docker engine: {why}")


@pytest.fixture(scope="session")
def image(engine: None, measured: dict[str, str]) -> str:
    """The image under test: IMAGE from the environment, or one that is built here (BASE_IMAGE names another base)."""
    name = os.environ.get("IMAGE", "")
    if not name:
        name = DEFAULT_IMAGE
        base = os.environ.get("BASE_IMAGE", "")
        options = ["--build-arg", f"BASE_IMAGE={base}"] if base else []
        docker("build", "--tag", name, *options, str(ROOT), timeout_seconds=DOCKER_TEST_SECONDS)
    size = int(docker("image", "inspect", "--format", "{{.Size}}", name))
    measured["image size"] = f"{size / 1e6:.0f} MB"
    return name


def _run_script(name: str, *arguments: Path) -> None:
    # mkdtemp's directories are private; a mounted model must be readable by the container's user.
    command = ["sh", "-c", 'umask 022; exec "$@"', "sh", sys.executable, str(HERE / name), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DOCKER_TEST_SECONDS, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the models half_plus_two, slow and half_plus_three, and an empty one."""
    directory = tmp_path_factory.mktemp("models")
    directory.chmod(0o755)
    _run_script("export_half_plus_two.py", directory)
    (directory / "empty").mkdir(mode=0o755)
    return directory


@pytest.fixture(scope="session")
def resnet(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """ResNet-50: the directory that holds it as ``resnet``, and the directory of the samples and expected answers."""
    models = tmp_path_factory.mktemp("resnet")
    models.chmod(0o755)
    samples = tmp_path_factory.mktemp("samples")
    _run_script("export_resnet.py", models / "resnet", samples)
    return models, samples


@pytest.fixture
def run_container(image: str) -> Iterator[RunContainer]:
    """Starts containers of the image; they are removed after the test."""
    with ExitStack() as containers:

        def run(**how: Any) -> TrackedContainer:
            return containers.enter_context(TrackedContainer(image, **how))

        yield run


@pytest.fixture(scope="module")
def half_plus_two(image: str, models: Path) -> Iterator[TrackedContainer]:
    """A ready server of half_plus_two, one for all tests of a module, which leave it as it is."""
    with TrackedContainer(image, models=models, environment={"MODEL_NAME": "half_plus_two"}) as container:
        container.wait_ready()
        yield container
