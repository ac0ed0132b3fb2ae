"""Directories that would be written to, and packages that would be needed."""

import os
from pathlib import Path

import pytest

from serving.doctor import libraries, places
from serving.doctor.finding import Level
from serving.settings import Settings
from tests.unit.doctor.rows import level, only, somebody

PACKAGES = {"tensorflow-cpu": "2.21.0", "numpy": "2.0", "openvino": "1", "pygrpc-native": "1", "ai-edge-litert": "1"}


def test_writable(tmp_path: Path) -> None:
    """What can be made is as good as what is there, and nothing is made."""
    settings = Settings(request_log_directory=str(tmp_path), optimize_cache_dir=str(tmp_path / "a" / "b"))
    assert {each.level for each in places.look(settings)} == {Level.OK}
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("flag", "expected"), [("request_log_directory", Level.FAILS), ("optimize_cache_dir", Level.WARNING)]
)
def test_of_others(flag: str, expected: Level) -> None:
    """Without its log the server does not start, without the cache it does."""
    with somebody():
        row = only(places.look(Settings(**{flag: "/usr/x"})), expected)  # type: ignore[arg-type]
        assert f"user {os.geteuid()} may not make it in /usr" in row.found
        assert row.advice == f"Make it beforehand, for user {os.geteuid()}, or mount a volume there."


def test_file_in_its_place(tmp_path: Path) -> None:
    """It is named."""
    (tmp_path / "f").write_text("")
    row = only(places.look(Settings(request_log_directory=str(tmp_path / "f" / "log"))))
    assert row.found == f"{tmp_path}/f is no directory"


def test_versions_of_libraries() -> None:
    """One row for all."""
    row = only(libraries.look(Settings(), PACKAGES.get), Level.OK)
    assert "tensorflow-cpu 2.21.0, numpy 2.0" in row.found


@pytest.mark.parametrize(
    ("missing", "settings", "expected", "words"),
    [
        pytest.param("openvino", Settings(), Level.WARNING, "[openvino]", id="openvino"),
        pytest.param("pygrpc-native", Settings(), Level.WARNING, "grpcio carries it", id="native"),
        pytest.param("ai-edge-litert", Settings(prefer_tflite_model=True), Level.FAILS, "[tflite]", id="tflite"),
        pytest.param("tensorflow-cpu", Settings(), Level.FAILS, "Install the package tensorflow-cpu", id="tensorflow"),
    ],
)
def test_missing_package(missing: str, settings: Settings, expected: Level, words: str) -> None:
    """A row says what it is for and how to get it."""
    there = {name: version for name, version in PACKAGES.items() if name != missing}
    assert words in only(libraries.look(settings, there.get), expected).sentence


@pytest.mark.parametrize("settings", [Settings(optimize="off"), Settings(optimize_engines="tensorflow")])
def test_package_that_nobody_asked_for(settings: Settings) -> None:
    """It is not missed."""
    there = {name: version for name, version in PACKAGES.items() if name != "openvino"}
    assert level(libraries.look(settings, there.get), Level.WARNING) == []
