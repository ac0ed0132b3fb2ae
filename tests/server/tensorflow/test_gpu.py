"""What is found out about GPUs: a driver that is missing, old or broken, devices, and what a start makes of it."""

import ctypes
import logging
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from serving.configuration.session_config import Sessions
from serving.errors import Code, ConfigurationError
from serving.loading import gpu_use
from serving.protos import ConfigProto
from serving.servables import gpu, libtensorflow
from serving.servables.gpu import Gpus
from serving.settings import Settings

CONFIG = ConfigProto().SerializeToString()
DRIVER_SOURCE = """
int cuDriverGetVersion(int *version) { *version = 11040; return 0; }
int cuInit(unsigned flags) { return 999; }
int cuDeviceGetCount(int *count) { *count = 1; return 0; }
int cuGetErrorString(int status, const char **text) { *text = "unknown error"; return 0; }
"""
BUILD_INFO = "import collections\nbuild_info = collections.OrderedDict({})\n"


@dataclass(frozen=True, kw_only=True)
class Driver:
    """NVIDIA's driver library, as far as it is asked."""

    version: int = 12080
    init: int = 0
    count: int = 1

    def cuDriverGetVersion(self, version: Any) -> int:  # noqa: N802 - the driver's name
        version._obj.value = self.version
        return 0

    def cuInit(self, flags: int) -> int:  # noqa: N802
        return self.init

    def cuDeviceGetCount(self, count: Any) -> int:  # noqa: N802
        count._obj.value = self.count
        return 0

    def cuGetErrorString(self, status: int, text: Any) -> int:  # noqa: N802
        text._obj.value = b"initialization error" if status == 3 else None
        return 0


def absent() -> Driver:
    raise OSError("libcuda.so.1: cannot open shared object file: No such file or directory")


@pytest.fixture
def built(tmp_path: Path) -> Callable[..., Path]:
    """Makes a package tensorflow whose build_info.py says this and that; ``built()`` is one for CUDA 12.5.1."""

    def build(**info: Any) -> Path:
        directory = tmp_path / "python" / "platform"
        directory.mkdir(parents=True)
        said = info or {"is_cuda_build": True, "cuda_version": "12.5.1"}
        (directory / "build_info.py").write_text(BUILD_INFO.format(list(said.items())))
        return tmp_path

    return build


@pytest.mark.parametrize(
    ("driver", "begins"),
    [
        pytest.param(absent, "the NVIDIA driver is not here (libcuda.so.1: cannot open", id="missing"),
        pytest.param(
            lambda: Driver(version=11040),
            "the NVIDIA driver is too old: it knows CUDA 11.4, and this TensorFlow was built for CUDA 12.5.1; install "
            "a driver for CUDA 12 on the host, 525.60.13 or newer",
            id="old",
        ),
        pytest.param(lambda: Driver(init=3), "the NVIDIA driver does not work here: initialization error", id="broken"),
        pytest.param(lambda: Driver(init=999), "the NVIDIA driver does not work here: it does not say why", id="mute"),
        pytest.param(lambda: Driver(count=0), "the NVIDIA driver shows none;", id="no device"),
        pytest.param(lambda: Driver(init=100, count=0), "the NVIDIA driver shows none;", id="hidden devices"),
    ],
)
def test_why_there_is_no_gpu(built: Callable[..., Path], driver: Callable[[], Driver], begins: str) -> None:
    """A TensorFlow for GPUs names what is wrong with the driver, and is not asked itself."""
    found = gpu.find_gpus(CONFIG, built(), driver)
    assert found.problem.startswith(begins)
    assert (found.expected, found.names) == (True, ())


@pytest.fixture(scope="module")
def old_driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shared library with the driver's functions, of a driver for CUDA 11.4."""
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("gcc is not installed")
    library = tmp_path_factory.mktemp("driver") / "libcuda.so.1"
    source = library.with_suffix(".c")
    source.write_text(DRIVER_SOURCE)
    subprocess.run([compiler, "-shared", "-fPIC", str(source), "-o", str(library)], check=True, capture_output=True)
    return library


def test_a_driver_is_asked_through_its_c_functions(built: Callable[..., Path], old_driver: Path) -> None:
    """A library that is loaded gives its version."""
    too_old = gpu.find_gpus(CONFIG, built(), lambda: ctypes.CDLL(str(old_driver)))
    assert "too old: it knows CUDA 11.4" in too_old.problem


def test_a_drivers_error_is_read_through_its_c_functions(built: Callable[..., Path], old_driver: Path) -> None:
    """A library that is loaded and does not start is quoted."""
    package = built(is_cuda_build=True, cuda_version="11.2")
    broken = gpu.find_gpus(CONFIG, package, lambda: ctypes.CDLL(str(old_driver)))
    assert broken.problem == "the NVIDIA driver does not work here: unknown error (CUDA error 999)"


@pytest.mark.parametrize("version", [12000, 12050, 13000])
def test_any_driver_of_the_major_version_will_do(built: Callable[..., Path], version: int) -> None:
    """Such a driver is no problem; the TensorFlow of these tests then has no device, and that is said."""
    if gpu.find_gpus(CONFIG).expected:
        pytest.skip("the installed TensorFlow is one for GPUs, and would find those of this machine")
    found = gpu.find_gpus(CONFIG, built(), lambda: Driver(version=version))
    assert found.problem.startswith("the driver shows one, but TensorFlow does not use it")


@pytest.mark.parametrize(
    "info",
    [
        pytest.param({"is_cuda_build": False}, id="cpu"),
        pytest.param({"is_rocm_build": True}, id="nothing of CUDA"),
    ],
)
def test_a_tensorflow_for_cpus_asks_no_driver(built: Callable[..., Path], info: dict[str, Any]) -> None:
    """Nobody expects a GPU of it, and the reason names the variant that has what is missing."""

    def untouched() -> Driver:
        raise AssertionError

    found = gpu.find_gpus(CONFIG, built(**info), untouched)
    assert not found.expected
    assert found.problem == "this TensorFlow was built for CPUs alone; the image's variant gpu is for GPUs"


def test_a_package_without_build_info_is_one_for_cpus(tmp_path: Path) -> None:
    """A file that is not there is no error at start."""
    assert not gpu.find_gpus(CONFIG, tmp_path).expected


def test_devices_of_a_session() -> None:
    """A session has the CPU, under the name that TensorFlow gives it."""
    (name,) = gpu.devices(libtensorflow.load(), CONFIG, "CPU")
    assert name.endswith("/device:CPU:0")


def test_a_real_gpu_is_found() -> None:
    """With TensorFlow for GPUs and a working driver, a session has a GPU."""
    found = gpu.find_gpus(CONFIG)
    if found.problem:
        pytest.skip(f"needs a GPU: {found.problem}")
    assert "/device:GPU:0" in found.names[0]


NONE_HERE = Gpus(expected=True, problem="the NVIDIA driver is not here")
FOR_CPUS = Gpus(expected=False, problem="this TensorFlow was built for CPUs alone")
ONE = Gpus(expected=True, names=("/job:localhost/replica:0/task:0/device:GPU:0",))


def sessions(**settings: Any) -> Sessions:
    return Sessions(settings=Settings(**settings), config=ConfigProto())


@pytest.mark.parametrize(
    ("gpus", "messages"),
    [
        pytest.param(
            NONE_HERE,
            ["No GPU can be used: the NVIDIA driver is not here. The models run on the CPU"],
            id="gpu image without a driver",
        ),
        pytest.param(FOR_CPUS, [], id="cpu image"),
        pytest.param(ONE, ["The models run on /job:localhost/replica:0/task:0/device:GPU:0"], id="gpu"),
    ],
)
def test_a_start_says_where_models_run(caplog: pytest.LogCaptureFixture, gpus: Gpus, messages: list[str]) -> None:
    """A GPU, or the lack of one that was expected, is a line in the log; a CPU image says nothing."""
    with caplog.at_level(logging.INFO, "serving"):
        gpu_use.decide(sessions(), gpus)
    assert caplog.messages == messages


@pytest.mark.parametrize(
    ("gpus", "optimize"),
    [pytest.param(NONE_HERE, "safe", id="cpu"), pytest.param(ONE, "off", id="gpu")],
)
def test_models_are_optimised_for_cpus_alone(gpus: Gpus, optimize: str) -> None:
    """Optimising fuses for CPUs, so a GPU gets models as they are saved."""
    assert gpu_use.decide(sessions(), gpus).settings.optimize == optimize


@pytest.mark.parametrize("gpus", [pytest.param(NONE_HERE, id="no driver"), pytest.param(FOR_CPUS, id="cpu image")])
def test_a_required_gpu_that_is_missing_ends_the_start(gpus: Gpus) -> None:
    """The error names the flag and the reason."""
    with pytest.raises(ConfigurationError) as raised:
        gpu_use.decide(sessions(require_gpu=True), gpus)
    assert raised.value.code is Code.FAILED_PRECONDITION
    assert raised.value.message == f"--require_gpu: no GPU can be used: {gpus.problem}"


def test_a_required_gpu_that_is_there_is_used() -> None:
    """The start goes on."""
    assert gpu_use.decide(sessions(require_gpu=True), ONE).settings.require_gpu
