"""What the page is answered with, in its forms: state and samples as JSON, examples of requests, the page's files."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, is_dataclass, replace
from threading import Lock, Semaphore
from typing import TYPE_CHECKING, Any

import orjson

from serving.codecs.openapi import bodies
from serving.core.signature import DEFAULT_SIGNATURE_NAME, Signature
from serving.core.tensor import DataType, Tensor
from serving.errors import Code, ServingError
from serving.inference import infer
from serving.inference.principal import Principal, Right
from serving.inference.trials import Trials
from serving.ui.files import PageFile
from serving.ui.values import Sample, StateView

if TYPE_CHECKING:
    from serving.rest.api.openapi_documents import Documents
    from serving.rest.api.ui_events import Events

_MOST_WAITING = 16
"""Requests for the state that are answered at a time: each takes a thread."""

_PICTURES = b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM"
_CHANNELS = (1, 3, 4)
_PIXELS = frozenset((DataType.FLOAT, DataType.HALF, DataType.BFLOAT16, DataType.DOUBLE, DataType.UINT8))
_RANK = 4
_SMALLEST_SIDE = 8
"""Pixels; what has fewer is no picture, but numbers."""


class Written:
    """The state and the samples as bytes, for whoever may see what; each is written once. Thread-safe, and blocking."""

    def __init__(self, state: Callable[[], StateView], sample: Callable[[], Sample]) -> None:
        self._state, self._sample = state, sample
        self._lock = Lock()
        self._states: tuple[StateView | None, dict[object, bytes]] = None, {}
        self._samples: tuple[Sample | None, dict[object, bytes]] = None, {}

    def state(self, principal: Principal | None) -> tuple[StateView, bytes]:
        """What there is, and the same as somebody may see it; the very state of before if nothing has changed."""
        seen = self._state()
        with self._lock:
            if self._states[0] is not seen:
                self._states = seen, {}
            kept = self._states[1]
            who = _kind(principal)
            if who not in kept:
                kept[who] = _state_json(seen, principal)
            return seen, kept[who]

    def sample(self, principal: Principal | None) -> bytes:
        """Numbers of the models that somebody may see."""
        seen = self._sample()
        with self._lock:
            if self._samples[0] is not seen:
                self._samples = seen, {}
            kept = self._samples[1]
            who = _kind(principal)
            if who not in kept:
                shown = {name: each for name, each in seen.models.items() if _may_use(principal, name)}
                kept[who] = _json(replace(seen, models=shown))
            return kept[who]


class UiAnswers:
    """All of it; ``events`` are the answers that go on, ``documents`` gives what examples are from."""

    def __init__(
        self,
        files: Mapping[str, PageFile],
        written: Written,
        events: "Events",
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
            return _json({"body": None, "image": _image(signature, {})})
        inputs = answered.inputs
        body = bodies.rows(name, inputs) if answered.in_rows else bodies.columns(name, inputs)
        return _json({"body": body, "image": _image(signature, inputs)})


def _kind(principal: Principal | None) -> object:
    """What is the same for all who see the same."""
    return None if principal is None else (principal.models, principal.rights)


def _may_use(principal: Principal | None, model: str) -> bool:
    return principal is None or principal.may_use(model)


def _state_json(state: StateView, principal: Principal | None) -> bytes:
    shown = tuple(model for model in state.models if _may_use(principal, model.name))
    server, findings = state.server, state.findings
    if principal is not None and principal.models is not None:  # both name models of others
        waits = "; for ".join(model.waits_for for model in shown if model.waits_for)
        server, findings = replace(server, waits_for=f"Waiting for {waits}" if waits else ""), ()
    rights = (Right.PREDICT, Right.READ, Right.ADMIN)
    may = {right.value: principal is None or right in principal.rights for right in rights}
    seen = {"server": server, "may": may, "models": shown, "findings": findings, "examined": state.examined}
    return _json(seen)


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


def _json(value: Any) -> bytes:
    """Without what HTML would take for a tag; what is no Unicode in a name is escaped."""
    try:
        written = orjson.dumps(value)
    except TypeError:
        written = json.dumps(value, default=_plain).encode()
    return written.replace(b"<", b"\\u003c")


def _plain(value: object) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")
