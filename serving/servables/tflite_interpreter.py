"""One TensorFlow Lite interpreter: tensors in and out, and its memory planned anew when shapes change.

Not thread-safe: each call has the interpreter to itself. Which signatures there are is not known here.
"""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from serving.core.tensor import STORAGE, DataType, Tensor
from serving.errors import Code, ServingError, invalid_argument
from serving.telemetry.log import logger

_FLOATS = ("HALF", "FLOAT", "DOUBLE", "COMPLEX64", "COMPLEX128")
_INTEGERS = ("BOOL", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64")
_DTYPES: Mapping[np.dtype[Any], DataType] = MappingProxyType(
    {STORAGE[DataType[name]]: DataType[name] for name in (*_FLOATS, *_INTEGERS)}
    | {np.dtype(np.bytes_): DataType.STRING}
)
_FAILURES = (RuntimeError, ValueError, OverflowError)
"""What the package raises when TensorFlow Lite says no, and numpy for a size beyond 32 bits."""


class TfliteTensor(NamedTuple):
    """One end of the model: its name and position in the file, its type, and the shape it has before any request."""

    name: str
    position: int
    dtype: DataType
    shape: tuple[int, ...]


Tensors = Mapping[str, TfliteTensor]
"""The inputs or the outputs of a model by their names in the file."""


class TfliteInterpreter:
    """``kind`` is the package's class, ``model`` the file's bytes, which interpreters share. Raises ServingError."""

    def __init__(self, kind: Any, model: bytes, threads: int) -> None:
        self._interpreter = _build(kind, model, threads)
        self.inputs = _tensors("Input", self._interpreter.get_input_details())
        self.outputs = _tensors("Output", self._interpreter.get_output_details())
        self._shapes = {tensor.position: tensor.shape for tensor in self.inputs.values()}
        self._planned = False

    def plan(self) -> None:
        """Plan the memory for the first time; an operation that the package lacks is found here. INTERNAL if so."""
        try:
            self._plan()
        except _FAILURES as error:
            raise ServingError(Code.INTERNAL, f"Failed to allocate tensors\n{error}") from error

    def run(self, feeds: Iterable[tuple[TfliteTensor, Tensor]], fetches: Sequence[TfliteTensor]) -> list[Tensor]:
        """Feed tensors of the right types and any shapes, and give copies of the fetched ones. INTERNAL on failure."""
        given = [(feed, _fed(tensor)) for feed, tensor in feeds]
        self._fit(given)
        try:
            for feed, array in given:
                self._interpreter.set_tensor(feed.position, array)
            self._interpreter.invoke()
        except _FAILURES as error:
            raise _failed("Failed to invoke TfLite interpreter", error) from error
        return [Tensor(fetch.dtype, self._interpreter.get_tensor(fetch.position)) for fetch in fetches]

    def _fit(self, given: Sequence[tuple[TfliteTensor, NDArray[Any]]]) -> None:
        """Give the inputs the shapes of a request; all of them before the memory is planned, for they may depend."""
        for feed, array in given:
            before = self._shapes[feed.position]
            if before != array.shape:
                self._planned = False
                try:
                    self._interpreter.resize_tensor_input(feed.position, array.shape)
                except _FAILURES as error:
                    raise _failed(
                        f"Failed to resize input tensor: {feed.name} from {_bytes(before, array)} to {array.nbytes} "
                        "bytes.",
                        error,
                    ) from error
                self._shapes[feed.position] = array.shape
        if not self._planned:
            try:
                self._plan()
            except _FAILURES as error:
                raise _failed("Failed to allocate tensors", error) from error

    def _plan(self) -> None:
        self._interpreter.allocate_tensors()
        self._planned = True


def _build(kind: Any, model: bytes, threads: int) -> Any:
    try:
        return kind(model_content=model, num_threads=threads)
    except ValueError as error:
        if not model or "Flatbuffer" in str(error):
            raise invalid_argument("Cannot build FlatBufferModel from buffer.") from error
        raise ServingError(Code.INTERNAL, f"Cannot build Interpreter from buffer.\n{error}") from error


def _tensors(kind: str, details: Sequence[Mapping[str, Any]]) -> Tensors:
    tensors: dict[str, TfliteTensor] = {}
    for detail in details:
        name, storage = str(detail["name"]), np.dtype(detail["dtype"])
        if storage not in _DTYPES:
            raise ServingError(Code.INTERNAL, f"Unknown TfLite type: {storage}")
        if name in tensors:
            raise ServingError(Code.ALREADY_EXISTS, f"{kind} tensor name: {name} has multiple indices")
        tensors[name] = TfliteTensor(name, int(detail["index"]), _DTYPES[storage], tuple(map(int, detail["shape"])))
    return tensors


def _fed(tensor: Tensor) -> NDArray[Any]:
    """The array to feed: TensorFlow Serving gives strings the shape ``[batch]``, if there is one in each row."""
    array = tensor.array
    if tensor.dtype is DataType.STRING and array.ndim > 1 and array.size == len(array):
        return array.reshape(-1)
    return array


def _bytes(shape: tuple[int, ...], array: NDArray[Any]) -> int:
    return int(np.prod(shape, dtype=np.int64)) * array.itemsize


def _failed(text: str, error: Exception) -> ServingError:
    """The client gets TensorFlow Serving's text, the log the cause."""
    logger.warning("%s %s", text, error)
    return ServingError(Code.INTERNAL, text)
