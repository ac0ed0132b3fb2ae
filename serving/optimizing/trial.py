"""The process that tries engines on one SavedModel: started by ``trying``, as a program of its own.

It gets one JSON request on its standard input and answers with one, followed by files (``process``). It loads the model
as the server does, through TensorFlow's C API; an engine that crashes on a graph ends this process alone.
"""

import base64
import ctypes
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from serving.codecs.protobuf import tensor_proto
from serving.core.servable import Run
from serving.core.tensor import DataType, Tensor
from serving.core.version_files import SAVED_MODEL
from serving.errors import ServingError
from serving.openvino import library as openvino
from serving.openvino.compiling import EngineSettings, Numbers
from serving.openvino.library import OpenVinoError
from serving.optimizing import comparing, graph_state
from serving.optimizing.body_trial import Answered, BodyTrial, TriedBody
from serving.optimizing.candidates import NotOptimizedError, Step
from serving.optimizing.cells import filled
from serving.optimizing.comparing import Comparison
from serving.optimizing.examples import examples
from serving.optimizing.freezing import FrozenGraph
from serving.optimizing.graph_index import GraphIndex
from serving.optimizing.session import WholeStep, open_frozen, with_weights
from serving.servables import custom_ops, libtensorflow
from serving.servables.saved_model import SavedModelOptions, SavedModelServable, load_saved_model

Clock = Callable[[], float]

_PR_SET_PDEATHSIG = 1
_FDS_PER_MESSAGE = 100
_MAX_STREAMS_BYTES = 32 * 2**20
"""Weights up to which a model is opened a second time, for calls side by side: the two do not share what they pack."""


def main(clock: Clock = time.perf_counter) -> None:
    """Read the request, answer it, end. ``clock`` gives seconds."""
    _lower_priority()
    connection = socket.socket(fileno=os.dup(0))
    with connection.makefile("rb") as stream:
        request = json.loads(stream.readline())
    threading.Thread(target=_exit_with_server, args=(connection,), daemon=True).start()
    try:
        trial = _Trial(request, clock)
        parts = [trial.part(step) for step in request["steps"]]
    except (ServingError, NotOptimizedError, OSError) as error:
        _send(connection, {"error": f"it cannot be tried: {error}"}, [])
        return
    _send(connection, {"parts": [facts for facts, _ in parts]}, [fd for _, files in parts for fd in files])
    os._exit(0)  # nothing here has to be freed in order


def _lower_priority() -> None:
    """Yield to the server in everything, and end with it."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    with suppress(OSError):  # a sandbox may forbid it
        os.nice(19)


def _exit_with_server(connection: socket.socket) -> None:
    connection.recv(1)
    os._exit(1)


def _send(connection: socket.socket, facts: dict[str, Any], files: Sequence[int]) -> None:
    connection.sendall(json.dumps({**facts, "files": len(files)}).encode() + b"\n")
    for start in range(0, len(files), _FDS_PER_MESSAGE):
        socket.send_fds(connection, [b"."], files[start : start + _FDS_PER_MESSAGE])


class _Trial:
    """The model as the server has it."""

    def __init__(self, request: dict[str, Any], clock: Clock) -> None:
        self._request = request
        self._clock = clock
        self._path = Path(request["path"])
        self._config = base64.b64decode(request["config"])
        self._tolerance = float(request["tolerance"])
        self._executor = ThreadPoolExecutor(1)
        meta_graph = graph_state.read_meta_graph(self._path / SAVED_MODEL, request["tags"])
        self._index = GraphIndex(meta_graph.graph_def)
        custom_ops.load_custom_ops([Path(each) for each in request["libraries"]])
        options = SavedModelOptions(tags=tuple(request["tags"]), session_config=self._config)
        self._plain: SavedModelServable = load_saved_model(self._path, options, self._executor)

    def part(self, order: dict[str, Any]) -> tuple[dict[str, Any], list[int]]:
        """What became of one step, and its files: the example, and what ``trying`` has to open."""
        step = Step(tuple(order["feeds"]), tuple(order["fetches"]))
        try:
            plain: Run = self._plain.resolve(*step)
            comparison = Comparison(plain, examples(self._plain.signatures, step, self._path, self._index), self._clock)
        except NotOptimizedError as reason:
            return {"error": str(reason), "files": 0}, []
        facts: dict[str, Any] = {"plain_seconds": comparison.plain_seconds}
        example, answers = comparison.answered[0]
        tried = [[_encoded(each) for each in tensors] for tensors in (example, answers)]
        files = [_memory_file(json.dumps(tried).encode())]
        best: Run = plain
        if order["optimized"] is not None:
            facts["optimized"], run = self._optimized(step, _frozen(order["optimized"]), comparison)
            best = run or plain
        if order["flat"] is not None:
            flat = _frozen(order["flat"])
            facts["openvino"], more = self._openvino(step, flat, comparison, best)
            facts["flat"] = self._flat_agrees(step, flat, comparison)
            files += more
        return {**facts, "files": len(files)}, files

    def _optimized(self, step: Step, frozen: FrozenGraph, comparison: Comparison) -> tuple[dict[str, Any], Run | None]:
        """Whether TensorFlow's own optimised graph may take the place of the graph as saved."""
        try:
            session = open_frozen(libtensorflow.load(), frozen, self._config)
            run = WholeStep(session, step, self._executor).whole
            outcome = comparison.outcome(run, self._tolerance)
        except (NotOptimizedError, ServingError) as reason:
            return {"error": str(reason)}, None
        return {"seconds": outcome.seconds, "difference": outcome.difference}, run

    def _flat_agrees(self, step: Step, flat: FrozenGraph, comparison: Comparison) -> bool:
        """Whether TensorFlow answers with the flat graph as with the one that is saved."""
        try:
            run = WholeStep(open_frozen(libtensorflow.load(), flat, self._config), step, self._executor).whole
            comparison.difference(run, comparing.SAME_PRECISION)
        except (NotOptimizedError, ServingError):
            return False
        return True

    def _openvino(
        self, step: Step, flat: FrozenGraph, comparison: Comparison, plain: Run
    ) -> tuple[dict[str, Any], list[int]]:
        """What OpenVINO gains over ``plain``, by cells."""
        threads = int(self._request["threads"])
        numbers = Numbers(self._request["numbers"])
        latency = EngineSettings(threads=threads, numbers=numbers)
        infos = {info.name: info for each in self._plain.signatures.values() for info in each.inputs.values()}
        answered = [Answered(example=example, answers=answers) for example, answers in comparison.answered]
        try:
            trial = BodyTrial(openvino.load(), latency, self._config, self._executor, self._tolerance)
            graph = with_weights(flat)
            feeds = [infos[name] for name in step.feeds]
            exact = comparison.refused and any(info.shape is None or -1 in info.shape[1:] for info in feeds)
            tried = trial.tried(step, feeds, graph, answered, exact=exact)
            streams = EngineSettings(threads=threads, streams=threads, numbers=numbers)
            side_by_side = trial.opened(tried, streams) if self._streams_pay(tried, threads) else None
            table = filled(
                plain,
                tried.body,
                (tried.model, side_by_side),
                [each.example for each in answered],
                rows=self._request["rows"],
                calls=sorted({1, threads}),
                clock=self._clock,
            )
        except (NotOptimizedError, OpenVinoError, ServingError) as reason:
            return {"error": str(reason)}, []
        files = [tried.blob, *(() if tried.head is None else (_memory_file(tried.head),))]
        facts = {
            "plan": tried.plan.as_json(),
            "table": table.as_json(),
            "difference": tried.difference,
            "head": tried.head is not None,
        }
        return facts, files

    def _streams_pay(self, tried: TriedBody, threads: int) -> bool:
        return threads > 1 and os.fstat(tried.blob).st_size <= _MAX_STREAMS_BYTES


def _frozen(files: Sequence[int]) -> FrozenGraph:
    graph, *weights = files
    return FrozenGraph(graph=graph, weights=tuple(weights))


def _encoded(tensor: Tensor) -> str:
    return base64.b64encode(tensor_proto.encode(tensor, as_content=tensor.dtype is not DataType.STRING)).decode()


def _memory_file(data: bytes) -> int:
    fd = os.memfd_create("trial")
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
    return fd


if __name__ == "__main__":
    main()
