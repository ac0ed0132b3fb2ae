"""How many CPUs the process may use, from what the kernel says of its control group."""

import os
from pathlib import Path

import pytest

from serving.host.cpus import features, granted_cpus, usable_cpus

PLENTY = 64


@pytest.fixture(autouse=True)
def _many_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with 64 schedulable CPUs."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(PLENTY)))


def v1(directory: Path, quota: str, period: str = "100000\n") -> Path:
    """The files of a version 1 control group."""
    (directory / "cpu").mkdir()
    (directory / "cpu" / "cpu.cfs_quota_us").write_text(quota)
    (directory / "cpu" / "cpu.cfs_period_us").write_text(period)
    return directory


def v2(directory: Path, text: str) -> Path:
    """The file of a version 2 control group."""
    (directory / "cpu.max").write_text(text)
    return directory


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("max 100000\n", PLENTY, id="no limit"),
        pytest.param("200000 100000\n", 2, id="two"),
        pytest.param("150000 100000\n", 2, id="rounded up"),
        pytest.param("10000 100000\n", 1, id="a tenth"),
        pytest.param("0 100000\n", 1, id="nothing"),
        pytest.param("9900000 100000\n", PLENTY, id="more than there are"),
        pytest.param("200000 0\n", PLENTY, id="no period"),
        pytest.param("", PLENTY, id="empty"),
        pytest.param("200000\n", PLENTY, id="half a line"),
        pytest.param("a b\n", PLENTY, id="words"),
    ],
)
def test_version_2(tmp_path: Path, text: str, expected: int) -> None:
    """``cpu.max`` has quota and period; what cannot be read is no limit."""
    assert usable_cpus(v2(tmp_path, text)) == expected


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        pytest.param("-1\n", PLENTY, id="no limit"),
        pytest.param("300000\n", 3, id="three"),
        pytest.param("250000\n", 3, id="rounded up"),
        pytest.param("x\n", PLENTY, id="a word"),
    ],
)
def test_version_1(tmp_path: Path, quota: str, expected: int) -> None:
    """Two files in ``cpu``; -1 is no limit."""
    assert usable_cpus(v1(tmp_path, quota)) == expected


def test_version_1_without_a_period(tmp_path: Path) -> None:
    """Half of the files is no limit."""
    (v1(tmp_path, "300000\n") / "cpu" / "cpu.cfs_period_us").unlink()
    assert usable_cpus(tmp_path) == PLENTY


def test_version_2_goes_first(tmp_path: Path) -> None:
    """With both, ``cpu.max`` counts."""
    v1(tmp_path, "300000\n")
    assert usable_cpus(v2(tmp_path, "500000 100000\n")) == 5


def test_no_control_group(tmp_path: Path) -> None:
    """Without any files the schedulable CPUs count."""
    assert usable_cpus(tmp_path / "nothing") == PLENTY


def test_this_machine() -> None:
    """Where it runs there is at least one CPU."""
    assert 1 <= usable_cpus() <= PLENTY


def test_granted_cpus(tmp_path: Path) -> None:
    """Not rounded, for half a CPU is not one; None without a limit."""
    assert granted_cpus(v2(tmp_path, "50000 100000\n")) == 0.5
    assert granted_cpus(tmp_path / "nothing") is None


@pytest.mark.parametrize("line", ["flags\t\t: avx fma\n", "Features\t: avx fma\n"])
def test_cpu_features(line: str) -> None:
    """Of x86 and of ARM, which call them differently."""
    assert features(f"processor\t: 0\n{line}\nprocessor\t: 1\n") == {"avx", "fma"}
    assert features("processor\t: 0\n") == frozenset()
