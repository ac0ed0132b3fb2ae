"""One step tried with OpenVINO: cut, compiled, and held against TensorFlow on ordinary and on adversarial inputs.

Runs in the process of a trial, whose end gives back whatever it takes.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from serving.core.signature import TensorInfo
from serving.core.tensor import DataType, Tensor
from serving.errors import ServingError
from serving.openvino import compiling
from serving.openvino.accepted import FLOAT_MAX, Accepted, AcceptedInput, Sizes
from serving.openvino.body import Body, BodyPlan, InputPlan, OutputPlan
from serving.openvino.compiled import CompiledModel, Port
from serving.openvino.compiling import EngineSettings
from serving.openvino.division import Division, body_graph, divide, head_graph
from serving.openvino.eligibility import Feed, NotEligibleError, TensorSpec
from serving.openvino.library import Library, OpenVinoError
from serving.optimizing.candidates import NotOptimizedError, Step
from serving.optimizing.comparing import Example, check_answers, sensitivity
from serving.optimizing.edges import Edge, edges
from serving.optimizing.seen_shapes import seen_shapes
from serving.optimizing.session import FILL_TABLES, open_filled
from serving.servables import libtensorflow, tensor_specs
from serving.servables.session import SessionRun, open_graph

_NO_LIMIT = 0
_INDEX_ROWS = 3

_FACTOR, _MOST_TOLERANCE = 10.0, 0.05
"""Extreme inputs may make an answer depend on the last bit of everything: so many times as much as TensorFlow's own
answer changes when the inputs do by their last bit is no disagreement, up to this part of the largest value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """An example, what TensorFlow answered to it, and the sizes that the model refused beside it."""

    example: Example
    answers: Sequence[Tensor]


@dataclass(slots=True, kw_only=True)
class TriedBody:
    """What a step is with OpenVINO, and what is needed to open it elsewhere: its files and its head's GraphDef."""

    plan: BodyPlan
    body: Body
    head: bytes | None
    model: CompiledModel
    blob: int
    difference: float


class BodyTrial:
    """Tries the steps of one model. ``open_session`` gives a session on a serialised GraphDef."""

    def __init__(
        self,
        library: Library,
        settings: EngineSettings,
        session_config: bytes,
        executor: Executor,
        tolerance: float,
    ) -> None:
        self._library = library
        self._settings = settings
        self._session_config = session_config
        self._executor = executor
        self._tolerance = tolerance

    def tried(
        self, step: Step, feeds: Sequence[TensorInfo], graph: Any, answered: Sequence[Answered], *, exact: bool
    ) -> TriedBody:
        """The step with OpenVINO, agreeing with TensorFlow in all that it accepts. Raises NotOptimizedError.

        ``graph`` is the step's frozen GraphDef. ``exact``: only the sizes of the examples may come, for the model
        refuses others in between.
        """
        try:
            return self._tried(step, feeds, graph, answered, exact)
        except NotEligibleError as reason:
            raise NotOptimizedError(str(reason)) from reason
        except OpenVinoError as error:
            raise NotOptimizedError(f"OpenVINO cannot run it: {error}") from error

    def opened(self, tried: TriedBody, settings: EngineSettings) -> CompiledModel:
        """The same body with other settings, from the same file. Raises OpenVinoError."""
        return _opened(self._library, settings, tried.blob, tried.plan)

    def _tried(
        self, step: Step, feeds: Sequence[TensorInfo], graph: Any, answered: Sequence[Answered], exact: bool
    ) -> TriedBody:
        specs = {name: TensorSpec(*spec) for name, spec in self._specs(graph.SerializeToString()).items()}
        division = self._divided(step, feeds, graph, specs, [each.example for each in answered])
        body, head = body_graph(graph, division), _head(graph, division)
        head_bytes = None if head is None else bytes(head.SerializeToString())
        body_bytes = bytes(body.SerializeToString())
        del body
        head_run = None if head_bytes is None else self._run(head_bytes, step.feeds, division.head)
        inner = [(_inner(division, step, each.example, head_run), each.answers) for each in answered]
        plan = _plan(division, specs, [example for example, _ in inner], exact=exact)
        blob = compiling.compiled(self._library, self._settings, body_bytes)
        model = _opened(self._library, self._settings, blob, plan)
        plan, difference = self._agreed(plan, body_bytes, model, [example for example, _ in inner])
        whole = Body(plan, step.feeds, step.fetches, head_run)
        difference = max(difference, self._whole_difference(whole, model, answered))
        return TriedBody(plan=plan, body=whole, head=head_bytes, model=model, blob=blob, difference=difference)

    def _divided(
        self,
        step: Step,
        feeds: Sequence[TensorInfo],
        graph: Any,
        specs: Mapping[str, TensorSpec],
        examples: Sequence[Example],
    ) -> Division:
        """For all sizes if that can be, else for those of the examples. Raises NotEligibleError for the former."""
        given = [Feed(info.name, info.dtype, info.shape) for info in feeds]
        try:
            return divide(graph, given, step.fetches, specs)
        except NotEligibleError:
            with suppress(NotEligibleError, ServingError):
                seen = seen_shapes(
                    graph,
                    specs,
                    step,
                    lambda fetches: self._run(graph.SerializeToString(), step.feeds, fetches),
                    examples,
                )
                return divide(graph, given, step.fetches, specs, seen)
            raise

    def _specs(self, graph: bytes) -> Mapping[str, tensor_specs.TensorSpec]:
        session = open_graph(libtensorflow.load(), graph, self._session_config)
        try:
            return tensor_specs.tensor_specs(session)
        finally:
            session.close()

    def _run(self, graph: bytes, feeds: Sequence[str], fetches: Sequence[str]) -> SessionRun:
        session = open_filled(libtensorflow.load(), graph, self._session_config)
        return SessionRun(session, tuple(feeds), tuple(fetches), self._executor)

    def _agreed(
        self, plan: BodyPlan, body: bytes, model: CompiledModel, examples: Sequence[Example]
    ) -> tuple[BodyPlan, float]:
        """The plan, its magnitudes cut to those in which both agree, and the largest difference."""
        names = [port.name for port, _ in plan.inputs]
        tensorflow = self._run(body, names, [port.name for port, _ in plan.outputs])

        def difference(example: Example, tolerance: float) -> float:
            try:
                return check_answers(tensorflow(example, _NO_LIMIT), model(example), tolerance)
            except (ServingError, OpenVinoError) as error:
                raise NotOptimizedError(f"one of the engines refuses an input: {error}") from error

        def edge_difference(example: Example) -> float:
            """With more tolerance where TensorFlow's own answers depend on the last bit of the inputs."""
            try:
                return difference(example, self._tolerance)
            except NotOptimizedError:
                own = _FACTOR * sensitivity(tensorflow, example)
                return difference(example, max(self._tolerance, min(own, _MOST_TOLERANCE)))

        largest = max(difference(example, self._tolerance) for example in examples)
        magnitude, seen = _agreed_magnitude(edge_difference, map(_within(plan.accepted), edges(examples[0])))
        if magnitude < 1:
            raise NotOptimizedError(seen)
        for example in _index_examples(plan.accepted, examples[0]):
            largest = max(largest, difference(example, self._tolerance))
        inputs = tuple(replace(each, magnitude=min(magnitude, FLOAT_MAX)) for each in plan.accepted.inputs)
        return replace(plan, accepted=replace(plan.accepted, inputs=inputs)), largest

    def _whole_difference(self, body: Body, model: CompiledModel, answered: Sequence[Answered]) -> float:
        largest = 0.0
        answers_given = 0
        for each in answered:
            outputs = body(model, each.example, _NO_LIMIT)
            if outputs is not None:
                answers_given += 1
                largest = max(largest, check_answers(each.answers, outputs, self._tolerance))
        if not answers_given:
            raise NotOptimizedError("none of the inputs that it was tried with may be OpenVINO's")
        return largest


def _head(graph: Any, division: Division) -> Any:
    return head_graph(graph, division, (FILL_TABLES,)) if division.head else None


def _opened(library: Library, settings: EngineSettings, blob: int, plan: BodyPlan) -> CompiledModel:
    return CompiledModel(library, settings, blob, [port for port, _ in plan.inputs], [port for port, _ in plan.outputs])


def _inner(division: Division, step: Step, example: Example, head: SessionRun | None) -> Example:
    """What OpenVINO is given for an example."""
    heads = head(example, _NO_LIMIT) if head is not None else []
    values = dict(zip((*step.feeds, *division.head), (*example, *heads), strict=True))
    return [values[each.source] for each in division.inputs]


def _plan(division: Division, specs: Mapping[str, TensorSpec], examples: Sequence[Example], *, exact: bool) -> BodyPlan:
    inputs = [
        AcceptedInput(dtype=each.dtype, sizes=_sizes(each.shape, [one[index] for one in examples]), bounds=each.bounds)
        for index, each in enumerate(division.inputs)
    ]
    shapes = frozenset(tuple(tensor.array.shape for tensor in one) for one in examples) if exact else None
    return BodyPlan(
        head=division.head,
        inputs=tuple(InputPlan(Port(each.name, each.dtype), each.source) for each in division.inputs),
        outputs=tuple(OutputPlan(Port(each.name, specs[each.fetch].dtype), each.fetch) for each in division.outputs),
        given=division.given,
        accepted=Accepted(inputs=tuple(inputs), same_sizes=division.same_sizes, shapes=shapes),
    )


def _sizes(shape: Sequence[int], tried: Sequence[Tensor]) -> Sizes:
    """Rows as many as come, other open sizes within what was tried."""
    seen = [[tensor.array.shape[axis] for tensor in tried] for axis in range(len(shape))]
    return tuple(
        (size, size) if size >= 0 else (1, None) if axis == 0 else (min(seen[axis]), max(seen[axis]))
        for axis, size in enumerate(shape)
    )


def _within(accepted: Accepted) -> Callable[[Edge], Edge]:
    """Edges with their indices moved into the bounds: what is outside of them is TensorFlow's anyway."""

    def moved(edge: Edge) -> Edge:
        tensors = [
            tensor if each.bounds is None else _clipped(tensor, *each.bounds)
            for tensor, each in zip(edge.tensors, accepted.inputs, strict=True)
        ]
        return replace(edge, tensors=tensors)

    return moved


def _clipped(tensor: Tensor, lowest: int, below: int) -> Tensor:
    clipped = np.clip(tensor.array, lowest, below - 1).astype(tensor.array.dtype)
    return Tensor(tensor.dtype, clipped)


def _agreed_magnitude(difference: Callable[[Example], float], tried: Iterable[Edge]) -> tuple[float, str]:
    """The largest magnitude up to which no edge makes a difference, and what the next one says."""
    agreed = 0.0
    steps: dict[float, list[Edge]] = {}
    for edge in tried:
        steps.setdefault(edge.magnitude, []).append(edge)
    for magnitude in sorted(steps):
        for edge in steps[magnitude]:
            try:
                difference(edge.tensors)
            except NotOptimizedError as error:
                return agreed, f"{error} (inputs: {edge.label})"
        agreed = magnitude
    return (agreed if steps else math.inf), ""


def _index_examples(accepted: Accepted, like: Example) -> Iterable[Example]:
    """Indices over all of their range, the ends included."""
    if all(each.bounds is None for each in accepted.inputs):
        return
    for seed in range(_INDEX_ROWS):
        random = np.random.default_rng(seed)
        yield [
            tensor if each.bounds is None else Tensor(tensor.dtype, _spread(random, tensor, *each.bounds))
            for tensor, each in zip(like, accepted.inputs, strict=True)
        ]


def _spread(random: np.random.Generator, tensor: Tensor, lowest: int, below: int) -> Any:
    array = random.integers(lowest, below, tensor.array.shape).astype(tensor.array.dtype)
    if array.size > 1 and tensor.dtype is not DataType.BOOL:
        array.flat[0], array.flat[-1] = lowest, below - 1
    return array
