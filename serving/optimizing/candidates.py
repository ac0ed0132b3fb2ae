"""Which models are worth optimising when they are loaded, and can be: decisions alone, pure.

Each refusal is a ``NotOptimizedError`` with the reason for the log; the model is then served as it is saved.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from serving.core import tensor_name
from serving.core.signature import Signature, TensorInfo

MIN_WEIGHTS_BYTES = 64 * 1024
"""Models with fewer weights answer in microseconds; looking at them closer would delay every small server's start."""

MAX_GRAPH_BYTES = 16 * 2**20
"""Parsing a larger saved_model.pb would hold the interpreter's lock, and other models' answers, for over 20 ms."""

_CHILD_BYTES, _CHILD_FACTOR, _SERVER_FACTOR = 450 * 2**20, 17, 2
"""Memory while a model is optimised: TensorFlow's Python, copies of the weights in its optimiser, and in the server."""

_LOADER_SIGNATURES = "__saved_model_"
"""Signatures that are there for the loader begin like this."""


class NotOptimizedError(Exception):
    """The model is served as it is saved. ``expected`` if nobody needs to hear why."""

    def __init__(self, reason: str, *, expected: bool = False) -> None:
        super().__init__(reason)
        self.expected = expected


class Step(NamedTuple):
    """What one call of the optimised graph takes and gives, as graph tensors: all inputs, all outputs of the model."""

    feeds: tuple[str, ...]
    fetches: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Bytes: of the weights, of saved_model.pb, and of the memory that is free; None if nobody knows."""

    weights: int
    graph: int
    available: int | None


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
    needed = _CHILD_BYTES + (_CHILD_FACTOR + _SERVER_FACTOR) * sizes.weights
    if sizes.available is not None and sizes.available < needed:
        raise NotOptimizedError(
            f"optimising it takes about {needed >> 20} MiB of memory, and {sizes.available >> 20} MiB are free"
        )


def one_step(signatures: Mapping[str, Signature]) -> tuple[Step, tuple[str, ...]]:
    """The step that answers every signature, and the names of these.

    One step only: each keeps packed weights of its own, so that a second one would double the memory.
    """
    kept = {name: signature for name, signature in signatures.items() if not name.startswith(_LOADER_SIGNATURES)}
    inputs = {frozenset(_names(signature.inputs)) for signature in kept.values()}
    if len(inputs) != 1:
        raise NotOptimizedError(f"its signatures have {len(inputs)} different sets of inputs; expected one")
    for signature in kept.values():
        _check_names(signature)
    feeds = next(tuple(_names(signature.inputs)) for signature in kept.values())
    fetches = tuple(dict.fromkeys(name for signature in kept.values() for name in _names(signature.outputs)))
    if set(feeds) & set(fetches):
        raise NotOptimizedError("an input is also an output")
    return Step(feeds, fetches), tuple(kept)


def _check_names(signature: Signature) -> None:
    feeds, fetches = _names(signature.inputs), _names(signature.outputs)
    if not all(map(_plain, (*feeds, *fetches))) or not feeds or not fetches:
        raise NotOptimizedError(f"the signature {signature.name} has inputs or outputs that are no single tensors")
    if len(set(feeds)) < len(feeds):
        raise NotOptimizedError(f"two inputs of the signature {signature.name} are the same tensor")
    if any(not name.endswith(":0") for name in feeds):
        raise NotOptimizedError("an input is not the first output of its operation")


def _plain(name: str) -> bool:
    """Whether a tensor's name is the one that TensorFlow gives it: the child takes names apart at their colon."""
    parsed = tensor_name.parse(name)
    return str(parsed) == name and parsed.index >= 0 and bool(parsed.operation) and ":" not in parsed.operation


def _names(infos: Mapping[str, TensorInfo]) -> list[str]:
    return [info.name for info in infos.values()]
