"""A session of TensorFlow's C API and the calls into it; where its graph comes from is not known here.

Feeds and fetches are graph tensors, resolved once per combination. Shapes are not checked and dtypes not cast here:
TensorFlow does the first where it matters and refuses the second, in its own words (docs/compatibility.md, "Predict").
"""

import ctypes
import time
from collections.abc import Sequence
from concurrent.futures import Executor, Future
from typing import Any

from serving.core.tensor import Tensor
from serving.errors import invalid_argument
from serving.protos import RunOptions
from serving.servables.libtensorflow import Library, Output
from serving.servables.pace import Pace
from serving.servables.tensors import from_tensorflow, to_tensorflow


class Session:
    """A TensorFlow session and its graph; closing it frees both."""

    def __init__(self, library: Library, handle: int, graph: int) -> None:
        self.library = library
        self.handle = handle
        self.graph = graph
        # RunOptions{inter_op_thread_pool: -1}: the whole step runs in the caller's thread.
        self.inline_options = _run_options(library, inter_op_thread_pool=-1)

    def output(self, name: str) -> Output:
        """The graph tensor called ``name``: ``operation:index``, or an operation for its first."""
        operation, _, index = name.partition(":")
        found = self.library.GraphOperationByName(self.graph, operation.encode("utf-8", "surrogateescape"))
        position = int(index) if index.isdecimal() else 0
        if not found or position >= self.library.OperationNumOutputs(found):
            raise invalid_argument(
                f"Tensor {name}, specified in either feed_devices or fetch_devices was not found in the Graph"
            )
        return Output(found, position)

    def close(self) -> None:
        """Free both; nothing may run any more."""
        library = self.library
        for action in (library.CloseSession, library.DeleteSession):
            with library.checked() as status:
                action(self.handle, status)
        library.DeleteGraph(self.graph)
        library.DeleteBuffer(self.inline_options)


class SessionRun:
    """One resolved combination of feeds and fetches, and how long its calls take."""

    def __init__(self, session: Session, feeds: tuple[str, ...], fetches: tuple[str, ...], executor: Executor) -> None:
        self._session = session
        self._library = session.library
        self._executor = executor
        self._feeds = (Output * len(feeds))(*[session.output(name) for name in feeds])
        self._fetches = (Output * len(fetches))(*[session.output(name) for name in fetches])
        self._input_handles = ctypes.c_void_p * len(feeds)
        self._output_handles = ctypes.c_void_p * len(fetches)
        self._pace = Pace()

    @property
    def inline(self) -> bool:
        """Whether calls have been short so far."""
        return self._pace.inline

    def __call__(self, tensors: Sequence[Tensor], timeout_ms: int) -> list[Tensor]:
        """Run the step. A step that has been short runs in this thread, without a time limit that could not act."""
        started = time.perf_counter()
        if self.inline or timeout_ms <= 0:
            outputs = self._run(tensors, self._session.inline_options)
        else:
            options = _run_options(self._library, timeout_in_ms=min(timeout_ms, 2**63 - 1))
            try:
                outputs = self._run(tensors, options)
            finally:
                self._library.DeleteBuffer(options)
        self._pace.note(time.perf_counter() - started)
        return outputs

    def submit(self, tensors: Sequence[Tensor], timeout_ms: int) -> Future[list[Tensor]]:
        """The same on the servable's pool."""
        return self._executor.submit(self, tensors, timeout_ms)

    def _run(self, tensors: Sequence[Tensor], options: Any) -> list[Tensor]:
        library = self._library
        inputs, outputs = self._input_handles(), self._output_handles()
        status = library.take_status()
        try:
            for index, tensor in enumerate(tensors):
                inputs[index] = to_tensorflow(library, tensor)
            library.SessionRun(
                self._session.handle,
                options,
                self._feeds,
                inputs,
                len(inputs),
                self._fetches,
                outputs,
                len(outputs),
                None,
                0,
                None,
                status,
            )
            library.check(status)
            return [from_tensorflow(library, handle or 0) for handle in outputs]
        finally:
            library.give_status(status)
            for handle in (*inputs, *outputs):
                if handle:
                    library.DeleteTensor(handle)


def _run_options(library: Library, **fields: int) -> Any:
    data = RunOptions(**fields).SerializeToString()
    return library.NewBufferFromString(data, len(data))
