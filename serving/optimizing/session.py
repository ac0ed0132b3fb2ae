"""An optimised graph as a session, and the one step that it has cut to what each request asks for."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from functools import cache, partial
from typing import Any

from serving.core.tensor import Tensor
from serving.errors import Code, ServingError
from serving.optimizing.candidates import Step
from serving.optimizing.freezing import FrozenGraph
from serving.protos import ConfigProto, message
from serving.servables.libtensorflow import Library
from serving.servables.session import Session, SessionRun, open_graph

_GraphDef = message("tensorflow.GraphDef")

_OF_TIME = (Code.CANCELLED, Code.DEADLINE_EXCEEDED, Code.RESOURCE_EXHAUSTED)
"""Failures of which the outputs that nobody asked for are no cause."""

FILL_TABLES = "serving/fill_tables"
"""What the child calls the operation that fills the tables of a graph."""

_WITH_FUNCTIONS = frozenset(("If", "StatelessIf", "Case", "StatelessCase", "While", "StatelessWhile"))
"""Loops and branches whose parts are functions."""


def open_frozen(library: Library, frozen: FrozenGraph, session_config: bytes) -> Session:
    """A session on what the child made; the files of its weights have to stay open as long as it is. ServingError."""
    graph = _GraphDef.FromString(frozen.read())
    for node in graph.node:
        if node.op == "ImmutableConst":
            # Opened when a step is first run, by this process: /proc names the file for as long as it is open.
            fd = frozen.weights[int(node.attr["memory_region_name"].s)]
            node.attr["memory_region_name"].s = f"/proc/self/fd/{fd}".encode()
    return _filled(library, graph, _static(session_config))


def open_filled(library: Library, graph_def: bytes, session_config: bytes) -> Session:
    """The same for a serialised GraphDef with its weights in it: a part of what the child made. ServingError."""
    return _filled(library, _GraphDef.FromString(graph_def), session_config)


def _filled(library: Library, graph: Any, session_config: bytes) -> Session:
    """A session on a GraphDef, which has filled its tables."""
    lower(graph)
    session = open_graph(library, graph.SerializeToString(), session_config)
    try:
        if any(node.name == FILL_TABLES for node in graph.node):
            session.run_operation(FILL_TABLES)
    except ServingError:
        session.close()
        raise
    return session


def lower(graph: Any) -> None:
    """Have TensorFlow take the loops and branches of a GraphDef apart, as it does in the graph as saved.

    Only then iterations run side by side. The child leaves it out, for other engines know no such loops.
    """
    for nodes in (graph.node, *(function.node_def for function in graph.library.function)):
        for node in nodes:
            if node.op in _WITH_FUNCTIONS:
                node.attr["_lower_using_switch_merge"].b = True


def with_weights(frozen: FrozenGraph) -> Any:
    """The GraphDef with its weights in it, for engines that know no other."""
    graph = _GraphDef.FromString(frozen.read())
    for node in graph.node:
        if node.op == "ImmutableConst":
            fd = frozen.weights[int(node.attr["memory_region_name"].s)]
            dtype, shape = node.attr["dtype"].type, node.attr["shape"].shape.SerializeToString()
            node.op = "Const"
            node.attr.clear()
            node.attr["dtype"].type = dtype
            value = node.attr["value"].tensor
            value.dtype = dtype
            value.tensor_shape.MergeFromString(shape)
            value.tensor_content = os.pread(fd, os.fstat(fd).st_size, 0)
    return graph


def _static(session_config: bytes) -> bytes:
    """The same for a graph that does not change and has been optimised: TensorFlow then keeps fewer copies of it."""
    config = ConfigProto.FromString(session_config)
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    config.experimental.optimize_for_static_graph = True
    config.experimental.disable_output_partition_graphs = True
    return bytes(config.SerializeToString())


class WholeStep:
    """The one step of an optimised model. Whatever is asked for, all of it runs: it has one set of packed weights.

    Only if that fails does a part run alone: what nobody asked for must not fail a call.
    """

    def __init__(self, session: Session, step: Step, executor: Executor) -> None:
        self._session = session
        self._step = step
        self._executor = executor
        self.whole = SessionRun(session, step.feeds, step.fetches, executor)

    def resolve(self, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> SessionRun:
        """A run of any tensors of the graph. Raises ServingError for those that it lacks."""
        return SessionRun(self._session, feeds, fetches, self._executor)

    def part(self, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> "TensorFlowRun | None":
        """The run that takes ``feeds`` and gives ``fetches``; None if these are not the step's."""
        if sorted(feeds) != sorted(self._step.feeds) or not set(fetches) <= set(self._step.fetches):
            return None
        if (feeds, fetches) == self._step:
            return self.whole
        taken = [feeds.index(name) for name in self._step.feeds]
        given = [self._step.fetches.index(name) for name in fetches]
        alone = partial(SessionRun, self._session, feeds, fetches, self._executor)
        return PartOfRun(self.whole, taken, given, self._executor, alone)


class PartOfRun:
    """A run that takes the inputs in another order, or gives some of the outputs; ``alone`` makes one of these only."""

    def __init__(
        self,
        run: SessionRun,
        taken: Sequence[int],
        given: Sequence[int],
        executor: Executor,
        alone: Callable[[], SessionRun],
    ) -> None:
        self._run = run
        self._alone = cache(alone)
        self._executor = executor
        self._taken = taken
        self._given = given

    @property
    def inline(self) -> bool:
        """As of the step."""
        return self._run.inline

    def inline_for(self, tensors: Sequence[Tensor]) -> bool:
        """As of the step."""
        return self._run.inline_for(tensors)

    def short_for(self, tensors: Sequence[Tensor]) -> bool:
        """As of the step."""
        return self._run.short_for(tensors)

    def __call__(self, tensors: Sequence[Tensor], timeout_ms: int) -> list[Tensor]:
        """As of the step."""
        try:
            outputs = self._run([tensors[index] for index in self._taken], timeout_ms)
        except ServingError as error:
            if error.code in _OF_TIME:
                raise
            return self._alone()(tensors, timeout_ms)
        return [outputs[index] for index in self._given]

    def submit(self, tensors: Sequence[Tensor], timeout_ms: int) -> Future[list[Tensor]]:
        """The same on the servable's pool."""
        return self._executor.submit(self, tensors, timeout_ms)


TensorFlowRun = SessionRun | PartOfRun
