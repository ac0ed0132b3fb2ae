"""Whether TensorFlow computes on a GPU here, and if not, why not, in one sentence. It configures nothing.

The driver is asked before TensorFlow looks for it: what TensorFlow's library says of it is spread over its log.
"""

import ctypes
import importlib.machinery
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving.errors import ServingError
from serving.servables import libtensorflow
from serving.servables.libtensorflow import Library
from serving.servables.session import open_graph

_DRIVER = "libcuda.so.1"
_FIRST_DRIVERS = {"11": "450.80.02", "12": "525.60.13"}
"""The oldest driver for any CUDA of a major version (NVIDIA's CUDA Compatibility, "minor version compatibility")."""

_NO_DEVICE = 100  # CUDA_ERROR_NO_DEVICE

OpenDriver = Callable[[], Any]
"""Opens NVIDIA's driver library; OSError with the reason if there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpus:
    """What there is. ``names`` are TensorFlow's for the devices; ``problem`` is why there are none, or empty.

    ``expected`` is whether this TensorFlow was built for GPUs at all.
    """

    expected: bool
    names: tuple[str, ...] = ()
    problem: str = ""


def find_gpus(session_config: bytes, package: Path | None = None, open_driver: OpenDriver | None = None) -> Gpus:
    """The GPUs that sessions with this serialised ConfigProto can use.

    A TensorFlow without GPU code costs one small file; with it, the driver is opened and a session made. ``package`` is
    TensorFlow's directory, by default the installed one. Raises ServingError if TensorFlow makes no session.
    """
    try:
        cuda = _built_for(package or libtensorflow.directory())
    except ServingError as error:  # TensorFlow Lite's models do without it
        return Gpus(expected=False, problem=error.message)
    if not cuda:
        return Gpus(
            expected=False, problem="this TensorFlow was built for CPUs alone; the image's variant gpu is for GPUs"
        )
    problem = _driver_problem(cuda, open_driver or _open_driver)
    if problem:
        return Gpus(expected=True, problem=problem)
    names = devices(libtensorflow.load(), session_config, "GPU")
    if not names:
        problem = "the driver shows one, but TensorFlow does not use it; with TF_CPP_MIN_LOG_LEVEL=0 its log says why"
    return Gpus(expected=True, names=names, problem=problem)


def devices(library: Library, session_config: bytes, kind: str) -> tuple[str, ...]:
    """The names of the devices of a ``kind`` (CPU, GPU) that a session with this ConfigProto has."""
    session = open_graph(library, b"", session_config)
    try:
        with library.checked() as status:
            found = library.SessionListDevices(session.handle, status)
        try:
            with library.checked() as status:
                return tuple(
                    library.DeviceListName(found, index, status).decode()
                    for index in range(library.DeviceListCount(found))
                    if library.DeviceListType(found, index, status) == kind.encode()
                )
        finally:
            library.DeleteDeviceList(found)
    finally:
        session.close()


def _built_for(package: Path) -> str:
    """The version of CUDA that TensorFlow was built for; empty without GPU code."""
    # One generated module of TensorFlow's, which imports nothing of it; alone, for its package would take seconds.
    spec = importlib.machinery.PathFinder.find_spec("build_info", [str(package / "python" / "platform")])
    if spec is None or spec.loader is None:
        return ""
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    info = module.build_info
    return str(info.get("cuda_version", "of an unknown version")) if info.get("is_cuda_build") else ""


def _open_driver() -> Any:
    return ctypes.CDLL(_DRIVER)


def _driver_problem(cuda: str, open_driver: OpenDriver) -> str:
    """Why the driver is of no use to a TensorFlow for this CUDA; empty if it is."""
    try:
        driver = open_driver()
    except OSError as error:
        return (
            f"the NVIDIA driver is not here ({error}); install it on the host, and start the container with "
            "--gpus=all, which needs the NVIDIA Container Toolkit"
        )
    version = ctypes.c_int()
    driver.cuDriverGetVersion(ctypes.byref(version))
    known, major = version.value // 1000, cuda.split(".")[0]
    if major.isdecimal() and known < int(major):
        first = f", {_FIRST_DRIVERS[major]} or newer" if major in _FIRST_DRIVERS else ""
        return (
            f"the NVIDIA driver is too old: it knows CUDA {known}.{version.value % 1000 // 10}, and this TensorFlow "
            f"was built for CUDA {cuda}; install a driver for CUDA {major} on the host{first}"
        )
    count = ctypes.c_int()
    status = driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count))
    if status not in (0, _NO_DEVICE):
        return f"the NVIDIA driver does not work here: {_said(driver, status)} (CUDA error {status})"
    return "" if count.value else "the NVIDIA driver shows none; see CUDA_VISIBLE_DEVICES and the container's --gpus"


def _said(driver: Any, status: int) -> str:
    """The driver's words for one of its errors."""
    text = ctypes.c_char_p()
    driver.cuGetErrorString(status, ctypes.byref(text))
    return (text.value or b"it does not say why").decode(errors="replace")
