"""What one look at a base path finds, on real directories."""

import errno
import os
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.core.version_policy import All, Latest, Specific, VersionPolicy
from serving.sources.scan import scan, version_number


def make(base: Path, *names: str) -> Path:
    """Make these entries; a name that ends in a slash is a directory, any other a file."""
    for name in names:
        if name.endswith("/"):
            (base / name).mkdir(parents=True)
        else:
            (base / name).write_text("")
    return base


def specific(*versions: int) -> VersionPolicy:
    return Specific(versions=frozenset(versions))


NUMBERS = [
    pytest.param("1", 1, id="plain"),
    pytest.param("00000123", 123, id="leading-zeros"),
    pytest.param("0", 0, id="zero"),
    pytest.param("-5", -5, id="minus"),
    pytest.param("+5", 5, id="plus"),
    pytest.param(" 7 ", 7, id="blanks-around"),
    pytest.param(str(2**63 - 1), 2**63 - 1, id="highest"),
    pytest.param(str(2**63), None, id="too-high"),
    pytest.param(str(-(2**63)), -(2**63), id="lowest"),
    pytest.param(str(-(2**63) - 1), None, id="too-low"),
    pytest.param("1.0", None, id="dot"),
    pytest.param("v1", None, id="letter"),
    pytest.param("1_000", None, id="underscore"),
    pytest.param("- 1", None, id="blank-inside"),
    pytest.param("\u0661", None, id="digits-of-other-scripts"),
    pytest.param("", None, id="empty"),
]


@pytest.mark.parametrize(("name", "version"), NUMBERS)
def test_version_number(name: str, version: int | None) -> None:
    """A name counts if the whole of it is a decimal int64."""
    assert version_number(name) == version


@given(version=st.integers(-(2**63), 2**63 - 1), zeros=st.integers(0, 5))
def test_every_int64_is_a_version(version: int, zeros: int) -> None:
    """Any int64 is found again from its decimal form, with leading zeros too."""
    sign = "-" if version < 0 else ""
    assert version_number(f"{sign}{'0' * zeros}{abs(version)}") == version


CHOSEN = [
    pytest.param(Latest(), ["1/", "2/", "10/"], {10: "10"}, id="latest-by-number-not-by-name"),
    pytest.param(Latest(num_versions=2), ["1/", "2/", "10/"], {10: "10", 2: "2"}, id="latest-2"),
    pytest.param(All(), ["1/", "2/"], {1: "1", 2: "2"}, id="all"),
    pytest.param(Latest(), ["00000123/"], {123: "00000123"}, id="actual-name"),
    pytest.param(Latest(), ["1/", "2_tmp/", "README"], {1: "1"}, id="other-entries-are-ignored"),
    pytest.param(Latest(), ["5"], {5: "5"}, id="a-file-counts"),
    pytest.param(specific(1, 3), ["1/", "2/", "3/"], {1: "1", 3: "3"}, id="specific"),
    pytest.param(specific(1, 3), ["001/", "2/", "3/"], {1: "001", 3: "3"}, id="specific-by-number"),
    pytest.param(specific(1), ["1/", "001/"], {1: "1"}, id="specific-by-plain-name-first"),
]


@pytest.mark.parametrize(("policy", "names", "chosen"), CHOSEN)
def test_versions(tmp_path: Path, policy: VersionPolicy, names: list[str], chosen: dict[int, str]) -> None:
    """The policy's versions are given by the paths they really have, without a notice."""
    found = scan(make(tmp_path, *names), policy)
    assert (found.versions, found.notice) == ({version: tmp_path / name for version, name in chosen.items()}, None)


def test_duplicates(tmp_path: Path) -> None:
    """Of two names for one number the last by name is taken, and both are told."""
    found = scan(make(tmp_path, "1/", "001/"), All())
    assert (found.versions, found.duplicates) == ({1: tmp_path / "1"}, ((1, "1", "001"),))


def test_specific_versions_that_are_absent(tmp_path: Path) -> None:
    """What the policy names and the directory lacks is told beside what there is."""
    found = scan(make(tmp_path, "1/"), specific(1, 9, 5))
    assert (found.versions, found.absent, found.notice) == ({1: tmp_path / "1"}, (5, 9), None)


EXPECTED = "expected a numeric version directory such as 1/"
EMPTY = [
    pytest.param(Latest(), [], f"the directory is empty; {EXPECTED}", id="empty"),
    pytest.param(
        Latest(),
        ["saved_model.pb", "variables/"],
        f"found saved_model.pb in the base path itself; {EXPECTED}",
        id="model-itself",
    ),
    pytest.param(
        Latest(), ["saved_model.pbtxt"], f"found saved_model.pbtxt in the base path itself; {EXPECTED}", id="pbtxt"
    ),
    pytest.param(All(), ["v1/", "v2/"], f"found v1, v2; {EXPECTED}", id="not-numbers"),
    pytest.param(
        Latest(), [f"v{i}/" for i in range(8)], f"found v0, v1, v2, v3, v4 and 3 more; {EXPECTED}", id="a-few-of-many"
    ),
    pytest.param(specific(7), ["1/", "2/"], "found 2, 1; the version policy asks for 7", id="others-than-asked-for"),
    pytest.param(specific(), ["1/"], "found 1; the version policy asks for no version", id="asks-for-none"),
    pytest.param(specific(7), ["v7/"], f"found v7; {EXPECTED}", id="specific-not-numbers"),
]


@pytest.mark.parametrize(("policy", "names", "notice"), EMPTY)
def test_nothing_found(tmp_path: Path, policy: VersionPolicy, names: list[str], notice: str) -> None:
    """A directory without versions is an empty set, with one sentence of what is there instead."""
    found = scan(make(tmp_path, *names), policy)
    assert (found.versions, found.notice) == ({}, notice)


def test_base_path_that_does_not_exist(tmp_path: Path) -> None:
    """The nearest path above is named with the directories in it, the most similar first."""
    make(tmp_path, "another/", "resnet/", "notes.txt")
    found = scan(tmp_path / "resnot", Latest())
    above = f"the nearest existing path above is {tmp_path}"
    assert found.versions is None
    assert found.notice == f"it does not exist; {above}, which has resnet, another"


def test_base_path_far_below_what_exists(tmp_path: Path) -> None:
    """Several missing levels are climbed."""
    found = scan(tmp_path / "a" / "b" / "c", Latest())
    above = f"the nearest existing path above is {tmp_path}"
    assert (found.versions, found.notice) == (None, f"it does not exist; {above}, which has no directories")


def test_base_path_is_a_file(tmp_path: Path) -> None:
    """A file is not a missing path, and nothing is known of versions."""
    found = scan(make(tmp_path, "model") / "model", Latest())
    assert found.versions is None
    assert found.notice == "it is a file; expected a directory with numeric version directories such as 1/"


def test_base_path_below_a_file(tmp_path: Path) -> None:
    """A path that leads through a file does not exist."""
    found = scan(make(tmp_path, "model") / "model" / "sub", Latest())
    above = f"the nearest existing path above is {tmp_path / 'model'}"
    assert found.notice == f"it does not exist; {above}, which is not a directory"


def test_base_path_that_cannot_be_read(tmp_path: Path) -> None:
    """What the system refuses is told in its words."""
    found = scan(tmp_path / ("x" * 300), Latest())
    assert (found.versions, found.notice) == (None, "it cannot be read (File name too long)")


def test_base_path_through_a_loop_of_links(tmp_path: Path) -> None:
    """A path that leads nowhere is not searched above."""
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    found = scan(loop / "m", Latest())
    assert found.versions is None
    assert found.notice == "it cannot be read (Too many levels of symbolic links)"


def test_path_above_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The search above ends where it must not look; permissions do not bind the root that tests may run as."""

    def refuse(path: Path) -> NoReturn:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    above = f"the nearest existing path above is {tmp_path}"
    assert scan(tmp_path / "m", Latest()).notice == (
        f"it does not exist; {above}, which cannot be read (Permission denied)"
    )


def test_specific_base_path_that_does_not_exist(tmp_path: Path) -> None:
    """The short way for specific versions does not hide a missing base path."""
    assert scan(tmp_path / "m", specific(1)).versions is None


def test_names_that_are_not_text(tmp_path: Path) -> None:
    """Names in no known encoding can still be logged."""
    (tmp_path / "v\udcff").mkdir()
    assert scan(tmp_path, Latest()).notice == f"found v?; {EXPECTED}"
