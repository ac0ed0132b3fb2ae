"""A compiled model and its calls: each has an infer request of its own for its time, and its outputs are copies.

Whether a call may be made with these inputs is not asked here (``accepted``): OpenVINO itself checks too little.
"""

import ctypes
import mmap
import os
import threading
from collections.abc import Callable, Sequence
from ctypes import byref, c_int, c_int64
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from serving.core.tensor import STORAGE, DataType, Tensor
from serving.openvino.compiling import Core, EngineSettings
from serving.openvino.float_environment import DenormalsFlushed
from serving.openvino.library import ELEMENT_TYPES, Library, OpenVinoError, Shape

_NOT_READY = -9
"""``ov_infer_request_wait_for``: the time is over, the call is not."""

_INVALID_PARAMETER = -14
_LONGEST_MILLISECONDS = 10**12
"""It counts nanoseconds in 64 bits, and what is too large for them is over at once."""


class Port(NamedTuple):
    """A graph tensor that a compiled model takes or gives."""

    name: str
    dtype: DataType


class OutOfTimeError(Exception):
    """The call was cancelled, for its time was over."""


class CompiledModel:
    """A model imported from the file ``blob``, of which ``size`` bytes at ``offset`` are its own. Thread-safe.

    The file can be closed at once. Raises OpenVinoError.
    """

    def __init__(
        self,
        library: Library,
        settings: EngineSettings,
        blob: int,
        inputs: Sequence[Port],
        outputs: Sequence[Port],
        *,
        offset: int = 0,
        size: int | None = None,
    ) -> None:
        self._library = library
        try:
            self._size = os.fstat(blob).st_size - offset if size is None else size
            self._mapped = mmap.mmap(blob, self._size, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ, offset=offset)
        except (OSError, ValueError) as error:  # closed, or empty
            raise OpenVinoError(f"the file of the compiled model cannot be read: {error}") from error
        address = np.frombuffer(self._mapped, np.uint8).ctypes.data
        core = Core(library, settings)
        try:
            self._handle = core.imported(address, self._size)
        finally:
            core.close()
        self._ports: list[int] = []
        self._free: list[int] = []
        self._inside = 0
        self._retired = False
        self._lock = threading.Lock()
        try:
            self._inputs = [self._port(library.compiled_model_input_by_name, port) for port in inputs]
            self._outputs = [self._port(library.compiled_model_output_by_name, port) for port in outputs]
            self._free.append(self._request())
        except OpenVinoError:
            self.close()
            raise

    def close(self) -> None:
        """Free it and its requests, once the calls that it has are over."""
        with self._lock:
            closed, self._retired = self._retired, True
            if closed or self._inside:
                return
        self._free_all()

    def _free_all(self) -> None:
        for request in self._free:
            self._library.infer_request_free(request)
        for port in self._ports:
            self._library.output_const_port_free(port)
        self._library.compiled_model_free(self._handle)
        self._mapped.close()

    def release_pages(self) -> None:
        """Give back the pages of the file: what calls need of the weights is packed by now, in memory of its own."""
        self._mapped.madvise(mmap.MADV_DONTNEED)

    def __call__(self, tensors: Sequence[Tensor], timeout_ms: int = 0) -> list[Tensor]:
        """One call; ``timeout_ms`` <= 0 is no limit. Raises OpenVinoError, and OutOfTimeError.

        ``tensors`` must have the types of the inputs, in their order.
        """
        with self._lock:
            if self._retired:
                raise OpenVinoError("it is closed")
            self._inside += 1
        try:
            return self._call(tensors, timeout_ms)
        finally:
            self._leave()

    def _leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside or not self._retired:
                return
        self._free_all()

    def _call(self, tensors: Sequence[Tensor], timeout_ms: int) -> list[Tensor]:
        try:
            request = self._free.pop()
        except IndexError:  # one is in use in each thread that is here
            request = self._request()
        lent: list[int] = []
        try:
            arrays = [np.asarray(tensor.array, order="C") for tensor in tensors]
            for array, port in zip(arrays, self._inputs, strict=True):
                lent.append(self._lend(array, port))
                self._library.check(
                    self._library.infer_request_set_tensor_by_const_port(request, port.handle, lent[-1])
                )
            self._infer(request, timeout_ms)
            outputs = [self._taken(request, port) for port in self._outputs]
        except BaseException:
            self._library.infer_request_free(request)  # which may be the poisoned one
            raise
        finally:
            for tensor_handle in lent:
                self._library.tensor_free(tensor_handle)
        self._free.append(request)
        return outputs

    def _request(self) -> int:
        with DenormalsFlushed():
            return self._library.made(self._library.compiled_model_create_infer_request, self._handle)

    def _port(self, find: Callable[..., int], port: Port) -> "_Place":
        library = self._library
        handle = library.made(find, self._handle, port.name.encode())
        self._ports.append(handle)
        found = c_int()
        library.check(library.port_get_element_type(handle, byref(found)))
        expected = ELEMENT_TYPES.get(port.dtype)
        if found.value != expected:
            raise OpenVinoError(f"{port.name} has element type {found.value}; expected {expected}")
        return _Place(handle, port.dtype, found.value)

    def _lend(self, array: NDArray[Any], port: "_Place") -> int:
        """A tensor on the array's memory, which the caller keeps until the call is over."""
        dims = (c_int64 * array.ndim)(*array.shape)
        shape = Shape(array.ndim, dims)
        return self._library.made(
            self._library.tensor_create_from_host_ptr, port.element_type, shape, array.ctypes.data
        )

    def _infer(self, request: int, timeout_ms: int) -> None:
        library = self._library
        if timeout_ms <= 0:
            with DenormalsFlushed():
                library.check(library.infer_request_infer(request))
            return
        library.check(library.infer_request_start_async(request))
        status = library.infer_request_wait_for(request, min(timeout_ms, _LONGEST_MILLISECONDS))
        if status == _NOT_READY:
            library.infer_request_cancel(request)
            library.infer_request_wait(request)  # the inputs are lent until then
            raise OutOfTimeError
        library.check(status)

    def _taken(self, request: int, port: "_Place") -> Tensor:
        library = self._library
        tensor = library.made(library.infer_request_get_tensor_by_const_port, request, port.handle)
        shape = Shape()
        try:
            sizes: list[int] = []
            status = library.tensor_get_shape(tensor, byref(shape))
            if status != _INVALID_PARAMETER:  # so it says of a tensor without dimensions
                library.check(status)
                sizes = shape.dims[: shape.rank]
                library.shape_free(byref(shape))
            array = np.empty(sizes, STORAGE[port.dtype])
            if array.nbytes:
                ctypes.memmove(array.ctypes.data, library.made(library.tensor_data, tensor), array.nbytes)
            return Tensor(port.dtype, array)
        finally:
            library.tensor_free(tensor)


class _Place(NamedTuple):
    """A port of the compiled model."""

    handle: int
    dtype: DataType
    element_type: int
