"""TensorFlow's public C API (``c_api.h``) through ctypes: declarations and the status check, nothing about models.

Accessors that take nanoseconds keep the GIL (``PyDLL``), loading and running release it (``CDLL``): a dozen hand-overs
per request would cost more than the work. The library is loaded without RTLD_GLOBAL; with it, later imports crash.
"""

import ctypes
import importlib.util
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import POINTER, c_char_p, c_int, c_int64, c_size_t, c_void_p
from functools import cache
from pathlib import Path
from typing import Any

from serving.errors import Code, ServingError
from serving.host.held_lines import without_lines


class Output(ctypes.Structure):
    """``TF_Output``: an operation and the index of one of its results."""

    _fields_ = (("operation", c_void_p), ("index", c_int))


class Buffer(ctypes.Structure):
    """``TF_Buffer``: bytes that TensorFlow owns."""

    _fields_ = (("data", c_void_p), ("length", c_size_t), ("deallocator", c_void_p))


_PTR, _BUFFER = c_void_p, POINTER(Buffer)

Deallocator = ctypes.CFUNCTYPE(None, _PTR, c_size_t, _PTR)

_QUICK: dict[str, tuple[Any, ...]] = {  # name: result, arguments
    "TF_Version": (c_char_p,),
    "TF_NewStatus": (_PTR,),
    "TF_SetStatus": (None, _PTR, c_int, c_char_p),
    "TF_GetCode": (c_int, _PTR),
    "TF_Message": (c_char_p, _PTR),
    "TF_NewBuffer": (_BUFFER,),
    "TF_NewBufferFromString": (_BUFFER, c_char_p, c_size_t),
    "TF_DeleteBuffer": (None, _BUFFER),
    "TF_NewGraph": (_PTR,),
    "TF_DeleteGraph": (None, _PTR),
    "TF_GraphOperationByName": (_PTR, _PTR, c_char_p),
    "TF_GraphNextOperation": (_PTR, _PTR, POINTER(c_size_t)),
    "TF_OperationName": (c_char_p, _PTR),
    "TF_OperationNumOutputs": (c_int, _PTR),
    "TF_OperationOpType": (c_char_p, _PTR),
    "TF_OperationOutputType": (c_int, Output),
    "TF_GraphGetTensorNumDims": (c_int, _PTR, Output, _PTR),
    "TF_GraphGetTensorShape": (None, _PTR, Output, POINTER(c_int64), c_int, _PTR),
    "TF_NewImportGraphDefOptions": (_PTR,),
    "TF_DeleteImportGraphDefOptions": (None, _PTR),
    "TF_NewSessionOptions": (_PTR,),
    "TF_DeleteSessionOptions": (None, _PTR),
    "TF_DeviceListCount": (c_int, _PTR),
    "TF_DeviceListName": (c_char_p, _PTR, c_int, _PTR),
    "TF_DeviceListType": (c_char_p, _PTR, c_int, _PTR),
    "TF_DeleteDeviceList": (None, _PTR),
    "TF_SetConfig": (None, _PTR, c_char_p, c_size_t, _PTR),
    "TF_AllocateTensor": (_PTR, c_int, _PTR, c_int, c_size_t),
    "TF_NewTensor": (_PTR, c_int, _PTR, c_int, _PTR, c_size_t, Deallocator, _PTR),
    "TF_DeleteTensor": (None, _PTR),
    "TF_TensorType": (c_int, _PTR),
    "TF_NumDims": (c_int, _PTR),
    "TF_Dim": (c_int64, _PTR, c_int),
    "TF_TensorData": (_PTR, _PTR),
    "TF_TensorByteSize": (c_size_t, _PTR),
    "TF_StringCopy": (None, _PTR, c_char_p, c_size_t),
    "TF_StringDealloc": (None, _PTR),
    "TF_StringGetSize": (c_size_t, _PTR),
    "TF_StringGetDataPointer": (_PTR, _PTR),
}
_LONG: dict[str, tuple[Any, ...]] = {
    "TF_GetAllOpList": (_BUFFER,),
    "TF_LoadLibrary": (_PTR, c_char_p, _PTR),
    "TF_GraphImportGraphDef": (None, _PTR, _BUFFER, _PTR, _PTR),
    "TF_NewSession": (_PTR, _PTR, _PTR, _PTR),
    "TF_LoadSessionFromSavedModel": (
        _PTR,
        _PTR,
        _BUFFER,
        c_char_p,
        POINTER(c_char_p),
        c_int,
        _PTR,
        _BUFFER,
        _PTR,
    ),
    "TF_SessionRun": (None, _PTR, _BUFFER, _PTR, _PTR, c_int, _PTR, _PTR, c_int, _PTR, c_int, _PTR, _PTR),
    "TF_SessionListDevices": (_PTR, _PTR, _PTR),
    "TF_CloseSession": (None, _PTR, _PTR),
    "TF_DeleteSession": (None, _PTR, _PTR),
}

_FRAMEWORK = "libtensorflow_framework.so.2"
"""The part that writes while it is loaded, before it has read TF_CPP_MIN_LOG_LEVEL; the other part needs it anyway."""

_AT_LOADING = re.compile(rb"WARNING: All log messages before absl::InitializeLog\(\)|I\d{4} ")

_PREPARED = ("TF_AllocateTensor", "TF_SessionRun")
"""Also there as ``...Prepared``: without a conversion, for callers whose arguments are ctypes values already."""


class Library:
    """The loaded library; each declared function is an attribute of its C name without ``TF_``."""

    def __init__(self, path: Path) -> None:
        handle = _open(path)
        quick, long = ctypes.PyDLL(str(path), handle=handle), ctypes.CDLL(str(path), handle=handle)
        for library, table in ((quick, _QUICK), (long, _LONG)):
            for name, (result, *arguments) in table.items():
                function = library[name]
                function.restype, function.argtypes = result, arguments
                setattr(self, name.removeprefix("TF_"), function)
                if name in _PREPARED:
                    prepared = library[name]
                    prepared.restype = result
                    setattr(self, f"{name.removeprefix('TF_')}Prepared", prepared)
        self._statuses: list[int] = []

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"TF_{name} is not declared in {__name__}")

    @contextmanager
    def checked(self) -> Iterator[int]:
        """A ``TF_Status`` to pass to one call; on leaving, an error in it is raised with TensorFlow's code and text."""
        status = self.take_status()
        try:
            yield status
            self.check(status)
        finally:
            self.give_status(status)

    def take_status(self) -> int:
        """A status from the kept ones; give it back with ``give_status``."""
        try:
            return self._statuses.pop()
        except IndexError:
            return int(self.NewStatus())

    def give_status(self, status: int) -> None:
        """Keep a status for the next call. It must be OK: ``check`` makes it so, and not every function does."""
        self._statuses.append(status)

    def check(self, status: int) -> None:
        """Raise what the status says, if it is an error."""
        code = self.GetCode(status)
        if code:
            message = self.Message(status).decode("utf-8", "surrogateescape")
            self.SetStatus(status, 0, b"")
            raise ServingError(Code(code) if code <= max(Code) else Code.UNKNOWN, message)

    def take_buffer(self, buffer: Any) -> bytes:
        """The bytes of a ``TF_Buffer``, which is then deleted."""
        data = ctypes.string_at(buffer.contents.data, buffer.contents.length) if buffer.contents.length else b""
        self.DeleteBuffer(buffer)
        return data


def _open(path: Path) -> int:
    """The library's handle. Functions are bound as they are called; ctypes would bind all 150,000 of them at once."""
    dlopen = ctypes.CDLL(None).dlopen
    dlopen.restype, dlopen.argtypes = c_void_p, (c_char_p, c_int)
    handle: int | None = dlopen(bytes(path), os.RTLD_LAZY | os.RTLD_LOCAL)
    return handle or ctypes.CDLL(str(path))._handle  # which says why not


def directory() -> Path:
    """Where the package tensorflow is installed. Raises ServingError if it is not."""
    spec = importlib.util.find_spec("tensorflow")
    if spec is None or not spec.submodule_search_locations:
        raise ServingError(Code.FAILED_PRECONDITION, "TensorFlow is not installed; expected the package tensorflow-cpu")
    return Path(spec.submodule_search_locations[0])


@cache
def load() -> Library:
    """The installed TensorFlow's library, found and loaded once, without executing any of its Python."""
    root = directory()
    framework = root / _FRAMEWORK
    if framework.exists():
        with without_lines(_AT_LOADING):
            _open(framework)
    for name in ("libtensorflow_cc.so.2", "libtensorflow_cc.2.dylib"):
        if (root / name).exists():
            return Library(root / name)
    raise ServingError(
        Code.FAILED_PRECONDITION, f"TensorFlow in {root} has no C library; expected libtensorflow_cc.so.2"
    )


def version() -> str:
    """TensorFlow's version, as the library says it."""
    return str(load().Version().decode())


def version_if_loaded() -> str:
    """The same; empty as long as nobody has needed the library."""
    return version() if load.cache_info().currsize else ""
