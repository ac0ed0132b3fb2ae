"""A step whose costly part OpenVINO computes: TensorFlow's head in front of it, if there is one, and what is accepted.

It answers a call or says that it may not; it never answers for TensorFlow what that would refuse.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from serving.core.servable import Run
from serving.core.tensor import DataType, Tensor
from serving.openvino.accepted import Accepted, AcceptedInput
from serving.openvino.compiled import CompiledModel, OutOfTimeError, Port


class InputPlan(NamedTuple):
    """A tensor that OpenVINO takes: its name in the compiled model, and the feed or the head's fetch that brings it."""

    port: Port
    source: str


class OutputPlan(NamedTuple):
    """A tensor that OpenVINO gives, and the fetch that it is."""

    port: Port
    fetch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyPlan:
    """How a step is divided. ``head``: what TensorFlow computes first; ``given``: fetches that are the head's."""

    head: tuple[str, ...]
    inputs: tuple[InputPlan, ...]
    outputs: tuple[OutputPlan, ...]
    given: Mapping[str, str]
    accepted: Accepted

    def as_json(self) -> str:
        """To be read back by ``plan_from``."""
        accepted = self.accepted
        return json.dumps(
            {
                "head": self.head,
                "inputs": [(each.port, each.source) for each in self.inputs],
                "outputs": [(each.port, each.fetch) for each in self.outputs],
                "given": dict(self.given),
                "accepted": [(each.dtype, each.sizes, each.bounds, each.magnitude) for each in accepted.inputs],
                "same_sizes": accepted.same_sizes,
                "shapes": None if accepted.shapes is None else sorted(accepted.shapes),
            }
        )


def plan_from(text: str) -> BodyPlan:
    """What ``as_json`` wrote. Raises ValueError, KeyError or TypeError for anything else."""
    facts = json.loads(text)
    shapes = facts["shapes"]
    return BodyPlan(
        head=tuple(facts["head"]),
        inputs=tuple(InputPlan(_port(port), source) for port, source in facts["inputs"]),
        outputs=tuple(OutputPlan(_port(port), fetch) for port, fetch in facts["outputs"]),
        given=dict(facts["given"]),
        accepted=Accepted(
            inputs=tuple(map(_accepted_input, facts["accepted"])),
            same_sizes=tuple(tuple((index, axis) for index, axis in group) for group in facts["same_sizes"]),
            shapes=None if shapes is None else frozenset(tuple(map(tuple, each)) for each in shapes),
        ),
    )


def _port(fields: Sequence[Any]) -> Port:
    name, dtype = fields
    return Port(name, DataType(dtype))


def _accepted_input(fields: Sequence[Any]) -> AcceptedInput:
    dtype, sizes, bounds, magnitude = fields
    return AcceptedInput(
        dtype=DataType(dtype),
        sizes=tuple((lowest, highest) for lowest, highest in sizes),
        bounds=None if bounds is None else (bounds[0], bounds[1]),
        magnitude=magnitude,
    )


class Body:
    """A plan with its head, which gives ``plan.head`` for all feeds of the step. Thread-safe."""

    def __init__(self, plan: BodyPlan, feeds: Sequence[str], fetches: Sequence[str], head: Run | None) -> None:
        self._accepted = plan.accepted
        self._head = head
        places = {name: index for index, name in enumerate((*feeds, *plan.head))}
        self._taken = [places[each.source] for each in plan.inputs]
        given = {each.fetch: index for index, each in enumerate(plan.outputs)}
        of_head = {name: index for index, name in enumerate(plan.head)}
        self._given = [
            (True, of_head[plan.given[name]]) if name in plan.given else (False, given[name]) for name in fetches
        ]
        self._as_it_comes = head is None and self._taken == list(range(len(feeds)))
        self._as_it_goes = self._given == [(False, index) for index in range(len(plan.outputs))]

    def fits(self, tensors: Sequence[Tensor]) -> bool:
        """Whether types and sizes of what a request feeds are accepted, as far as that can be told without running."""
        if self._head is not None:
            return True
        return self._accepted.fits(tensors if self._as_it_comes else [tensors[index] for index in self._taken])

    def __call__(self, model: CompiledModel, tensors: Sequence[Tensor], timeout_ms: int) -> list[Tensor] | None:
        """The fetches in the step's order; None if this may not be answered here, and TensorFlow has to be asked.

        ``timeout_ms`` <= 0 is no limit. Raises OutOfTimeError, OpenVinoError, and what the head raises.
        """
        if self._as_it_comes:
            return self._computed(model, tensors, (), timeout_ms)
        began = time.perf_counter()
        heads = self._head(tensors, timeout_ms) if self._head is not None else ()
        every = (*tensors, *heads)
        if timeout_ms > 0:
            timeout_ms -= int((time.perf_counter() - began) * 1000)
            if timeout_ms <= 0:
                raise OutOfTimeError
        taken = [every[index] for index in self._taken]
        return self._computed(model, taken, heads, timeout_ms) if self._accepted.fits(taken) else None

    def _computed(
        self, model: CompiledModel, taken: Sequence[Tensor], heads: Sequence[Tensor], timeout_ms: int
    ) -> list[Tensor] | None:
        if not self._accepted.has_values(taken):
            return None
        outputs = model(taken, timeout_ms)
        if self._as_it_goes:
            return outputs
        return [(heads if of_head else outputs)[index] for of_head, index in self._given]
