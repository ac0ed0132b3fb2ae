"""How many workers --workers=auto is."""

from pathlib import Path

import pytest

from serving.processes.counting import decide, number_of_workers
from serving.settings import Settings

GIB = 2**30


@pytest.mark.parametrize(
    ("cpus", "limit", "model_bytes", "workers"),
    [
        pytest.param(8, None, 5 * GIB, 8, id="no limit of memory"),
        pytest.param(8, 64 * GIB, GIB, 8, id="enough for all CPUs"),
        pytest.param(8, 8 * GIB, GIB, 2, id="as many as fit"),
        pytest.param(8, GIB, 5 * GIB, 1, id="one in any case"),
        pytest.param(1, 64 * GIB, 0, 1, id="one CPU"),
    ],
)
def test_auto_is_what_fits(cpus: int, limit: int | None, model_bytes: int, workers: int) -> None:
    """One for each CPU, if the memory has room for the models of each."""
    assert decide(cpus, limit, model_bytes).workers == workers


def test_what_keeps_it_from_more_is_said() -> None:
    """With the figures that it was decided by."""
    assert "4096 MiB" in decide(8, 4 * GIB, GIB).reason
    assert decide(8, None, GIB).reason == "8 CPUs"


def test_models_are_weighed_by_their_highest_version(tmp_path: Path) -> None:
    """Under --workers=auto; a number is taken as it is."""
    for version, size in (("1", 900 * 2**20), ("2", 0)):
        (tmp_path / version).mkdir()
        with (tmp_path / version / "saved_model.pb").open("wb") as file:
            file.truncate(size)
    auto = Settings(workers="auto", memory_budget_mb=2000)
    assert number_of_workers(auto, 4, [tmp_path]).workers == 4
    (tmp_path / "2" / "variables").write_bytes(b"")
    (tmp_path / "1").rename(tmp_path / "3")
    assert number_of_workers(auto, 4, [tmp_path, tmp_path / "missing"]).workers == 1
    assert number_of_workers(Settings(workers="3"), 1, []).workers == 3
