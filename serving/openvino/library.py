"""OpenVINO's C API through ctypes: declarations and the status check, nothing about models.

Accessors that take nanoseconds keep the GIL (``PyDLL``), compiling and running release it (``CDLL``), as with
TensorFlow's library. Both live in one process without seeing each other's symbols. None of OpenVINO's Python is
executed.
"""

import ctypes
import importlib.util
from ctypes import POINTER, c_char_p, c_int, c_int64, c_size_t, c_void_p
from functools import cache
from pathlib import Path
from typing import Any

from serving.core.tensor import DataType


class OpenVinoError(Exception):
    """A call failed. The text has paths of OpenVINO's sources: it is for the log alone."""


class Shape(ctypes.Structure):
    """``ov_shape_t``."""

    _fields_ = (("rank", c_int64), ("dims", POINTER(c_int64)))


class _Version(ctypes.Structure):
    """``ov_version_t``."""

    _fields_ = (("build_number", c_char_p), ("description", c_char_p))


ELEMENT_TYPES = {
    DataType.BOOL: 1,
    DataType.HALF: 3,
    DataType.FLOAT: 4,
    DataType.DOUBLE: 5,
    DataType.INT8: 7,
    DataType.INT16: 8,
    DataType.INT32: 9,
    DataType.INT64: 10,
    DataType.UINT8: 16,
    DataType.UINT16: 17,
    DataType.UINT32: 18,
    DataType.UINT64: 19,
}
"""``ov_element_type_e`` by TensorFlow's types; a compiled model's ports are held against it."""

_PTR, _OUT = c_void_p, POINTER(c_void_p)

_QUICK: dict[str, tuple[Any, ...]] = {  # arguments; the result is a status
    "ov_get_openvino_version": (POINTER(_Version),),
    "ov_core_create": (_OUT,),
    "ov_core_set_property": (_PTR, c_char_p, c_char_p, c_char_p),
    "ov_compiled_model_get_property": (_PTR, c_char_p, POINTER(_PTR)),
    "ov_compiled_model_input_by_name": (_PTR, c_char_p, _OUT),
    "ov_compiled_model_output_by_name": (_PTR, c_char_p, _OUT),
    "ov_port_get_element_type": (_PTR, POINTER(c_int)),
    "ov_tensor_create_from_host_ptr": (c_int, Shape, _PTR, _OUT),
    "ov_infer_request_set_tensor_by_const_port": (_PTR, _PTR, _PTR),
    "ov_infer_request_get_tensor_by_const_port": (_PTR, _PTR, _OUT),
    "ov_tensor_get_shape": (_PTR, POINTER(Shape)),
    "ov_tensor_get_element_type": (_PTR, POINTER(c_int)),
    "ov_tensor_data": (_PTR, _OUT),
    "ov_shape_free": (POINTER(Shape),),
    "ov_infer_request_start_async": (_PTR,),
    "ov_infer_request_cancel": (_PTR,),
}
_LONG: dict[str, tuple[Any, ...]] = {
    "ov_core_read_model": (_PTR, c_char_p, c_char_p, _OUT),
    "ov_core_compile_model": (_PTR, _PTR, c_char_p, c_size_t, _OUT),  # and pairs of properties, of which we give none
    "ov_core_import_model": (_PTR, _PTR, c_size_t, c_char_p, _OUT),
    "ov_compiled_model_export_model": (_PTR, c_char_p),
    "ov_compiled_model_create_infer_request": (_PTR, _OUT),
    "ov_infer_request_infer": (_PTR,),
    "ov_infer_request_wait": (_PTR,),
    "ov_infer_request_wait_for": (_PTR, c_int64),
}
_FREEING = (
    "ov_core_free",
    "ov_model_free",
    "ov_compiled_model_free",
    "ov_infer_request_free",
    "ov_tensor_free",
    "ov_output_const_port_free",
    "ov_version_free",
    "ov_free",
)
_LONG_TO_FREE = ("ov_core_free", "ov_model_free", "ov_compiled_model_free", "ov_infer_request_free")


class Library:
    """The loaded library; each declared function is an attribute of its C name without ``ov_``.

    Those of ``_QUICK`` and ``_LONG`` return a status, which ``check`` takes.
    """

    def __init__(self, path: Path) -> None:
        long = ctypes.CDLL(str(path))
        quick = ctypes.PyDLL(str(path), handle=long._handle)
        for library, table in ((quick, _QUICK), (long, _LONG)):
            for name, arguments in table.items():
                function = library[name]
                function.restype, function.argtypes = c_int, arguments
                setattr(self, name.removeprefix("ov_"), function)
        for name in _FREEING:
            function = (long if name in _LONG_TO_FREE else quick)[name]
            function.restype, function.argtypes = None, (_PTR,)
            setattr(self, name.removeprefix("ov_"), function)
        self._last_error = quick["ov_get_last_err_msg"]
        self._last_error.restype = c_char_p

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"ov_{name} is not declared in {__name__}")

    def check(self, status: int) -> None:
        """Raise OpenVinoError for a status that says so."""
        if status:
            text = (self._last_error() or b"").decode(errors="replace")
            raise OpenVinoError(f"status {status}: {' '.join(text.split())[-600:]}")

    def made(self, function: Any, *arguments: Any) -> int:
        """What ``function`` makes: its last argument is where it puts it. Raises OpenVinoError."""
        pointer = c_void_p()
        self.check(function(*arguments, ctypes.byref(pointer)))
        if not pointer.value:
            raise OpenVinoError("nothing was made, and no error said")
        return pointer.value

    def version(self) -> str:
        """Version and build."""
        version = _Version()
        self.check(self.get_openvino_version(ctypes.byref(version)))
        text = (version.build_number or b"").decode()
        self.version_free(ctypes.byref(version))
        return text


def libraries() -> Path | None:
    """The folder of the installed package's libraries; None without the package."""
    spec = importlib.util.find_spec("openvino")
    places = spec.submodule_search_locations if spec is not None else None
    folder = Path(places[0]) / "libs" if places else None
    return folder if folder is not None and any(folder.glob("libopenvino_c.so*")) else None


@cache
def load() -> Library:
    """The installed library, loaded once. Raises OpenVinoError if there is none or it does not load."""
    folder = libraries()
    if folder is None:
        raise OpenVinoError("the package openvino is not installed")
    try:
        return Library(min(folder.glob("libopenvino_c.so*")))
    except OSError as error:
        raise OpenVinoError(f"the library of the package openvino cannot be loaded: {error}") from error
