"""What the tests of optimisation share: the models, and one cache of what was made of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.core.servable import Servable
from serving.optimizing.cache import Cache
from tests.conftest import made_by
from tests.server.tensorflow.optimizing import SCRIPT, stage, through


@pytest.fixture(scope="session")
def directory(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The models of ``make_optimizable.py``."""
    return made_by(SCRIPT, pytestconfig, tmp_path_factory)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    """One cache for all of them: a child takes seconds."""
    return Cache(tmp_path_factory.mktemp("optimized"), "this CPU")


@pytest.fixture(scope="session")
def optimized(directory: Path, cache: Cache) -> Iterator[Servable]:
    """The model ``images`` on its optimised graph."""
    with through(stage(cache), directory / "images" / "1") as (plain, servable):
        assert servable is not plain
        yield servable
