"""What the page is answered with: its files, the state, events, and examples of requests."""

from collections.abc import Callable, Mapping
from threading import Semaphore
from typing import TYPE_CHECKING, Any

from serving.codecs.openapi import bodies
from serving.core.signature import DEFAULT_SIGNATURE_NAME, Signature
from serving.core.tensor import DataType, Tensor
from serving.errors import Code, ServingError
from serving.inference import infer
from serving.inference.principal import Principal
from serving.inference.trials import Trials
from serving.rest.api.ui_events import Events
from serving.rest.api.ui_written import Written, as_json
from serving.ui.files import PageFile

if TYPE_CHECKING:
    from serving.rest.api.openapi_documents import Documents

_MOST_WAITING = 16
"""Requests for the state that are answered at a time: each takes a thread."""

_PICTURES = b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM"
_CHANNELS = (1, 3, 4)
_PIXELS = frozenset((DataType.FLOAT, DataType.HALF, DataType.BFLOAT16, DataType.DOUBLE, DataType.UINT8))
_RANK = 4
_SMALLEST_SIDE = 8
"""Pixels; what has fewer is no picture, but numbers."""


class UiAnswers:
    """All of it; ``events`` are the answers that go on, ``documents`` gives what examples are from."""

    def __init__(
        self,
        files: Mapping[str, PageFile],
        written: Written,
        events: Events,
        documents: "Callable[[], Documents]",
    ) -> None:
        self.files = files
        self.events = events
        self._written = written
        self._documents = documents
        self._places = Semaphore(_MOST_WAITING)

    def state(self, principal: Principal | None) -> bytes:
        """What there is now; blocks. UNAVAILABLE if too many ask at a time."""
        if not self._places.acquire(blocking=False):
            raise ServingError(Code.UNAVAILABLE, f"{_MOST_WAITING} ask for the state at a time; try again")
        try:
            return self._written.state(principal)[1]
        finally:
            self._places.release()

    def example(self, trials: Trials, signature_name: str) -> bytes:
        """A body for Predict that a version has answered, and which input is a picture; INVALID_ARGUMENT without it."""
        name = signature_name or DEFAULT_SIGNATURE_NAME
        signature = trials.for_predict.get(name)
        if signature is None:
            raise infer.missing(name)
        answered = self._documents().examples(trials).predict.get(name)
        if answered is None:
            return as_json({"body": None, "image": _image(signature, {})})
        inputs = answered.inputs
        body = bodies.rows(name, inputs) if answered.in_rows else bodies.columns(name, inputs)
        return as_json({"body": body, "image": _image(signature, inputs)})


def _image(signature: Signature, inputs: Mapping[str, Tensor]) -> dict[str, Any] | None:
    """The first input that is a picture: pixels by its shape, or a file of one as in the example that was answered."""
    for name, info in signature.inputs.items():
        found: dict[str, Any] = {"input": name, "dtype": f"DT_{info.dtype.name}"}
        example = inputs.get(name)
        if info.dtype is DataType.STRING and example is not None and _is_picture(example):
            return found | {"height": None, "width": None, "channels": None}
        if info.dtype in _PIXELS and info.shape is not None and _is_pixels(info.shape):
            height, width, channels = (size if size >= 0 else None for size in info.shape[1:])
            return found | {"height": height, "width": width, "channels": channels}
    return None


def _is_pixels(shape: tuple[int, ...]) -> bool:
    sides_fit = len(shape) == _RANK and all(side < 0 or side >= _SMALLEST_SIDE for side in shape[1:3])
    return sides_fit and shape[3] in _CHANNELS


def _is_picture(example: Tensor) -> bool:
    return example.array.size > 0 and all(bytes(each).startswith(_PICTURES) for each in example.array.flat)
