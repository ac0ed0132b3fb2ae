"""Looks at version directories: what counts as a change, and which file changed last."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from serving.sources.stamp import stamp

LONG_AGO = (10**18, 10**18)


@pytest.fixture
def version(tmp_path: Path) -> Path:
    """A directory as a SavedModel has it."""
    path = tmp_path / "m" / "1"
    (path / "variables").mkdir(parents=True)
    (path / "saved_model.pb").write_bytes(b"graph")
    (path / "variables" / "variables.index").write_bytes(b"index")
    return path


def test_nothing_changed(version: Path) -> None:
    """Two looks at the same files are equal, reading them in between included."""
    before = stamp(version)
    (version / "saved_model.pb").read_bytes()
    assert stamp(version) == before


def same_size_and_time(path: Path) -> None:
    (path / "saved_model.pb").write_bytes(b"GRAPH")
    os.utime(path / "saved_model.pb", ns=LONG_AGO)


def written_anew(path: Path) -> None:
    shutil.copytree(path, path.parent / "copy")
    shutil.rmtree(path)
    (path.parent / "copy").rename(path)


def file_in_its_place(path: Path) -> None:
    shutil.rmtree(path)
    path.touch()


CHANGES: dict[str, Callable[[Path], object]] = {
    "a file grows": lambda path: (path / "saved_model.pb").write_bytes(b"graph and more"),
    "a file comes": lambda path: (path / "variables" / "checkpoint").write_bytes(b""),
    "a file goes": lambda path: (path / "variables" / "variables.index").unlink(),
    "other bytes": same_size_and_time,
    "rights": lambda path: (path / "saved_model.pb").chmod(0o600),
    "written anew": written_anew,
    "removed": shutil.rmtree,
    "a file in its place": file_in_its_place,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_shows(version: Path, change: Callable[[Path], object]) -> None:
    """Whatever happens to a file in the directory, or to the directory, makes another stamp."""
    os.utime(version / "saved_model.pb", ns=LONG_AGO)
    before = stamp(version)
    change(version)
    assert stamp(version) != before


def test_the_youngest_file(version: Path) -> None:
    """The file that changed last is named by its path in the version, with its time."""
    at = (version / "saved_model.pb").stat().st_ctime_ns + 10**12
    os.utime(version / "variables" / "variables.index", ns=(at, at))
    found = stamp(version)
    assert (found.youngest, found.changed_ns) == ("variables/variables.index", at)


def test_old_times_on_new_files(version: Path) -> None:
    """A copy that keeps the times of the original is as young as it is."""
    for path in (version, version / "variables", version / "saved_model.pb", version / "variables/variables.index"):
        os.utime(path, ns=LONG_AGO)
    assert stamp(version).changed_ns >= (version / "saved_model.pb").stat().st_ctime_ns > LONG_AGO[0]


def test_a_rename_changes_nothing(version: Path) -> None:
    """A version that is put in place whole is as old as what is in it."""
    before = stamp(version)
    renamed = stamp(version.rename(version.parent / "2"))
    assert (renamed.youngest, renamed.changed_ns) == (before.youngest, before.changed_ns)


def test_links_are_followed(version: Path) -> None:
    """What counts of a version that is a link is where it leads, and of a linked file the file; circles end."""
    linked = version.parent / "2"
    linked.symlink_to(version)
    (version / "back").symlink_to(version.parent)
    (version.parent / "outside").write_bytes(b"1")
    (version / "asset").symlink_to(version.parent / "outside")
    before = stamp(linked)
    (version.parent / "outside").write_bytes(b"22")
    assert stamp(linked) != before
    other = version.parent / "3"
    other.mkdir()
    before = stamp(linked)
    linked.unlink()
    linked.symlink_to(other)
    assert stamp(linked) != before


def test_what_is_not_there(tmp_path: Path) -> None:
    """A link that leads nowhere, or a directory that has gone, is old, and no error."""
    (tmp_path / "1").symlink_to(tmp_path / "nowhere")
    assert stamp(tmp_path / "1") == stamp(tmp_path / "1")
    assert stamp(tmp_path / "2").changed_ns == 0
