"""A tenth of what ``make soak-models`` does: more models than fit, under traffic of both doors."""

from pathlib import Path

import pytest

from tests.conftest import made_by
from tests.soak.many_models import MAKE_WEIGHTS, run

MODELS, ROOM, REQUESTS = 30, 3, 2


@pytest.fixture(scope="session")
def heavy(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with weights, in one version."""
    return made_by(MAKE_WEIGHTS, pytestconfig, tmp_path_factory) / "heavy"


def test_more_models_than_fit(heavy: Path, tmp_path: Path) -> None:
    """Every request is answered, memory stays within the budget, and the pinned model is never unloaded."""
    report = run(heavy, tmp_path, models=MODELS, room=ROOM, requests=REQUESTS)
    assert report.lost == 0, report
    assert report.outcomes["REST answered"] + report.outcomes["gRPC answered"] == MODELS * REQUESTS
    assert report.outcomes["pinned answered"] > 0
    assert report.peak <= report.budget, report
    assert report.evictions >= MODELS - report.most_loaded, report
    assert "version {name: hot version: 1} makes room" not in report.output
    assert "Traceback" not in report.output
