"""What versions are estimated to need, by their files, and what is measured of them."""

import logging
from collections.abc import Mapping
from pathlib import Path

import pytest

from serving.core.manager import Manager
from serving.core.memory import Need
from serving.loading.weighing import Files, Loans, Meter, Weighing, files_of, need_of
from tests.support import FakeServable, aspire, servable_id, serving

MIB = 2**20


def write(path: Path, files: Mapping[str, int]) -> Path:
    """A directory with files of these sizes."""
    for name, size in files.items():
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(bytes(size))
    return path


FILES = [
    pytest.param({}, Files(0, 0, 0), id="nothing"),
    pytest.param(
        {
            "saved_model.pb": 7,
            "variables/variables.index": 100,
            "variables/variables.data-00000-of-00002": 20,
            "variables/variables.data-00001-of-00002": 3,
            "assets/words": 5,
            "assets.extra/tf_serving_warmup_requests": 1000,
        },
        Files(23, 7, 5),
        id="SavedModel",
    ),
    pytest.param({"saved_model.pbtxt": 7}, Files(0, 7, 0), id="as text"),
    pytest.param({"model.tflite": 9}, Files(9, 0, 0), id="TensorFlow Lite"),
    pytest.param({"export.meta": 4, "export-00000-of-00001": 6}, Files(6, 4, 0), id="SessionBundle"),
]


@pytest.mark.parametrize(("files", "expected"), FILES)
def test_files(tmp_path: Path, files: Mapping[str, int], expected: Files) -> None:
    """What a load reads counts: weights, graphs, vocabularies; not the index, nor recorded requests."""
    assert files_of(write(tmp_path, files)) == expected


def test_missing_directory_weighs_nothing(tmp_path: Path) -> None:
    """Loading it says what is wrong."""
    assert files_of(tmp_path / "gone") == Files(0, 0, 0)


def test_weights_decide_what_a_large_version_needs() -> None:
    """A twentieth more while it loads: neither twice, nor nothing, of a gigabyte."""
    need = need_of(Files(1024 * MIB, MIB, 0))
    assert 1024 * MIB <= need.resident <= 1035 * MIB
    assert need.resident < need.peak <= 1.07 * need.resident


def test_constants_of_a_graph_are_weights_too() -> None:
    """A frozen model has them in its graph, which is parsed and kept beside them."""
    assert need_of(Files(0, 100 * MIB, 0)).resident >= 300 * MIB


def test_versions_are_weighed_once(tmp_path: Path) -> None:
    """Those that may have to be loaded, by the files that a poll has found; TensorFlow itself is there before them."""
    manager = Manager(budget_bytes=10**9)
    loaded: list[None] = []
    weighing = Weighing(manager, lambda: loaded.append(None))
    weighing.look()
    assert loaded == []
    aspire(manager, 1, 2)
    weighing.follow("m", {1: write(tmp_path / "1", {"saved_model.pb": 10})})
    weighing.look()
    weighing.look()
    assert (manager.unweighed(), len(loaded)) == ((), 1)
    assert {each.id.version for each in manager.step(0.0, held_bytes=0)} == {1, 2}


class Told:
    """Whoever is told what versions hold."""

    def __init__(self) -> None:
        self.held: list[tuple[str, int, int]] = []
        self.gone: list[str] = []

    def model_holds(self, model: str, version: int, count: int) -> None:
        self.held.append((model, version, count))

    def evicted(self, model: str) -> None:
        self.gone.append(model)


class Process:
    """What a process holds, as a test says."""

    def __init__(self) -> None:
        self.held = 100

    def __call__(self) -> int:
        return self.held


def test_growth_of_a_load_alone() -> None:
    """From its begin to when it is asked."""
    process = Process()
    meter = Meter(held_bytes=process)
    began = meter.begin()
    process.held = 130
    assert meter.grown(began) == 30
    meter.end(began)
    again = meter.begin()
    process.held = 120
    assert meter.grown(again) == 0


def test_growth_is_not_known_if_others_load_meanwhile() -> None:
    """Neither of the one that began first, nor of the other, nor when one has ended between the two looks."""
    meter = Meter(held_bytes=Process())
    first = meter.begin()
    second = meter.begin()
    assert (meter.grown(first), meter.grown(second)) == (None, None)
    meter.end(second)
    assert meter.grown(first) is None


def test_loans_tell_why_not() -> None:
    """The reason for the log has the figures; what a version grows by is its own, and told."""
    manager, told = serving(1), Told()
    unlimited = Loans(manager, Meter(told))
    assert unlimited.lend(servable_id(1), 10**12) is None
    unlimited.take_back(servable_id(1), 5)
    assert told.held == [("m", 1, 5)]
    limited = Loans(Manager(budget_bytes=100 * MIB), Meter(told))
    assert limited.lend(servable_id(1), 101 * MIB) == (
        "optimising it takes about 101 MiB of memory, and of the 100 MiB that may be used 100 MiB are free "
        "(--memory_budget_mb)"
    )


def test_version_that_waits_long_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """Not one whose room is free in a moment."""
    manager = Manager(budget_bytes=100)
    weighing = Weighing(manager)
    aspire(manager, 1, name="a")
    manager.note_need(servable_id(1, "a"), Need(resident=10, peak=60))
    manager.step(0.0, held_bytes=0)
    aspire(manager, 1, name="b")
    manager.note_need(servable_id(1, "b"), Need(resident=10, peak=60))
    with caplog.at_level(logging.INFO, "serving"):
        for now in (0.0, 4.0):
            manager.step(now, held_bytes=0)
            weighing.tell(now)
        assert caplog.messages == []
        for now in (5.0, 6.0, 60.0):
            manager.step(now, held_bytes=0)
            weighing.tell(now)
    (line,) = caplog.messages
    assert line.startswith("Servable version {name: b version: 1} waits for memory: Insufficient resources")
    manager.loaded(servable_id(1, "a"), FakeServable())
    manager.step(70.0, held_bytes=10)
    weighing.tell(70.0)
