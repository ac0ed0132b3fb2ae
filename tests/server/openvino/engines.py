"""Both engines behind one call each: TensorFlow in a process of its own, OpenVINO as the server would be allowed to."""

import os
import pickle
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from serving.core.tensor import DataType, Tensor
from serving.openvino import library
from serving.openvino.compiled import CompiledModel, Port
from serving.openvino.compiling import EngineSettings, compiled
from serving.openvino.division import BodyInput, Division, body_graph, divide, head_graph
from serving.openvino.eligibility import Feed, TensorSpec
from serving.protos import message
from tests.server.openvino.graphs.case import Array, Case, Inputs

_GraphDef = message("tensorflow.GraphDef")
_SETTINGS = EngineSettings(threads=1)


class TensorFlow:
    """A process that answers with TensorFlow, ended by ``close``."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.server.openvino.tensorflow_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=Path(__file__).parents[3],
            env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        )

    def ask(self, *request: Any) -> Any:
        """One request and its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        pickle.dump(request, self._process.stdin)
        self._process.stdin.flush()
        return pickle.load(self._process.stdout)

    def run(self, graph: bytes, feed: Mapping[str, Array], fetches: Sequence[str]) -> list[Array] | str:
        """What a graph gives, or the text of its error."""
        answer: list[Array] | str = self.ask("run", graph, dict(feed), list(fetches))
        return answer

    def close(self) -> None:
        """End the process."""
        with self._process as process:
            assert process.stdin is not None
            process.stdin.close()


class Step:
    """One graph as a version's loading would see it: flattened, with what TensorFlow says of its tensors."""

    def __init__(self, tensorflow: TensorFlow, case: Case) -> None:
        self._tensorflow = tensorflow
        self._case = case
        self._graph, self._feeds, self._fetches, specs = tensorflow.ask("flatten", case.name)
        self._specs = {
            name: TensorSpec(DataType(dtype), None if shape is None else tuple(shape))
            for name, (dtype, shape) in specs.items()
        }

    def divide(self) -> Division:
        """Raises NotEligibleError."""
        feeds = []
        for name, tensor in self._feeds.items():
            shape = self._case.signature[name][1]
            sizes = None if shape is None else tuple(-1 if size is None else size for size in shape)
            feeds.append(Feed(tensor, self._specs[tensor].dtype, sizes))
        return divide(_GraphDef.FromString(self._graph), feeds, self._fetches, self._specs)

    def expected(self, inputs: Inputs) -> list[Array] | str:
        """What TensorFlow answers."""
        return self._tensorflow.run(self._graph, self._fed(inputs), self._fetches)

    def divided(self, division: Division) -> "Divided":
        """The graph on both engines."""
        return Divided(self._tensorflow, _GraphDef.FromString(self._graph), division, self._fetches)

    def _fed(self, inputs: Inputs) -> dict[str, Array]:
        return {self._feeds[name]: array for name, array in inputs.items()}

    def answer(self, divided: "Divided", inputs: Inputs) -> list[Array] | None:
        """What the divided graph answers, or None if the request is TensorFlow's."""
        for name, array in inputs.items():
            shape = self._case.signature[name][1]
            if (
                shape is None
                or len(shape) != array.ndim
                or any(size not in (None, own) for size, own in zip(shape, array.shape, strict=True))
            ):
                return None
        return divided.answer(self._fed(inputs))


class Divided:
    """A graph cut in two. The compiled model is made anew after a failure, for one failure spoils it."""

    def __init__(self, tensorflow: TensorFlow, graph: Any, division: Division, fetches: Sequence[str]) -> None:
        self._tensorflow = tensorflow
        self._division = division
        self._fetches = fetches
        self._head = head_graph(graph, division).SerializeToString()
        self._model = compiled_model(division, body_graph(graph, division))

    def answer(self, feed: Mapping[str, Array]) -> list[Array] | None:
        """The fetches, or None if TensorFlow must be asked."""
        tensors = dict(feed)
        if self._division.head:
            given = self._tensorflow.run(self._head, feed, self._division.head)
            if isinstance(given, str):
                return None
            tensors |= dict(zip(self._division.head, given, strict=True))
        if not self._passes(tensors):
            return None
        results = self._model([Tensor(each.dtype, tensors[each.source]) for each in self._division.inputs])
        found = {each.fetch: result.array for each, result in zip(self._division.outputs, results, strict=True)}
        found |= {fetch: tensors[name] for fetch, name in self._division.given.items()}
        return [found[fetch] for fetch in self._fetches]

    def _passes(self, tensors: Mapping[str, Array]) -> bool:
        arrays = [tensors[each.source] for each in self._division.inputs]
        for group in self._division.same_sizes:
            if len({arrays[index].shape[axis] for index, axis in group}) > 1:
                return False
        return all(_accepts(each, array) for each, array in zip(self._division.inputs, arrays, strict=True))


def _accepts(given: BodyInput, array: Array) -> bool:
    """Whether OpenVINO may be handed an array, as far as its division says; how large a float may be, loading finds."""
    if len(given.shape) != array.ndim or 0 in array.shape:
        return False
    if any(size not in (-1, own) for size, own in zip(given.shape, array.shape, strict=True)):
        return False
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        return False
    return given.bounds is None or bool((array >= given.bounds[0]).all() and (array < given.bounds[1]).all())


def compiled_model(division: Division, body: Any) -> CompiledModel:
    """A body graph in OpenVINO, as the server has it."""
    types = {node.name: DataType(node.attr["T"].type) for node in body.node}
    blob = compiled(library.load(), _SETTINGS, body.SerializeToString())
    try:
        return CompiledModel(
            library.load(),
            _SETTINGS,
            blob,
            [Port(each.name, each.dtype) for each in division.inputs],
            [Port(each.name, types[each.name.removesuffix(":0")]) for each in division.outputs],
        )
    finally:
        os.close(blob)
