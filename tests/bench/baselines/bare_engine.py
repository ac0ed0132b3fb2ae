"""A SavedModel with one float input `x` and one output `y`, called through TensorFlow's C API with nothing around it.

It is the floor under every baseline here; it checks no shapes and no types.
"""

import ctypes
import importlib.util
import threading
from collections.abc import Callable
from ctypes import POINTER, byref, c_char_p, c_int, c_int64, c_size_t, c_void_p, string_at
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.protos import MetaGraphDef

Floats = NDArray[np.float32]

_FLOAT = 1
_INLINE = b"\x18" + b"\xff" * 9 + b"\x01"
"""RunOptions with inter_op_thread_pool -1: the caller's thread runs the operations."""


class _Output(ctypes.Structure):
    _fields_ = (("operation", c_void_p), ("index", c_int))


class _Buffer(ctypes.Structure):
    _fields_ = (("data", c_void_p), ("length", c_size_t), ("deallocator", c_void_p))


def _library() -> Path:
    spec = importlib.util.find_spec("tensorflow")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("tensorflow is not installed")
    return Path(spec.submodule_search_locations[0]) / "libtensorflow_cc.so.2"


class BareModel:
    """A loaded version directory; a call takes float32 of any shape and returns float32. RuntimeError if it fails."""

    def __init__(self, version: Path, *, inline: bool = True) -> None:
        self._declare(_library())
        self._local = threading.local()
        self._graph = self._new_graph()
        meta_graph = self._new_buffer()
        tags = (c_char_p * 1)(b"serve")
        place = str(version).encode()
        status = self._new_status()
        options = self._new_options()
        self._session = self._load(options, None, place, tags, 1, self._graph, meta_graph, status)
        self._raise_for(status)
        self._options = self._buffer_from(_INLINE, len(_INLINE)) if inline else None
        buffer = _Buffer.from_address(meta_graph)
        signature = MetaGraphDef.FromString(string_at(buffer.data, buffer.length)).signature_def["serving_default"]
        self._feed = self._endpoint(signature.inputs["x"].name)
        self._fetch = self._endpoint(signature.outputs["y"].name)

    def _declare(self, path: Path) -> None:
        # PyDLL keeps the interpreter's lock, CDLL lets it go: giving it up costs more than these short calls do.
        held, released = ctypes.PyDLL(str(path)), ctypes.CDLL(str(path))

        def function(library: ctypes.CDLL, name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
            found = library[name]
            found.restype, found.argtypes = result, arguments
            return found

        self._new_status = function(held, "TF_NewStatus", c_void_p)
        self._new_graph = function(held, "TF_NewGraph", c_void_p)
        self._new_options = function(held, "TF_NewSessionOptions", c_void_p)
        self._new_buffer = function(held, "TF_NewBuffer", c_void_p)
        self._buffer_from = function(held, "TF_NewBufferFromString", c_void_p, c_char_p, c_size_t)
        self._code = function(held, "TF_GetCode", c_int, c_void_p)
        self._message = function(held, "TF_Message", c_char_p, c_void_p)
        self._operation = function(held, "TF_GraphOperationByName", c_void_p, c_void_p, c_char_p)
        self._allocate = function(held, "TF_AllocateTensor", c_void_p, c_int, c_void_p, c_int, c_size_t)
        self._delete = function(held, "TF_DeleteTensor", None, c_void_p)
        self._data = function(held, "TF_TensorData", c_void_p, c_void_p)
        self._byte_size = function(held, "TF_TensorByteSize", c_size_t, c_void_p)
        self._rank = function(held, "TF_NumDims", c_int, c_void_p)
        self._dimension = function(held, "TF_Dim", c_int64, c_void_p, c_int)
        p, n = c_void_p, c_int
        self._load = function(
            released, "TF_LoadSessionFromSavedModel", p, p, p, c_char_p, POINTER(c_char_p), n, p, p, p
        )
        self._run = function(released, "TF_SessionRun", None, p, p, p, p, n, p, p, n, p, n, p, p)

    def _endpoint(self, name: str) -> _Output:
        operation, _, index = name.partition(":")
        return _Output(self._operation(self._graph, operation.encode()), int(index))

    def _raise_for(self, status: int) -> None:
        if self._code(status):
            raise RuntimeError(self._message(status).decode())

    def _status(self) -> int:
        try:
            return self._local.status  # type: ignore[no-any-return]
        except AttributeError:
            status: int = self._new_status()
            self._local.status = status
            return status

    def __call__(self, x: Floats) -> Floats:
        status = self._status()
        tensor = self._allocate(_FLOAT, (c_int64 * x.ndim)(*x.shape), x.ndim, x.nbytes)
        ctypes.memmove(self._data(tensor), x.ctypes.data, x.nbytes)
        feeds, fetches = (c_void_p * 1)(tensor), (c_void_p * 1)()
        self._run(
            self._session,
            self._options,
            byref(self._feed),
            feeds,
            1,
            byref(self._fetch),
            fetches,
            1,
            None,
            0,
            None,
            status,
        )
        self._delete(tensor)
        self._raise_for(status)
        found = fetches[0]
        shape = [self._dimension(found, axis) for axis in range(self._rank(found))]
        y = np.frombuffer(string_at(self._data(found), self._byte_size(found)), np.float32).reshape(shape)
        self._delete(found)
        return y
