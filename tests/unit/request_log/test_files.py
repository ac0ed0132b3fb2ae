"""Files of records: their names, when a new one begins, and what a failing write leaves behind."""

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.request_log.files import RotatingFile
from tests.support import ManualClock
from tests.unit.request_log.disk import MOMENT, Disk, read_all

FRAMING_BYTES = 16
NAME = "m-20231114-221320"


def rotating(disk: Disk, *, prefix: str = "m", max_bytes: int = 1000) -> RotatingFile:
    return RotatingFile(Path("/logs"), prefix, max_bytes, create=disk.create, clock=ManualClock(MOMENT))


def test_nothing_is_made_before_the_first_record() -> None:
    """A model without requests has no file."""
    disk = Disk()
    rotating(disk).close()
    assert disk.files == {}


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        pytest.param("m", f"{NAME}-0000.tfrecord", id="plain"),
        pytest.param("../a/b", "..%2Fa%2Fb-20231114-221320-0000.tfrecord", id="path"),
        pytest.param("é:", "%C3%A9%3A-20231114-221320-0000.tfrecord", id="other characters"),
    ],
)
def test_name(prefix: str, expected: str) -> None:
    """A file is called by prefix, time and number, and stays in its directory."""
    disk = Disk()
    rotating(disk, prefix=prefix).append(b"a")
    assert disk.records == {expected: [b"a"]}


def test_name_of_a_worker() -> None:
    """Two processes that write at the same moment have files of their own."""
    disk = Disk()
    for worker in (0, 1):
        file = RotatingFile(Path("/logs"), "m", 1000, worker=worker, create=disk.create, clock=ManualClock(MOMENT))
        file.append(b"a")
    assert disk.records == {f"{NAME}-w0-0000.tfrecord": [b"a"], f"{NAME}-w1-0000.tfrecord": [b"a"]}


@pytest.mark.parametrize(
    ("max_bytes", "expected"),
    [
        pytest.param(3 * FRAMING_BYTES + 3, [[b"a", b"b", b"c"]], id="all fit"),
        pytest.param(3 * FRAMING_BYTES + 2, [[b"a", b"b"], [b"c"]], id="a byte too few"),
        pytest.param(1, [[b"a"], [b"b"], [b"c"]], id="records larger than files"),
    ],
)
def test_rotation(max_bytes: int, expected: list[list[bytes]]) -> None:
    """A new file begins before one would grow over its size."""
    disk = Disk()
    file = rotating(disk, max_bytes=max_bytes)
    for record in (b"a", b"b", b"c"):
        file.append(record)
    assert list(disk.records.values()) == expected
    assert disk.closed == list(disk.files)[:-1]


@given(st.lists(st.binary(max_size=40), max_size=12), st.integers(min_value=1, max_value=200))
def test_rotation_loses_nothing(records: list[bytes], max_bytes: int) -> None:
    """Every record is in one file, in order, and files of several records keep the size."""
    disk = Disk()
    file = rotating(disk, max_bytes=max_bytes)
    for record in records:
        file.append(record)
    written = disk.records
    assert [record for each in written.values() for record in each] == records
    assert all(len(disk.files[name]) <= max_bytes for name, each in written.items() if len(each) > 1)


def test_files_of_others_are_left_alone() -> None:
    """A name that is taken is skipped, not written over."""
    disk = Disk()
    disk.create(Path(f"/logs/{NAME}-0000.tfrecord"))
    rotating(disk).append(b"a")
    assert disk.records == {f"{NAME}-0000.tfrecord": [], f"{NAME}-0001.tfrecord": [b"a"]}


@pytest.mark.parametrize("room", range(FRAMING_BYTES + 1, 2 * FRAMING_BYTES + 2))
def test_full_disk_leaves_whole_records(room: int) -> None:
    """The part of a record that went to a full disk is cut off again, wherever it broke."""
    disk = Disk(room)
    file = rotating(disk)
    file.append(b"a")
    with pytest.raises(OSError, match="No space left on device"):
        file.append(b"b")
    assert disk.records == {f"{NAME}-0000.tfrecord": [b"a"]}


def test_full_device() -> None:
    """A real device that is full fails the same way."""
    file = RotatingFile(Path("/logs"), "m", 1000, create=lambda path: io.FileIO("/dev/full", "wb"))
    with pytest.raises(OSError, match="No space left on device"):
        file.append(b"a")
    file.close()


def test_real_files(tmp_path: Path) -> None:
    """In a directory of the file system, too, each file is new and has whole records."""
    for _ in range(2):
        file = RotatingFile(tmp_path, "m", FRAMING_BYTES, clock=ManualClock(MOMENT))
        file.append(b"a")
        file.append(b"b")
        file.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{NAME}-{number:04}.tfrecord" for number in range(4)]
    assert read_all(tmp_path) == [b"a", b"b", b"a", b"b"]
