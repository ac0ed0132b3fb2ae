"""What is found out about the machine, from an engine's word and a made-up root directory."""

from pathlib import Path

import pytest

from build.machine import EngineInfo, cpu_features, memory_limit, survey

INFO = EngineInfo(
    version="28.0.1",
    architecture="x86_64",
    cpus=8,
    memory_bytes=32_000_000_000,
    root_directory="/var/lib/docker",
    local=True,
)


def write(root: Path, path: str, text: str) -> None:
    """A file below a made-up root."""
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        pytest.param("sys/fs/cgroup/memory.max", "8000000000\n", 8_000_000_000, id="version-2"),
        pytest.param("sys/fs/cgroup/memory.max", "max\n", None, id="version-2-none"),
        pytest.param("sys/fs/cgroup/memory/memory.limit_in_bytes", "4000000000\n", 4_000_000_000, id="version-1"),
        pytest.param("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n", None, id="version-1-none"),
        pytest.param("unrelated", "1", None, id="no-cgroups"),
    ],
)
def test_memory_limit(tmp_path: Path, path: str, text: str, expected: int | None) -> None:
    """A container's limit is read from either version of cgroups."""
    write(tmp_path, path, text)
    assert memory_limit(tmp_path) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("processor : 0\nflags\t\t: fpu avx2 fma\nbugs :\n", frozenset({"fpu", "avx2", "fma"}), id="x86"),
        pytest.param("processor : 0\nFeatures\t: fp asimd\n", frozenset({"fp", "asimd"}), id="arm"),
        pytest.param("processor : 0\n", frozenset(), id="none"),
    ],
)
def test_cpu_features(tmp_path: Path, text: str, expected: frozenset[str]) -> None:
    """The kernel's list, whatever it calls it."""
    write(tmp_path, "proc/cpuinfo", text)
    assert cpu_features(tmp_path) == expected


def test_no_cpuinfo(tmp_path: Path) -> None:
    """Where there is no such file nothing is known, which is not the same as a CPU that can nothing."""
    assert cpu_features(tmp_path) is None


def test_local_engine(tmp_path: Path) -> None:
    """An engine of this machine: its disk and CPU are looked at, and the container's limit counts if it is smaller."""
    (tmp_path / "var/lib/docker").mkdir(parents=True)
    write(tmp_path, "proc/cpuinfo", "flags : avx2\n")
    write(tmp_path, "sys/fs/cgroup/memory.max", "8000000000")
    machine = survey(INFO, tmp_path)
    assert machine.memory_bytes == 8_000_000_000
    assert machine.cpu_features == frozenset({"avx2"})
    assert machine.free_disk_bytes is not None


@pytest.mark.parametrize(
    ("local", "directory"),
    [pytest.param(False, "var/lib/docker", id="elsewhere"), pytest.param(True, "x", id="in-a-virtual-machine")],
)
def test_engine_elsewhere(tmp_path: Path, local: bool, directory: str) -> None:
    """Of an engine whose files are not ours only its own word counts."""
    (tmp_path / directory).mkdir(parents=True)
    write(tmp_path, "proc/cpuinfo", "flags : avx2\n")
    write(tmp_path, "sys/fs/cgroup/memory.max", "8000000000")
    info = EngineInfo(**{name: getattr(INFO, name) for name in INFO.__slots__} | {"local": local})
    machine = survey(info, tmp_path)
    assert (machine.memory_bytes, machine.cpu_features, machine.free_disk_bytes) == (32_000_000_000, None, None)
