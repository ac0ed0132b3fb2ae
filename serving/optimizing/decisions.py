"""Which models are optimised when they are loaded, and whether what came of it may be served: decisions alone, pure.

Each refusal is a ``NotOptimizedError`` with the reason for the log; the model is then served as it is saved.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

import numpy as np

from serving.core.signature import Signature, TensorInfo
from serving.core.tensor import STORAGE, DataType, Tensor

MIN_WEIGHTS_BYTES = 64 * 1024
"""Models with fewer weights answer in microseconds; looking at them closer would delay every small server's start."""

MAX_GRAPH_BYTES = 16 * 2**20
"""Parsing a larger saved_model.pb would hold the interpreter's lock, and other models' answers, for over 20 ms."""

MIN_CALL_SECONDS = 0.001
MIN_GAIN = 0.05

SAME_PRECISION, BFLOAT16_PRECISION = 1e-4, 5e-2
"""The largest difference of two answers, in proportion to the largest magnitude in the tensor."""

_CHILD_BYTES, _CHILD_FACTOR, _SERVER_FACTOR = 450 * 2**20, 17, 2
"""Memory while a model is optimised: TensorFlow's Python, copies of the weights in its optimiser, and in the server."""

_FLOATS = frozenset((DataType.FLOAT, DataType.DOUBLE, DataType.HALF))
_INTEGERS = frozenset((DataType.INT32, DataType.INT64, DataType.UINT8, DataType.BOOL))

_LOADER_SIGNATURES = "__saved_model_"
"""Signatures that are there for the loader begin like this."""


class Precision(Enum):
    """The values of --optimize."""

    OFF = "off"
    SAFE = "safe"
    FAST = "fast"


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
    if not all((*feeds, *fetches)) or not feeds or not fetches:
        raise NotOptimizedError(f"the signature {signature.name} has inputs or outputs that are no single tensors")
    if len(set(feeds)) < len(feeds):
        raise NotOptimizedError(f"two inputs of the signature {signature.name} are the same tensor")
    if any(not name.endswith(":0") for name in feeds):
        raise NotOptimizedError("an input is not the first output of its operation")


def _names(infos: Mapping[str, TensorInfo]) -> list[str]:
    return [info.name for info in infos.values()]


def check_call(seconds: float) -> None:
    """Raise for a model whose calls are so short that nothing can be gained."""
    if seconds < MIN_CALL_SECONDS:
        raise NotOptimizedError(f"a call takes {seconds * 1000:.2f} ms", expected=True)


def check_gain(plain_seconds: float, optimized_seconds: float) -> None:
    """Raise for an optimised model that is not faster by ``MIN_GAIN``."""
    if optimized_seconds > plain_seconds * (1 - MIN_GAIN):
        raise NotOptimizedError(
            f"it does not pay: {optimized_seconds * 1000:.1f} ms per call instead of {plain_seconds * 1000:.1f}"
        )


def check_answers(plain: Iterable[Tensor], optimized: Iterable[Tensor], tolerance: float) -> float:
    """The largest difference between two answers, in proportion to the largest magnitude in its tensor.

    Raises if it is above ``tolerance``; shapes, data types, places of NaN, integers and strings must be equal.
    """
    return max((_difference(a, b, tolerance) for a, b in zip(plain, optimized, strict=True)), default=0.0)


def _difference(plain: Tensor, optimized: Tensor, tolerance: float) -> float:
    expected, given = plain.array, optimized.array
    if plain.dtype is not optimized.dtype or expected.shape != given.shape:
        raise NotOptimizedError("its answers have other data types or shapes once it is optimised")
    if expected.dtype.kind not in "fc":
        if not np.array_equal(expected, given):
            raise NotOptimizedError(f"answers of type {plain.dtype.word} differ once it is optimised")
        return 0.0
    finite = np.isfinite(expected)
    if not np.array_equal(expected[~finite], given[~finite], equal_nan=True):
        raise NotOptimizedError("answers that are not finite differ once it is optimised")
    if not finite.any():
        return 0.0
    difference = float(np.abs(expected[finite].astype(np.complex128) - given[finite]).max())
    largest = float(np.abs(expected[finite]).max()) or 1.0
    if not difference <= tolerance * largest:
        raise NotOptimizedError(
            f"its answers differ by {difference / largest:.1e} once it is optimised; expected at most {tolerance:.0e}"
        )
    return difference / largest


def example(feeds: Sequence[TensorInfo], rows: int, seed: int) -> list[Tensor] | None:
    """Made-up inputs of ``rows`` rows; None if there is one of which the type or the size of a row is not known.

    Numbers are from 0 to 1, integers 0 or 1, which embeddings can look up.
    """
    random = np.random.default_rng(seed)
    tensors = []
    for info in feeds:
        if info.shape is None or -1 in info.shape[1:]:
            return None
        shape = [rows if size == -1 else size for size in info.shape]
        if info.dtype in _FLOATS:
            array = random.random(shape)
        elif info.dtype in _INTEGERS:
            array = random.integers(0, 2, shape).astype(np.float64)
        else:
            return None
        tensors.append(Tensor(info.dtype, array.astype(STORAGE[info.dtype])))
    return tensors


def has_bfloat16(cpuinfo: str) -> bool:
    """Whether the first CPU of a /proc/cpuinfo computes with bfloat16."""
    return not {"avx512_bf16", "amx_bf16"}.isdisjoint(_of_cpu(cpuinfo, "flags").split())


def cpu_model(cpuinfo: str) -> str:
    """What an optimised graph depends on: the first CPU's name and features."""
    return f"{_of_cpu(cpuinfo, 'model name')}; {_of_cpu(cpuinfo, 'flags')}"


def _of_cpu(cpuinfo: str, name: str) -> str:
    for line in cpuinfo.splitlines():
        found, _, value = line.partition(":")
        if found.strip() == name:
            return value.strip()
    return ""
