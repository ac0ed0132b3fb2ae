"""A session of TensorFlow's C API, on a graph that is loaded elsewhere or at hand as bytes, and the calls into it.

Feeds and fetches are graph tensors, resolved once per combination. Shapes are not checked and dtypes not cast here:
TensorFlow does the first where it matters and refuses the second, in its own words (docs/compatibility.md, "Predict").
"""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, Future
from ctypes import byref, c_int, c_void_p
from typing import Any

from serving.core.tensor import Tensor
from serving.errors import ServingError
from serving.protos import RunOptions
from serving.servables import graph_tensors, ranks
from serving.servables.libtensorflow import Library, Output
from serving.servables.pace import Pace, PaceOfLoops, elements
from serving.servables.run_limits import NO_LIMITS
from serving.servables.tensors import from_tensorflow, to_tensorflow
from serving.servables.threads import ModelThreads


class Session:
    """A TensorFlow session and its graph; closing it frees both."""

    def __init__(self, library: Library, handle: int, graph: int) -> None:
        self.library = library
        self.handle = handle
        self.graph = graph
        self.may_loop = False
        """Whether a run may never end (``loops``)."""
        self.ranks: Mapping[str, int] = {}
        """By graph tensor, what is checked before a run because TensorFlow would abort (``ranks``)."""
        # RunOptions{inter_op_thread_pool: -1}: the whole step runs in the caller's thread.
        self.inline_options = _run_options(library, inter_op_thread_pool=-1)

    def run_operation(self, name: str) -> None:
        """Run an operation of the graph for its effect. Raises ServingError with TensorFlow's text."""
        library = self.library
        targets = (c_void_p * 1)(library.GraphOperationByName(self.graph, name.encode()))
        nothing = None, None, 0
        with library.checked() as status:
            library.SessionRun(self.handle, None, *nothing, *nothing, byref(targets), 1, None, status)

    def close(self) -> None:
        """Free both; nothing may run any more."""
        library = self.library
        for action in (library.CloseSession, library.DeleteSession):
            with library.checked() as status:
                action(self.handle, status)
        library.DeleteGraph(self.graph)
        library.DeleteBuffer(self.inline_options)


def open_graph(library: Library, graph_def: bytes, session_config: bytes) -> Session:
    """A session on a serialised GraphDef, its variables without values, with a serialised ConfigProto.

    Raises ServingError with TensorFlow's text.
    """
    graph = library.NewGraph()
    options, import_options = library.NewSessionOptions(), library.NewImportGraphDefOptions()
    buffer = library.NewBufferFromString(graph_def, len(graph_def))
    try:
        with library.checked() as status:
            library.SetConfig(options, session_config, len(session_config), status)
        with library.checked() as status:
            library.GraphImportGraphDef(graph, buffer, import_options, status)
        with library.checked() as status:
            return Session(library, library.NewSession(graph, options, status), graph)
    except ServingError:
        library.DeleteGraph(graph)
        raise
    finally:
        library.DeleteBuffer(buffer)
        library.DeleteImportGraphDefOptions(import_options)
        library.DeleteSessionOptions(options)


class SessionRun:
    """One resolved combination of feeds and fetches, and how long its calls take."""

    def __init__(self, session: Session, feeds: tuple[str, ...], fetches: tuple[str, ...], executor: Executor) -> None:
        self._session = session
        self._library = session.library
        self._executor = executor
        self._limits = executor.limits if isinstance(executor, ModelThreads) else NO_LIMITS
        self._unlimited = self._limits.unlimited
        found = graph_tensors.find(session.library, session.graph, feeds, fetches)
        self._feeds = (Output * len(feeds))(*found.feeds)
        self._fetches = (Output * len(fetches))(*found.fetches)
        self._types = tuple(session.library.OperationOutputType(output) for output in found.fetches)
        self._free_arguments: list[_CallArguments] = []
        self._pace = PaceOfLoops() if session.may_loop else Pace()
        self._ranks = ranks.needed(session.ranks, feeds)

    @property
    def inline(self) -> bool:
        """Whether calls have been short so far."""
        return self._pace.inline

    def inline_for(self, tensors: Sequence[Tensor]) -> bool:
        """Whether calls with about as many elements have been short so far."""
        return self._pace.inline_for(elements(tensors))

    def short_for(self, tensors: Sequence[Tensor]) -> bool:
        """Whether such calls need not wait for long ones."""
        return self._pace.short_for(elements(tensors))

    def __call__(self, tensors: Sequence[Tensor], timeout_ms: int) -> list[Tensor]:
        """Run the step. A step that has been short runs in this thread, without a time limit that could not act."""
        if self._ranks is not None:
            ranks.check(tensors, self._ranks)
        size = elements(tensors)
        began = time.perf_counter()
        if timeout_ms <= self._unlimited or self._pace.inline_for(size):
            outputs = self._run(tensors)
        else:
            outputs = self._run_limited(tensors, self._limits.milliseconds(timeout_ms))
        self._pace.note(size, time.perf_counter() - began)
        return outputs

    def submit(self, tensors: Sequence[Tensor], timeout_ms: int) -> Future[list[Tensor]]:
        """The same on the servable's pool."""
        executor = self._executor
        if isinstance(executor, ModelThreads) and self.short_for(tensors):
            executor = executor.short
        return executor.submit(self, tensors, timeout_ms)

    def _run_limited(self, tensors: Sequence[Tensor], timeout_ms: int) -> list[Tensor]:
        """On threads of TensorFlow that no other run has, for only there it looks at a time limit."""
        pool = self._limits.take_pool()
        options = _run_options(self._library, timeout_in_ms=timeout_ms, inter_op_thread_pool=pool)
        try:
            return self._run(tensors, options)
        finally:
            self._library.DeleteBuffer(options)
            self._limits.give_pool(pool)

    def _run(self, tensors: Sequence[Tensor], options: Any = None) -> list[Tensor]:
        library = self._library
        try:
            call = self._free_arguments.pop()
        except IndexError:  # one is in use in each thread that is here
            call = _CallArguments(self._session, self._feeds, self._fetches)
        fed: list[int] = []
        fetched: list[Any] = []
        try:
            for tensor in tensors:  # one by one: those that were made are freed if the next cannot be
                fed.append(to_tensorflow(library, tensor))
            call.inputs[:] = fed
            library.SessionRunPrepared(*(call.arguments if options is None else call.with_options(options)))
            fetched = call.outputs[:]  # slices: iterating over a ctypes array takes longer than the accessors
            call.outputs[:] = call.no_outputs
            if not fetched or not all(fetched):  # the status, which need not be asked for else, says why
                library.check(call.status)
            types = self._types
            if len(fetched) == 1:
                return [from_tensorflow(library, fetched[0], types[0])]
            return [from_tensorflow(library, handle, types[index]) for index, handle in enumerate(fetched)]
        finally:
            for handle in fed:
                library.DeleteTensor(handle)
            for handle in fetched:
                library.DeleteTensor(handle)
            self._free_arguments.append(call)


class _CallArguments:
    """The arguments of one ``TF_SessionRun`` at a time, kept for the next: making them takes as long as a small step.

    ``arguments`` refer to the arrays, which hold no tensor between calls that anybody reads or frees.
    """

    __slots__ = ("_library", "arguments", "inputs", "no_outputs", "outputs", "status")

    def __init__(self, session: Session, feeds: Any, fetches: Any) -> None:
        self._library = session.library
        self.status = self._library.take_status()
        self.inputs: Any = (c_void_p * len(feeds))()
        self.outputs: Any = (c_void_p * len(fetches))()
        self.no_outputs = (None,) * len(fetches)
        fed = byref(feeds), byref(self.inputs), c_int(len(feeds))
        fetched = byref(fetches), byref(self.outputs), c_int(len(fetches))
        no_targets, no_metadata = (c_void_p(), c_int(0)), c_void_p()
        last = (*fed, *fetched, *no_targets, no_metadata, c_void_p(self.status))
        self.arguments = (c_void_p(session.handle), session.inline_options, *last)

    def with_options(self, options: Any) -> tuple[Any, ...]:
        """The arguments with other RunOptions than those of a short step."""
        return self.arguments[0], options, *self.arguments[2:]

    def __del__(self) -> None:
        self._library.give_status(self.status)


def _run_options(library: Library, **fields: int) -> Any:
    data = RunOptions(**fields).SerializeToString()
    return library.NewBufferFromString(data, len(data))
