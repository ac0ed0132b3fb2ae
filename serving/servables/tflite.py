"""A TensorFlow Lite file as a servable, run by interpreters of the package ai-edge-litert, TensorFlow Lite's successor.

It does not use TensorFlow. An interpreter serves one call at a time, a pool of them as many
(docs/models.md, "TensorFlow Lite").
"""

import re
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import nullcontext, suppress
from pathlib import Path
from queue import Empty, LifoQueue
from typing import Any

from serving.codecs.protobuf import signature_def
from serving.core.bounded import Bounded
from serving.core.servable import Run
from serving.core.signature import Signature
from serving.core.tensor import Tensor
from serving.errors import Code, ServingError, invalid_argument
from serving.host.held_lines import without_lines
from serving.servables import tflite_signatures
from serving.servables.pace import Pace, elements
from serving.servables.tflite_interpreter import Tensors, TfliteInterpreter, TfliteTensor

_Pool = LifoQueue[TfliteInterpreter]
"""The last one used comes first: its tensors are likelier to have the right shapes, and to be in a cache."""


_DELEGATE = re.compile(rb"INFO: Created TensorFlow Lite ")
_told = threading.Event()
"""Set once the library has told of its delegate, which it does once in a process."""


def load_tflite(path: Path, *, interpreters: int, threads: int, executor: Executor) -> "TfliteServable":
    """Load the file ``path`` into ``interpreters`` with ``threads`` each; ``executor`` runs slow calls.

    Raises ServingError: FAILED_PRECONDITION without the package, otherwise as docs/compatibility.md says.
    """
    kind = _interpreter_class(path.name)
    try:
        model = path.read_bytes()
    except OSError as error:
        raise ServingError(Code.NOT_FOUND, f"{path}; {error.strerror}") from error
    with nullcontext() if _told.is_set() else without_lines(_DELEGATE):
        first = TfliteInterpreter(kind, model, threads)
        definitions = tflite_signatures.definitions(model, first.inputs, first.outputs)
        pool = [first, *(TfliteInterpreter(kind, model, threads) for _ in range(interpreters - 1))]
        for interpreter in pool:
            interpreter.plan()
    _told.set()
    return TfliteServable(pool, definitions, executor)


def _interpreter_class(wanted_for: str) -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise ServingError(
            Code.FAILED_PRECONDITION,
            f"Serving {wanted_for} needs the package ai-edge-litert, which cannot be imported here ({error}). Install "
            "it, or leave out --prefer_tflite_model to serve the SavedModel of the version",
        ) from error
    return Interpreter


class TfliteServable:
    """One loaded file. Thread-safe; ``close`` must come after the last call has returned."""

    engine = "tflite"
    """What answers its calls, where others have TensorFlow."""

    def __init__(
        self, interpreters: Sequence[TfliteInterpreter], definitions: Mapping[str, Any], executor: Executor
    ) -> None:
        self.signature_defs = definitions
        self.signatures: Mapping[str, Signature] = signature_def.decode_all(definitions)
        self._inputs, self._outputs = interpreters[0].inputs, interpreters[0].outputs
        self._pool: _Pool = LifoQueue()
        for interpreter in interpreters:
            self._pool.put(interpreter)
        self._executor = executor
        self._resolved: Bounded[tuple[tuple[str, ...], tuple[str, ...]], Run] = Bounded()

    def resolve(self, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> Run:
        """The call that feeds these inputs and fetches these outputs. INTERNAL for any other tensor."""
        run = self._resolved.get((feeds, fetches))
        if run is None:
            fed = [_known("input", self._inputs, name) for name in feeds]
            fetched = [_known("output", self._outputs, name) for name in fetches]
            run = self._resolved.keep((feeds, fetches), _TfliteRun(self._pool, fed, fetched, self._executor))
        return run

    def close(self) -> None:
        """Let go of the interpreters, and of the file's bytes that they share."""
        self._resolved.clear()
        with suppress(Empty):
            while True:
                self._pool.get_nowait()


def _known(kind: str, tensors: Tensors, name: str) -> TfliteTensor:
    tensor = tflite_signatures.find(tensors, name)
    if tensor is None:
        raise ServingError(Code.INTERNAL, f"Missing {kind} TFLite tensor: {name}: Unknown tensor '{name}'.")
    return tensor


class _TfliteRun:
    """One resolved combination of inputs and outputs, and how long its calls take."""

    def __init__(
        self, pool: _Pool, feeds: Sequence[TfliteTensor], fetches: Sequence[TfliteTensor], executor: Executor
    ) -> None:
        self._pool = pool
        self._feeds = tuple(feeds)
        self._fetches = tuple(fetches)
        self._executor = executor
        self._pace = Pace()

    @property
    def inline(self) -> bool:
        """Whether calls have been short so far and an interpreter is free, for waiting for one may be long."""
        return self._pace.inline and not self._pool.empty()

    def inline_for(self, tensors: Sequence[Tensor]) -> bool:
        """The same of inputs about as large."""
        return self._pace.inline_for(elements(tensors)) and not self._pool.empty()

    def __call__(self, tensors: Sequence[Tensor], timeout_ms: int) -> list[Tensor]:
        """Run an interpreter. ``timeout_ms`` bounds the wait for a free one; a run that has begun is not stopped."""
        for position, (tensor, feed) in enumerate(zip(tensors, self._feeds, strict=True)):
            if tensor.dtype is not feed.dtype:
                raise invalid_argument(
                    f"Expects arg[{position}] to be {feed.dtype.word} but {tensor.dtype.word} is provided"
                )
        try:
            interpreter = self._pool.get(timeout=timeout_ms / 1000 if timeout_ms > 0 else None)
        except Empty:
            raise ServingError(
                Code.DEADLINE_EXCEEDED, f"No TensorFlow Lite interpreter was free within {timeout_ms} ms"
            ) from None
        started = time.perf_counter()
        try:
            return interpreter.run(zip(self._feeds, tensors, strict=True), self._fetches)
        finally:
            self._pace.note(elements(tensors), time.perf_counter() - started)
            self._pool.put(interpreter)

    def submit(self, tensors: Sequence[Tensor], timeout_ms: int) -> Future[list[Tensor]]:
        """The same on the servable's threads."""
        return self._executor.submit(self, tensors, timeout_ms)
