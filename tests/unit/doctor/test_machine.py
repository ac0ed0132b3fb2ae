"""CPU features, CPUs, memory and GPUs against what is asked of them."""

import pytest

from serving.doctor import machine
from serving.doctor.finding import Level
from serving.servables.gpu import Gpus
from serving.settings import Settings
from tests.unit.doctor.rows import level, only

MIB = 2**20
CPUINFO = "processor\t: 0\nmodel name\t: A CPU\nflags\t\t: fpu avx avx2 fma\n\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd\n"


@pytest.mark.parametrize(
    ("cpuinfo", "needed", "expected", "words"),
    [
        pytest.param(CPUINFO, ("avx",), Level.OK, "of avx2, fma only oneDNN's", id="more than is used"),
        pytest.param(CPUINFO, ("avx", "avx2", "fma"), Level.OK, "(avx avx2 fma)", id="the same"),
        pytest.param(CPUINFO, ("avx", "avx512f"), Level.FAILS, "lacks avx512f", id="less"),
        pytest.param(ARM, ("asimd",), Level.OK, "asimd", id="arm"),
        pytest.param("", ("avx",), Level.WARNING, "nobody knows", id="unknown"),
    ],
)
def test_cpu(cpuinfo: str, needed: tuple[str, ...], expected: Level, words: str) -> None:
    """What TensorFlow was compiled for is all there, or what lacks is named."""
    row = machine.cpu(cpuinfo, needed, "the build")
    assert row.level is expected
    assert words in row.found


def test_quota_cuts_the_cpus() -> None:
    """What the container may use counts, and the row says where the number comes from."""
    row = only(machine.quota(Settings(), 8, 2.5), Level.OK)
    assert row.found == "3: 8 can be scheduled on, the container's quota is 2.5"


def test_quota_below_one() -> None:
    """Half a CPU is a warning: each call would be halted."""
    assert "quota is 0.5" in only(machine.quota(Settings(), 8, 0.5), Level.WARNING).found


def test_more_threads_than_cpus() -> None:
    """The flag is named, and how many there are."""
    row = only(machine.quota(Settings(tensorflow_intra_op_parallelism=16), 8, 2), Level.WARNING)
    assert row.what == "--tensorflow_intra_op_parallelism"
    assert row.found == "is 16, and there are 2 CPUs"


@pytest.mark.parametrize(
    ("files", "optimized", "available", "expected"),
    [
        pytest.param(100, 0, 1000, Level.OK, id="room"),
        pytest.param(700, 0, 1000, Level.FAILS, id="files alone"),
        pytest.param(400, 0, 1000, Level.WARNING, id="no room for a second version"),
        pytest.param(200, 400, 1000, Level.WARNING, id="no room for engines"),
        pytest.param(100, 0, None, Level.WARNING, id="unknown"),
    ],
)
def test_memory(files: int, optimized: int, available: int | None, expected: Level) -> None:
    """The server and all files must fit; what comes on top is a warning. In MiB, the server itself being 350."""
    free = None if available is None else available * MIB
    assert machine.memory({"m version 1": files * MIB}, optimized * MIB, free).level is expected


def test_memory_names_the_largest() -> None:
    """So that somebody knows which one to take out."""
    row = machine.memory({"a version 1": 10 * MIB, "b version 3": 900 * MIB}, 0, 1000 * MIB)
    assert "The largest is b version 3" in row.found
    assert "910.0 MiB of files" in row.found


@pytest.mark.parametrize(
    ("found", "required", "expected"),
    [
        pytest.param(Gpus(expected=True, names=("GPU:0",)), True, Level.OK, id="there"),
        pytest.param(Gpus(expected=True, problem="no driver"), False, Level.WARNING, id="missing"),
        pytest.param(Gpus(expected=True, problem="no driver"), True, Level.FAILS, id="required"),
        pytest.param(Gpus(expected=False, problem="built for CPUs"), False, Level.OK, id="not expected"),
        pytest.param(Gpus(expected=False, problem="built for CPUs"), True, Level.FAILS, id="required of a CPU build"),
    ],
)
def test_gpus(found: Gpus, required: bool, expected: Level) -> None:
    """A GPU that is missing fails only where it is required, and the reason is there."""
    row = machine.gpus(found, required=required)
    assert row.level is expected
    assert found.problem in row.found
    assert level([row], Level.OK) or found.problem
