"""What the tests of optimisation share: the models, and one cache of what was made of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.core.servable import Servable
from serving.optimizing.cache import Cache
from serving.optimizing.choice import Engine
from serving.optimizing.policy import Policy
from tests.conftest import made_by
from tests.server.tensorflow.optimizing import OPENVINO, POLICY, SCRIPT, engines, stage, through


@pytest.fixture(scope="session")
def directory(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The models of ``make_optimizable.py``."""
    return made_by(SCRIPT, pytestconfig, tmp_path_factory)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    """One cache for all of them: the processes take seconds."""
    return Cache(tmp_path_factory.mktemp("optimized"), "this CPU")


@pytest.fixture(
    scope="session",
    params=[
        pytest.param((POLICY, Engine.TENSORFLOW), id="TensorFlow"),
        pytest.param((OPENVINO, Engine.OPENVINO), id="OpenVINO"),
    ],
)
def tried(request: pytest.FixtureRequest) -> tuple[Policy, Engine]:
    """Each engine that is tried alone, and what then runs the model."""
    policy, engine = request.param
    return policy, engine


@pytest.fixture(scope="session")
def optimized(directory: Path, cache: Cache, tried: tuple[Policy, Engine]) -> Iterator[Servable]:
    """The model ``images`` on another engine."""
    policy, engine = tried
    with through(stage(cache, policy=policy), directory / "images" / "1") as servable:
        assert engines(servable) == {engine}
        yield servable
