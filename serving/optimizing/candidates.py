"""Which models are worth optimising when they are loaded, and can be: decisions alone, pure.

Each refusal is a ``NotOptimizedError`` with the reason for the log; the model is then served as it is saved.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from serving.core import tensor_name
from serving.core.signature import DEFAULT_SIGNATURE_NAME, LOADER_SIGNATURES, Signature, TensorInfo

MIN_WEIGHTS_BYTES = 64 * 1024
"""Models with fewer weights answer in microseconds; looking at them closer would delay every small server's start."""

MAX_GRAPH_BYTES = 16 * 2**20
"""Parsing a larger saved_model.pb would hold the interpreter's lock, and other models' answers, for over 20 ms."""

_CHILD_BYTES, _CHILD_FACTOR, _SERVER_FACTOR = 450 * 2**20, 17, 2
"""Memory while a model is optimised: TensorFlow's Python, copies of the weights in its optimiser, and in the server."""

MAX_STEPS = 4
"""So many steps a model has at most, for each keeps packed weights of its own."""


class NotOptimizedError(Exception):
    """The model is served as it is saved. ``expected`` if nobody needs to hear why."""

    def __init__(self, reason: str, *, expected: bool = False) -> None:
        super().__init__(reason)
        self.expected = expected


class Step(NamedTuple):
    """What one call of the optimised graph takes and gives, as graph tensors: all that its signatures name."""

    feeds: tuple[str, ...]
    fetches: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Bytes: of the weights, of saved_model.pb, and of the memory that is free; None if nobody knows."""

    weights: int
    graph: int
    available: int | None


def needed_bytes(weights: int) -> int:
    """What optimising a model with so many bytes of weights takes at most, in all processes."""
    return _CHILD_BYTES + (_CHILD_FACTOR + _SERVER_FACTOR) * weights


def check_sizes(sizes: Sizes, max_weights_bytes: int) -> None:
    """Raise for what is too small to be worth it or too large to be done."""
    if sizes.weights < MIN_WEIGHTS_BYTES:
        raise NotOptimizedError(f"it has {sizes.weights} bytes of weights", expected=True)
    if sizes.weights > max_weights_bytes:
        raise NotOptimizedError(
            f"its weights have {sizes.weights} bytes, more than --optimize_max_weights_bytes={max_weights_bytes}"
        )
    if sizes.graph > MAX_GRAPH_BYTES:
        raise NotOptimizedError(f"its graph has {sizes.graph} bytes; expected at most {MAX_GRAPH_BYTES}")
    needed = needed_bytes(sizes.weights)
    if sizes.available is not None and sizes.available < needed:
        raise NotOptimizedError(
            f"optimising it takes about {needed >> 20} MiB of memory, and {sizes.available >> 20} MiB are free"
        )


class Twin(NamedTuple):
    """A signature that does what another does with tensors of its own: ``own`` are in the order of ``step``."""

    own: Step
    step: Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """What one step answers: ``signatures`` over its own tensors, and their ``twins`` by name."""

    step: Step
    signatures: tuple[str, ...]
    twins: Mapping[str, Twin] = field(default_factory=dict)

    @property
    def answered(self) -> tuple[str, ...]:
        """The names of all signatures that the step answers."""
        return (*self.signatures, *self.twins)

    def in_step(self, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> Step | None:
        """The same by tensors of the step, in the same order; None if the step cannot answer it.

        All feeds must be there; of the fetches any may be asked for.
        """
        for own, step in (Twin(self.step, self.step), *self.twins.values()):
            if sorted(feeds) == sorted(own.feeds) and set(fetches) <= set(own.fetches):
                fed = dict(zip(own.feeds, step.feeds, strict=True))
                fetched = dict(zip(own.fetches, step.fetches, strict=True))
                return Step(tuple(fed[name] for name in feeds), tuple(fetched[name] for name in fetches))
        return None


class Grouped(NamedTuple):
    """What may be optimised, that of the default signature first, and why the other signatures may not."""

    groups: tuple[Group, ...]
    refused: Mapping[str, str]


def grouped(
    signatures: Mapping[str, Signature], body: Callable[[Signature], Hashable | None], refused: Mapping[str, str]
) -> Grouped:
    """Steps for the signatures, those for the loader and those that are ``refused`` with a reason apart.

    Signatures over the same inputs share a step, and so do those with the same ``body``: each step keeps packed weights
    of its own. ``body`` gives equal values for signatures that do the same, None if it cannot say.
    Raises NotOptimizedError if none is left.
    """
    grouping = _Grouping(body, refused)
    named = [name for name in signatures if not name.startswith(LOADER_SIGNATURES)]
    for name in sorted(named, key=lambda each: (each != DEFAULT_SIGNATURE_NAME, each)):
        grouping.add(name, signatures[name])
    if not grouping.groups:
        raise NotOptimizedError(next(iter(grouping.refused.values()), "it has no signatures"))
    return Grouped(tuple(grouping.groups), grouping.refused)


class _Grouping:
    """Groups as far as they are known, and the signatures that have been given a place in the step of one."""

    def __init__(self, body: Callable[[Signature], Hashable | None], refused: Mapping[str, str]) -> None:
        self._body = body
        self._refused = refused
        self._placed: list[tuple[int, Signature]] = []
        self.groups: list[Group] = []
        self.refused: dict[str, str] = {}

    def add(self, name: str, signature: Signature) -> None:
        """Find the group of a signature, or make it; or note why it has none."""
        try:
            self._check(name, signature)
            self._place(name, signature)
        except NotOptimizedError as reason:
            self.refused[name] = str(reason)

    def _check(self, name: str, signature: Signature) -> None:
        if name in self._refused:
            raise NotOptimizedError(self._refused[name])
        _check_names(signature)

    def _place(self, name: str, signature: Signature) -> None:
        index = self._over_same_inputs(signature)
        if index is not None:
            self.groups[index] = _with_signature(self.groups[index], name, signature)
        elif (equal := self._with_same_body(signature)) is not None:
            index, other = equal
            twins = {**self.groups[index].twins, name: _twin(signature, other)}
            self.groups[index] = replace(self.groups[index], twins=twins)
            return
        elif len(self.groups) == MAX_STEPS:
            raise NotOptimizedError(f"it has more than {MAX_STEPS} different signatures")
        else:
            index = len(self.groups)
            feeds = tuple(_names(signature.inputs))
            self.groups.append(_with_signature(Group(step=Step(feeds, ()), signatures=()), name, signature))
        self._placed.append((index, signature))

    def _with_same_body(self, signature: Signature) -> tuple[int, Signature] | None:
        """The first that does the same, with its group. Most models have one signature, and nothing is compared."""
        body = self._body(signature) if self._placed else None
        same = ((index, other) for index, other in self._placed if self._body(other) == body)
        return None if body is None else next(same, None)

    def _over_same_inputs(self, signature: Signature) -> int | None:
        feeds = sorted(_names(signature.inputs))
        return next((index for index, group in enumerate(self.groups) if sorted(group.step.feeds) == feeds), None)


def _with_signature(group: Group, name: str, signature: Signature) -> Group:
    fetches = tuple(dict.fromkeys((*group.step.fetches, *_names(signature.outputs))))
    return replace(group, step=Step(group.step.feeds, fetches), signatures=(*group.signatures, name))


def _twin(signature: Signature, other: Signature) -> Twin:
    return Twin(_by_alias(signature, other), _by_alias(other, other))


def _by_alias(signature: Signature, order: Signature) -> Step:
    """The tensors of a signature in the order in which another has their aliases."""
    return Step(
        tuple(signature.inputs[alias].name for alias in order.inputs),
        tuple(signature.outputs[alias].name for alias in order.outputs),
    )


def _check_names(signature: Signature) -> None:
    feeds, fetches = _names(signature.inputs), _names(signature.outputs)
    if not all(map(_plain, (*feeds, *fetches))) or not feeds or not fetches:
        raise NotOptimizedError(f"the signature {signature.name} has inputs or outputs that are no single tensors")
    if len(set(feeds)) < len(feeds):
        raise NotOptimizedError(f"two inputs of the signature {signature.name} are the same tensor")
    if any(not name.endswith(":0") for name in feeds):
        raise NotOptimizedError("an input is not the first output of its operation")
    if set(feeds) & set(fetches):
        raise NotOptimizedError("an input is also an output")


def _plain(name: str) -> bool:
    """Whether a tensor's name is the one that TensorFlow gives it: the child takes names apart at their colon."""
    parsed = tensor_name.parse(name)
    return str(parsed) == name and parsed.index >= 0 and bool(parsed.operation) and ":" not in parsed.operation


def _names(infos: Mapping[str, TensorInfo]) -> list[str]:
    return [info.name for info in infos.values()]
