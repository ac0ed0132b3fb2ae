"""What the builder's tests share: a small source tree of the project's form, and the engine for those that need one."""

import os
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from build.engine import Engine
from build.errors import EngineUnavailableError

HERE = Path(__file__).parent
ROOT = HERE.parents[2]

_PINNED = tomllib.loads((ROOT / "build" / "pins.toml").read_text())["base"]
BASE = os.environ.get("BASE_IMAGE") or f"{_PINNED['image']}:{_PINNED['tag']}@{_PINNED['digest']}"
"""The base of the images that are built here: BASE_IMAGE where none can be pulled, or the pinned one."""

# Building an image with a compiler counts towards the first test that needs it.
DOCKER_TEST_SECONDS = 900


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE) and item.get_closest_marker("docker"):
            item.add_marker(pytest.mark.timeout(DOCKER_TEST_SECONDS))


def make_tree(directory: Path) -> Path:
    """A copy of the small tree, with the project's own Dockerfile for carrying a wheel."""
    shutil.copytree(HERE / "fixtures" / "tree", directory)
    shutil.copy(ROOT / "build" / "images" / "wheels.Dockerfile", directory / "build" / "images")
    return directory


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small source tree that can be planned and built."""
    return make_tree(tmp_path / "tree")


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """A Docker engine that answers; without one the tests are skipped, in CI they fail."""
    try:
        connected = Engine.connect(os.environ)
    except EngineUnavailableError as error:
        if os.environ.get("CI"):
            pytest.fail(error.what, pytrace=False)
        pytest.skip(error.what)
    with connected:
        yield connected
