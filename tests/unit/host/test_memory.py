"""Free memory: the machine's, cut by the container's limit."""

from mmap import PAGESIZE, mmap
from pathlib import Path

import pytest

from serving.host import memory

MEMINFO = "MemTotal:       1000 kB\nMemAvailable:    800 kB\nHugePages:\n"
V1 = {"memory/memory.limit_in_bytes": "3000\n", "memory/memory.usage_in_bytes": "1000\n"}


@pytest.mark.parametrize(
    ("meminfo", "files", "expected"),
    [
        pytest.param(MEMINFO, {}, 800 * 1024, id="machine"),
        pytest.param(None, {}, None, id="nobody knows"),
        pytest.param("MemTotal: 1 kB\n", {}, None, id="old kernel"),
        pytest.param(MEMINFO, {"memory.max": "max\n", "memory.current": "10\n"}, 800 * 1024, id="no limit"),
        pytest.param(MEMINFO, {"memory.max": "500000\n", "memory.current": "200000\n"}, 300000, id="version 2"),
        pytest.param(
            MEMINFO,
            {"memory.max": "5000\n", "memory.current": "2000\n", "memory.stat": "anon 7\ninactive_file 500\n"},
            3500,
            id="file pages can be dropped",
        ),
        pytest.param(MEMINFO, {"memory.max": "5000\n", "memory.current": "6000\n"}, 0, id="over the limit"),
        pytest.param(MEMINFO, V1, 2000, id="version 1"),
        pytest.param(MEMINFO, {**V1, "memory/memory.stat": "total_inactive_file 300\n"}, 2300, id="version 1, pages"),
        pytest.param(None, V1, 2000, id="container alone"),
    ],
)
def test_available_bytes(tmp_path: Path, meminfo: str | None, files: dict[str, str], expected: int | None) -> None:
    """The smaller of the two counts, and what the system does not say does not."""
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    if meminfo is not None:
        (tmp_path / "meminfo").write_text(meminfo)
    assert memory.available_bytes(tmp_path, tmp_path / "meminfo") == expected


def test_this_machine_says() -> None:
    """On Linux there is always an answer."""
    available = memory.available_bytes()
    assert available is not None
    assert available > 0


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param({}, None, id="no control group"),
        pytest.param({"memory.max": "max\n"}, None, id="no limit"),
        pytest.param({"memory.max": "500000\n"}, 500000, id="version 2"),
        pytest.param({"memory/memory.limit_in_bytes": "3000\n"}, 3000, id="version 1"),
        pytest.param({"memory/memory.limit_in_bytes": "9223372036854771712\n"}, None, id="version 1, no limit"),
    ],
)
def test_limit_bytes(tmp_path: Path, files: dict[str, str], expected: int | None) -> None:
    """What the container may hold, whatever is free of it."""
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert memory.limit_bytes(tmp_path) == expected


def test_held_bytes(tmp_path: Path) -> None:
    """Private and shared memory; mapped files can be dropped. Nothing is known where the system does not say."""
    status = tmp_path / "status"
    status.write_text("Name:\tx\nVmRSS:\t900 kB\nRssAnon:\t  100 kB\nRssFile:\t  700 kB\nRssShmem:\t   20 kB\n")
    assert memory.held_bytes(status) == 120 * 1024
    assert memory.held_bytes(tmp_path / "none") == 0


def test_this_process_holds_what_it_has_written() -> None:
    """A large array is there, and not when it is gone."""
    before = memory.held_bytes()
    array = mmap(-1, 64 * 2**20)  # the allocator may have as much at hand that is held already
    for at in range(0, len(array), PAGESIZE):  # without as much again in Python's own memory
        array[at] = 1
    assert memory.held_bytes() >= before + 63 * 2**20
    array.close()
    assert memory.held_bytes() < before + 32 * 2**20


def test_resident_bytes(tmp_path: Path) -> None:
    """In bytes, and none where the system does not say."""
    (tmp_path / "status").write_text("Name:\tpython\nVmRSS:\t  1234 kB\n")
    assert memory.resident_bytes(tmp_path / "status") == 1234 * 1024
    assert memory.resident_bytes(tmp_path / "none") == 0
    assert memory.resident_bytes() > 2**20
