"""What the system says of the process and its container, as numbers of the metrics page."""

import os
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from serving.host import process_readings
from serving.telemetry.readings import Reading

STAT = "42 (odd) name) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 7 0 3000 1000000 25 0\n"


def numbers(readings: Iterable[Reading]) -> dict[str, float | None]:
    """Each reading's one number."""
    return {each.name: each.points[0][1] if each.points else None for each in readings}


def test_process(tmp_path: Path) -> None:
    """The fields of the kernel's line, behind a name that may have anything in it."""
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "stat").write_text(STAT)
    (tmp_path / "stat").write_text("cpu 1 2\nbtime 1700000000\n")
    ticks, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    assert numbers(process_readings.process(tmp_path)) == {
        "process_cpu_seconds_total": 300 / ticks,
        "process_threads": 7,
        "process_virtual_memory_bytes": 1000000,
        "process_resident_memory_bytes": 25 * page,
        "process_start_time_seconds": 1700000000 + 3000 / ticks,
    }


def test_this_process() -> None:
    """It has begun, takes memory, and has the threads that Python knows of at least."""
    found = numbers(process_readings.process())
    assert 0 < (found["process_start_time_seconds"] or 0) < time.time() + 1
    assert (found["process_resident_memory_bytes"] or 0) > 10e6
    assert (found["process_threads"] or 0) >= threading.active_count()


def test_descriptors_are_counted() -> None:
    """One file more is one more."""
    before = numbers(process_readings.descriptors())["process_open_fds"]
    with Path(os.devnull).open():
        after = numbers(process_readings.descriptors())["process_open_fds"]
    assert (after or 0) - (before or 0) == 1
    assert (before or 0) <= (numbers(process_readings.descriptors())["process_max_fds"] or 0)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param(
            {"memory.max": "900", "memory.current": "500", "memory.stat": "inactive_file 100\n"},
            [900, 500, 400],
            id="version 2",
        ),
        pytest.param({"memory.max": "max", "memory.current": "500"}, [None, 500, 500], id="no limit"),
        pytest.param(
            {"memory/memory.limit_in_bytes": "9223372036854771712", "memory/memory.usage_in_bytes": "5"},
            [None, 5, 5],
            id="no limit in version 1",
        ),
        pytest.param({}, [None, None, None], id="no control group"),
    ],
)
def test_container(tmp_path: Path, files: dict[str, str], expected: list[int | None]) -> None:
    """Limit, use and use without droppable pages, as far as the control group has them."""
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert list(numbers(process_readings.container(tmp_path)).values()) == expected
