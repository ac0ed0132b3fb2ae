"""Inputs to try a model with before and after it is optimised: recorded warm-up requests, and made-up ones."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from itertools import islice, product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.codecs import tfrecord
from serving.core.plans import Plans
from serving.core.servable import Run
from serving.core.signature import Signature, TensorInfo
from serving.core.tensor import STORAGE, DataType, Tensor
from serving.core.version_files import WARMUP_REQUESTS
from serving.errors import ServingError
from serving.inference import messages, warmup
from serving.optimizing import texts
from serving.optimizing.candidates import Step
from serving.optimizing.comparing import Example
from serving.optimizing.flow import Flow
from serving.optimizing.graph_index import GraphIndex
from serving.optimizing.texts import MakeText

_RECORDS = 4
_ROWS = (1, 2)

_SIZES = (64, 128, 33, 16, 7, 1)
_PICTURE_SIZE = 224
"""What sizes that a signature leaves open are tried at, after the size of a picture where the shape is one's."""

_PICTURE_RANK = 4
_RANKS = (1, 2, _PICTURE_RANK)
"""The ranks at which tensors of unknown rank are tried; the last with the three colours of a picture."""

_FLOATS = frozenset((DataType.FLOAT, DataType.DOUBLE, DataType.HALF, DataType.BFLOAT16))
INTEGERS = frozenset(dtype for dtype, kept in STORAGE.items() if dtype.word == kept.name and kept.kind in "iu")
"""The data types that numpy has as integers too."""


def examples(
    signatures: Mapping[str, Signature], step: Step, path: Path, index: GraphIndex | None = None
) -> list[Example]:
    """What the model can be tried with, recorded requests of the version at ``path`` first; maybe nothing.

    Those of one row come before those of two. Without the graph's ``index``, no strings are made up. What is made up
    is a guess: where sizes are unknown there are several, and the model may refuse any.
    """
    infos = {info.name: info for signature in signatures.values() for info in signature.inputs.values()}
    feeds = [infos[name] for name in step.feeds]
    return [*_recorded(signatures, step, path), *guesses(feeds, None if index is None else Flow(index), _ROWS)]


def guesses(feeds: Sequence[TensorInfo], flow: Flow | None, numbers_of_rows: Sequence[int]) -> Iterator[Example]:
    """What can be made up for ``feeds``, the likeliest sizes and kinds of strings first; strings by ``flow`` alone."""
    makers = [
        texts.makers(flow, info.name) if info.dtype is DataType.STRING and flow is not None else [] for info in feeds
    ]
    variants = range(max(1, *map(len, makers)))
    for rows, shaped, variant in product(numbers_of_rows, _shaped(feeds), variants):
        chosen = [each[min(variant, len(each) - 1)] if each else None for each in makers]
        example = made_up(shaped, rows, seed=rows, texts=chosen)
        if example is not None:
            yield example


def made_up(
    feeds: Sequence[TensorInfo], rows: int, seed: int, texts: Sequence[MakeText | None] | None = None
) -> Example | None:
    """Made-up inputs of ``rows`` rows; None if there is one of which the type or the size of a row is not known.

    Numbers are from 0 to 1, integers 0 or 1, which embeddings can look up; strings are made by ``texts``.
    """
    random = np.random.default_rng(seed)
    tensors = []
    for info, make in zip(feeds, texts or [None] * len(feeds), strict=True):
        if info.shape is None or -1 in info.shape[1:]:
            return None
        shape = tuple(rows if size == -1 else size for size in info.shape)
        if info.dtype in _FLOATS:
            array = stored(info.dtype, random.random(shape))
        elif info.dtype in INTEGERS or info.dtype is DataType.BOOL:
            array = stored(info.dtype, random.integers(0, 2, shape).astype(np.float64))
        elif info.dtype is DataType.STRING and make is not None:
            array = _strings(make, shape)
        else:
            return None
        tensors.append(Tensor(info.dtype, array))
    return tensors


def stored(dtype: DataType, array: NDArray[Any]) -> NDArray[Any]:
    """Numbers in the storage of a data type; bfloat16 is the upper half of a float's bits."""
    if dtype is DataType.BFLOAT16:
        return np.asarray(array.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
    return array.astype(STORAGE[dtype])


def _strings(make: MakeText, shape: tuple[int, ...]) -> NDArray[Any]:
    array = np.empty(int(np.prod(shape)), object)
    array[:] = [make(row) for row in range(len(array))]
    return array.reshape(shape)


def _shaped(feeds: Sequence[TensorInfo]) -> list[list[TensorInfo]]:
    """The feeds with sizes and ranks in the place of unknown ones, the same for all that are unknown at once."""
    feeds = [_of_few_strings(info) if info.dtype is DataType.STRING else info for info in feeds]
    ranks = _RANKS if any(info.shape is None for info in feeds) else _RANKS[:1]
    ranked = [[_with_rank(info, rank) for info in feeds] for rank in ranks]
    return [[_with_size(info, size) for info in infos] for infos in ranked for size in _sizes(infos)]


def _of_few_strings(info: TensorInfo) -> TensorInfo:
    """Strings are large: one in each row, in a vector if the rank is unknown, as parsers of tf.Examples have them."""
    shape = (-1,) if info.shape is None else info.shape[:1] + tuple(abs(size) for size in info.shape[1:])
    return replace(info, shape=shape)


def _with_rank(info: TensorInfo, rank: int) -> TensorInfo:
    if info.shape is not None:
        return info
    shape = (-1, -1, -1, 3) if rank == _PICTURE_RANK else (-1,) * rank
    return replace(info, shape=shape)


def _sizes(feeds: Sequence[TensorInfo]) -> tuple[int, ...]:
    shapes = [info.shape for info in feeds if info.shape is not None]
    if any(_is_picture(shape) for shape in shapes):
        return (_PICTURE_SIZE, *_SIZES)
    return _SIZES if any(-1 in shape[1:] for shape in shapes) else _SIZES[:1]


def _with_size(info: TensorInfo, size: int) -> TensorInfo:
    if info.shape is None:
        return info
    return replace(info, shape=info.shape[:1] + tuple(size if each == -1 else each for each in info.shape[1:]))


def _is_picture(shape: tuple[int, ...]) -> bool:
    return len(shape) == _PICTURE_RANK and shape[1:3] == (-1, -1)


def _recorded(signatures: Mapping[str, Signature], step: Step, path: Path) -> Iterator[Example]:
    """Requests of the warm-up file that fit the step. What is wrong with the file, warm-up says."""
    try:
        with (path / WARMUP_REQUESTS).open("rb") as file:
            size = (path / WARMUP_REQUESTS).stat().st_size
            for record in islice(tfrecord.records(file.read, size), _RECORDS):
                recorder = _FeedRecorder(signatures)
                log = warmup.parse(record, str(path))
                recorded = messages.recorded(Plans(recorder), log, check_method_names=False)
                if recorded is not None and sorted(recorder.feeds) == sorted(step.feeds):
                    tensors = dict(zip(recorder.feeds, recorded.tensors, strict=True))
                    yield [tensors[name] for name in step.feeds]
    except (OSError, ServingError, tfrecord.DamagedError):
        return


class _FeedRecorder:
    """A servable that runs nothing: it notes what a request would feed."""

    def __init__(self, signatures: Mapping[str, Signature]) -> None:
        self.signatures = signatures
        self.signature_defs: Mapping[str, Any] = {}
        self.feeds: tuple[str, ...] = ()

    def resolve(self, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> Run:
        """A run that is not for running."""
        self.feeds = feeds
        return _NoRun()

    def close(self) -> None:
        """Nothing to free."""


class _NoRun:
    inline = False

    def inline_for(self, tensors: Sequence[Tensor]) -> bool:
        return False

    def __call__(self, tensors: Sequence[Tensor], timeout_ms: int) -> list[Tensor]:
        raise NotImplementedError

    def submit(self, tensors: Sequence[Tensor], timeout_ms: int) -> "Future[list[Tensor]]":
        raise NotImplementedError
