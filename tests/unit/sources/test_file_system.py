"""The file-system source from poll to poll."""

import logging
from pathlib import Path

import pytest

from serving.core.lifecycle import ReservationError
from serving.core.version_policy import All, Specific
from serving.errors import Code
from serving.sources.file_system import FileSystemSource, ModelPath, NotADirectory, reservable
from tests.support import servable_id


def texts(source: FileSystemSource) -> list[str]:
    return [notice.text for notice in source.poll().notices]


def test_each_model_has_its_versions(tmp_path: Path) -> None:
    """Models are scanned each by its own base path and policy."""
    for name in ("a/1", "a/2", "b/7"):
        (tmp_path / name).mkdir(parents=True)
    source = FileSystemSource(
        {"a": ModelPath(base_path=tmp_path / "a", policy=All()), "b": ModelPath(base_path=tmp_path / "b")}
    )
    assert source.poll().aspired == {
        "a": {2: tmp_path / "a" / "2", 1: tmp_path / "a" / "1"},
        "b": {7: tmp_path / "b" / "7"},
    }


def test_new_and_removed_directories_are_seen(tmp_path: Path) -> None:
    """Each poll looks again."""
    (tmp_path / "1").mkdir()
    source = FileSystemSource({"m": ModelPath(base_path=tmp_path)})
    assert source.poll().aspired == {"m": {1: tmp_path / "1"}}
    (tmp_path / "2").mkdir()
    assert source.poll().aspired == {"m": {2: tmp_path / "2"}}
    (tmp_path / "2").rmdir()
    assert source.poll().aspired == {"m": {1: tmp_path / "1"}}


def test_missing_base_path_leaves_its_model_and_others_alone(tmp_path: Path) -> None:
    """Nothing is aspired for a model whose base path is away, and the other models go on."""
    (tmp_path / "b" / "1").mkdir(parents=True)
    source = FileSystemSource({"a": ModelPath(base_path=tmp_path / "a"), "b": ModelPath(base_path=tmp_path / "b")})
    found = source.poll()
    assert found.aspired == {"b": {1: tmp_path / "b" / "1"}}
    assert [(notice.level, notice.text) for notice in found.notices] == [
        (
            logging.ERROR,
            f"Could not find base path {tmp_path / 'a'} for servable a: it does not exist; "
            f"the nearest existing path above is {tmp_path}, which has b",
        )
    ]


def test_base_path_without_versions_is_aspired_empty(tmp_path: Path) -> None:
    """A model whose directory is there and empty is to be unloaded, and the log says what was looked for."""
    source = FileSystemSource({"m": ModelPath(base_path=tmp_path)})
    found = source.poll()
    assert found.aspired == {"m": {}}
    assert [(notice.level, notice.text) for notice in found.notices] == [
        (
            logging.WARNING,
            f"No versions of servable m found under base path {tmp_path}: the directory is empty; "
            "expected a numeric version directory such as 1/",
        )
    ]


def test_notice_is_given_once(tmp_path: Path) -> None:
    """What was said is not said again at the next poll."""
    source = FileSystemSource({"m": ModelPath(base_path=tmp_path)})
    assert (len(texts(source)), texts(source)) == (1, [])


def test_notice_that_changes_is_given_again(tmp_path: Path) -> None:
    """A new cause is news."""
    source = FileSystemSource({"m": ModelPath(base_path=tmp_path)})
    source.poll()
    (tmp_path / "v1").mkdir()
    assert texts(source) == [
        f"No versions of servable m found under base path {tmp_path}: found v1; "
        "expected a numeric version directory such as 1/"
    ]


def test_notice_that_comes_back_is_given_again(tmp_path: Path) -> None:
    """After it was well in between, the same cause is news."""
    source = FileSystemSource({"m": ModelPath(base_path=tmp_path)})
    first = texts(source)
    (tmp_path / "1").mkdir()
    assert texts(source) == []
    (tmp_path / "1").rmdir()
    assert texts(source) == first


def test_duplicates_and_absent_versions_are_told(tmp_path: Path) -> None:
    """Warnings about a model that serves nevertheless are worded as TFS does."""
    for name in ("1", "001"):
        (tmp_path / name).mkdir()
    source = FileSystemSource({"m": ModelPath(base_path=tmp_path, policy=Specific(versions=frozenset({1, 2})))})
    assert texts(source) == [
        "Duplicate version directories detected. Version 1 will be loaded from 1, 001 will be ignored.",
        "Version 2 of servable m, which was requested to be served as a 'specific' version in the servable's version "
        "policy, was not found in the file system",
    ]


def test_removed_model_is_aspired_empty(tmp_path: Path) -> None:
    """A model that is configured no more is to be unloaded, one that is added is scanned."""
    (tmp_path / "1").mkdir()
    source = FileSystemSource({"a": ModelPath(base_path=tmp_path)})
    source.replace({"b": ModelPath(base_path=tmp_path)})
    assert source.poll().aspired == {"a": {}, "b": {1: tmp_path / "1"}}


def test_model_that_returns_is_scanned_again(tmp_path: Path) -> None:
    """Taken out and put back, a model is like any other."""
    (tmp_path / "1").mkdir()
    models = {"a": ModelPath(base_path=tmp_path)}
    source = FileSystemSource(models)
    source.replace({})
    source.replace(models)
    assert source.poll().aspired == {"a": {1: tmp_path / "1"}}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("directory", True, id="directory"),
        pytest.param("file", False, id="file"),
        pytest.param("missing", True, id="missing-is-the-loaders-business"),
        pytest.param("x" * 300, True, id="cannot-be-told"),
    ],
)
def test_reservable(tmp_path: Path, name: str, expected: bool) -> None:
    """Only what is known to be a file is refused."""
    (tmp_path / "directory").mkdir()
    (tmp_path / "file").write_text("")
    assert reservable(tmp_path / name) is expected


def test_file_in_place_of_a_directory() -> None:
    """Loading a version that is a file fails for good, with TFS's text."""
    with pytest.raises(ReservationError) as caught:
        NotADirectory(id=servable_id(5), path=Path("/models/m/5"))()
    assert (caught.value.code, caught.value.message) == (
        Code.FAILED_PRECONDITION,
        "Error while attempting to reserve resources to load servable {name: m version: 5}: /models/m/5; "
        "Not a directory",
    )
