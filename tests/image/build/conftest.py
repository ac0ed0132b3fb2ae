"""What the driver's tests share: the engine, as the builder knows it, and a small source tree."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from build.engine import Engine
from build.errors import EngineUnavailableError
from tests.unit.build.conftest import make_tree


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
