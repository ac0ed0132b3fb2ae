"""Inputs to try a model with before and after it is optimised: recorded warm-up requests, and made-up numbers."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from serving.codecs import tfrecord
from serving.core.plans import Plans
from serving.core.servable import Run
from serving.core.signature import Signature, TensorInfo
from serving.core.tensor import STORAGE, DataType, Tensor
from serving.core.version_files import WARMUP_REQUESTS
from serving.errors import ServingError
from serving.inference import messages, warmup
from serving.optimizing.candidates import Step

_RECORDS = 4
_ROWS = (1, 2)

_FLOATS = frozenset((DataType.FLOAT, DataType.DOUBLE, DataType.HALF))
_INTEGERS = frozenset((DataType.INT32, DataType.INT64, DataType.UINT8, DataType.BOOL))

Example = list[Tensor]
"""One tensor for each feed of the step, in its order."""


def examples(signatures: Mapping[str, Signature], step: Step, path: Path) -> list[Example]:
    """What the model can be tried with, recorded requests of the version at ``path`` first; maybe nothing."""
    infos = {info.name: info for signature in signatures.values() for info in signature.inputs.values()}
    feeds = [infos[name] for name in step.feeds]
    synthetic = [made_up(feeds, rows, seed=rows) for rows in _ROWS]
    return [*_recorded(signatures, step, path), *(each for each in synthetic if each is not None)]


def made_up(feeds: Sequence[TensorInfo], rows: int, seed: int) -> list[Tensor] | None:
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
