"""A made-up request for each signature of a loaded version, made as warm-up makes its own: no door, count or log."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from serving.batching.servable import BatchedServable
from serving.core.plans import Plan, Plans
from serving.core.servable import Servable
from serving.core.signature import LOADER_SIGNATURES, Signature, TensorInfo
from serving.core.tensor import STORAGE, DataType, Tensor
from serving.errors import ServingError
from serving.optimizing.candidates import NotOptimizedError, Step
from serving.optimizing.comparing import Example
from serving.optimizing.engine_servable import EngineServable
from serving.optimizing.examples import examples
from serving.optimizing.graph_index import GraphIndex
from serving.optimizing.version_graph import read_graph
from serving.servables.saved_model import SavedModelServable

_LIMIT_MS = 60_000
_PATIENCE_SECONDS = 65.0
"""TensorFlow is told of the limit; a loop may not hear of it."""

_WORD = b"the"
_MOST_TRIED = 16
"""Inputs for one signature; where sizes are unknown, each is a guess."""


class EndlessError(Exception):
    """A run does not end; its servable must not be closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """One signature: the milliseconds of its first answer, or the ``error`` of the first of all inputs ``tried``."""

    signature: str
    milliseconds: float = 0.0
    engine: str = ""
    error: str = ""
    tried: int = 1


def ask(
    servable: Servable, path: Path, tags: tuple[str, ...], patience_seconds: float = _PATIENCE_SECONDS
) -> Iterator[Answered]:
    """Ask the version at ``path`` once for each signature that a client can name. Raises EndlessError."""
    plans, index = Plans(servable), _index(path, tags)
    for name in sorted(plans.signatures):
        if not name.startswith(LOADER_SIGNATURES):
            yield _ask(plans, name, _examples(plans.signatures[name], path, index), patience_seconds)


def _ask(plans: Plans, name: str, inputs: Sequence[Example], patience_seconds: float) -> Answered:
    signature = plans.signatures[name]
    try:
        plan = plans.predict(name, tuple(signature.inputs))
        errors: list[str] = []
        for example in inputs:
            began = time.perf_counter()
            error = _error(plan, example, patience_seconds)
            if error is None:
                took = (time.perf_counter() - began) * 1000
                return Answered(signature=name, milliseconds=took, engine=_engine(plans.servable, signature, example))
            errors.append(error)
    except ServingError as error:
        return Answered(signature=name, error=str(error))
    if errors:
        return Answered(signature=name, error=errors[0], tried=len(errors))
    kinds = ", ".join(f"{alias} ({info.dtype.word})" for alias, info in signature.inputs.items())
    return Answered(signature=name, error=f"no input can be made up for {kinds}", tried=0)


def _error(plan: Plan, example: Example, patience_seconds: float) -> str | None:
    """What the call raises, None if it is answered."""
    call = plan.run.submit([*example, *plan.defaults], _LIMIT_MS)
    try:
        call.result(patience_seconds)
    except TimeoutError:
        raise EndlessError(f"a call has not ended after {patience_seconds:.0f} s, and cannot be ended") from None
    except ServingError as error:
        return str(error)
    return None


def _examples(signature: Signature, path: Path, index: GraphIndex | None) -> Sequence[Example]:
    """Inputs in the order of the aliases, those recorded for warm-up first."""
    feeds = list(signature.inputs.values())
    if not feeds:
        return [[]]
    step = Step(tuple(info.name for info in feeds), ())
    found = examples({signature.name: signature}, step, path, index)[:_MOST_TRIED]
    return found or _simplest(feeds)


def _simplest(feeds: Sequence[TensorInfo]) -> Sequence[Example]:
    """One row of zeros and words, for types of which the optimiser makes nothing up; none for handles of resources."""
    tensors = []
    for info in feeds:
        if info.dtype not in STORAGE:
            return []
        shape = (1,) if info.shape is None else tuple(abs(size) for size in info.shape)  # unknown ones are -1
        array = np.zeros(shape, STORAGE[info.dtype])
        if info.dtype is DataType.STRING:
            array.fill(_WORD)
        tensors.append(Tensor(info.dtype, array))
    return [tensors]


def _index(path: Path, tags: tuple[str, ...]) -> GraphIndex | None:
    """The graph, in which is seen what kind of strings it wants; None for what has none, or cannot be read."""
    try:
        return read_graph(path, tags)
    except NotOptimizedError:
        return None


def _engine(servable: Servable, signature: Signature, example: Example) -> str:
    """What has answered, in words."""
    if isinstance(servable, BatchedServable):
        return _engine(servable.inner, signature, example) + ", batched"
    if isinstance(servable, SavedModelServable):
        return "TensorFlow, as it is saved"
    if not isinstance(servable, EngineServable):
        return "TensorFlow Lite"
    feeds, fetches = signature.feeds(tuple(signature.inputs)).names, signature.fetches(()).names
    part = servable.engines.openvino(feeds, fetches)
    if part is not None and part.engine.model_for(part.taken(example), 1) is not None:
        return "OpenVINO"
    frozen = [each for each in servable.engines.steps if each.tensorflow is not None]
    if any(each.group.in_step(feeds, fetches) for each in frozen):
        return "TensorFlow, its graph frozen"
    return "TensorFlow, as it is saved"
