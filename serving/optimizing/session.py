"""An optimised graph as a session, and the one step that it has cut to what each request asks for."""

from collections.abc import Sequence
from concurrent.futures import Executor, Future

from serving.core.servable import Run
from serving.core.tensor import Tensor
from serving.optimizing.candidates import Step
from serving.optimizing.process import Optimized
from serving.protos import ConfigProto, message
from serving.servables.libtensorflow import Library
from serving.servables.session import Session, SessionRun, open_graph

_GraphDef = message("tensorflow.GraphDef")


def open_optimized(library: Library, optimized: Optimized, session_config: bytes) -> Session:
    """A session on what the child made, which keeps the files of its weights open as long as it is.

    Raises ServingError; the files stay the caller's then.
    """
    graph = _GraphDef.FromString(optimized.graph)
    for node in graph.node:
        if node.op == "ImmutableConst":
            # Opened when a step is first run, by this process: /proc names the file for as long as it is open.
            fd = optimized.weights[int(node.attr["memory_region_name"].s)]
            node.attr["memory_region_name"].s = f"/proc/self/fd/{fd}".encode()
    return open_graph(library, graph.SerializeToString(), _static(session_config), on_close=optimized.close)


def _static(session_config: bytes) -> bytes:
    """The same for a graph that does not change and has been optimised: TensorFlow then keeps fewer copies of it."""
    config = ConfigProto.FromString(session_config)
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    config.experimental.optimize_for_static_graph = True
    config.experimental.disable_output_partition_graphs = True
    return bytes(config.SerializeToString())


class WholeStep:
    """The one step of an optimised model. Whatever is asked for, all of it runs: it has one set of packed weights."""

    def __init__(self, session: Session, step: Step, executor: Executor) -> None:
        self._step = step
        self._executor = executor
        self._run = SessionRun(session, step.feeds, step.fetches, executor)

    def part(self, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> Run | None:
        """The run that takes ``feeds`` and gives ``fetches``; None if these are not the step's."""
        if sorted(feeds) != sorted(self._step.feeds) or not set(fetches) <= set(self._step.fetches):
            return None
        if (feeds, fetches) == self._step:
            return self._run
        taken = [feeds.index(name) for name in self._step.feeds]
        given = [self._step.fetches.index(name) for name in fetches]
        return _PartOfStep(self._run, taken, given, self._executor)


class _PartOfStep:
    """A run that takes the inputs in another order, or gives some of the outputs."""

    def __init__(self, run: SessionRun, taken: Sequence[int], given: Sequence[int], executor: Executor) -> None:
        self._run = run
        self._executor = executor
        self._taken = taken
        self._given = given

    @property
    def inline(self) -> bool:
        return self._run.inline

    def inline_for(self, tensors: Sequence[Tensor]) -> bool:
        """As of the step."""
        return self._run.inline_for(tensors)

    def __call__(self, tensors: Sequence[Tensor], timeout_ms: int) -> list[Tensor]:
        outputs = self._run([tensors[index] for index in self._taken], timeout_ms)
        return [outputs[index] for index in self._given]

    def submit(self, tensors: Sequence[Tensor], timeout_ms: int) -> Future[list[Tensor]]:
        """The same on the servable's pool."""
        return self._executor.submit(self, tensors, timeout_ms)
