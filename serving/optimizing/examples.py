"""Inputs to try a model with before and after it is optimised: recorded warm-up requests, and made-up numbers."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from itertools import islice
from pathlib import Path
from typing import Any

from serving.codecs import tfrecord
from serving.core.predict_plan import Prediction
from serving.core.servable import Run
from serving.core.signature import Signature, TensorInfo
from serving.core.tensor import Tensor
from serving.core.version_files import WARMUP_REQUESTS
from serving.errors import ServingError
from serving.inference import classify, messages, regress, warmup
from serving.optimizing import decisions as optimize
from serving.optimizing.decisions import Step

_RECORDS = 4
_ROWS = (1, 2)

Example = list[Tensor]
"""One tensor for each feed of the step, in its order."""


def examples(signatures: Mapping[str, Signature], step: Step, path: Path) -> list[Example]:
    """What the model can be tried with, recorded requests of the version at ``path`` first; maybe nothing."""
    infos = {info.name: info for signature in signatures.values() for info in signature.inputs.values()}
    feeds = [infos[name] for name in step.feeds]
    return [*_recorded(signatures, step, path), *_made_up(feeds)]


def _made_up(feeds: Sequence[TensorInfo]) -> Iterator[Example]:
    for rows in _ROWS:
        tensors = optimize.example(feeds, rows, seed=rows)
        if tensors is not None:
            yield tensors


def _recorded(signatures: Mapping[str, Signature], step: Step, path: Path) -> Iterator[Example]:
    """Requests of the warm-up file that fit the step. What is wrong with the file, warm-up says."""
    try:
        with (path / WARMUP_REQUESTS).open("rb") as file:
            size = (path / WARMUP_REQUESTS).stat().st_size
            for record in islice(tfrecord.records(file.read, size), _RECORDS):
                catcher = _Catcher(signatures)
                prediction = _bind(catcher, warmup.parse(record, str(path)))
                if prediction is not None and sorted(catcher.feeds) == sorted(step.feeds):
                    tensors = dict(zip(catcher.feeds, prediction.tensors, strict=True))
                    yield [tensors[name] for name in step.feeds]
    except (OSError, ServingError, tfrecord.DamagedError):
        return


def _bind(catcher: "_Catcher", log: Any) -> Prediction | None:
    match log.WhichOneof("log_type"):
        case "predict_log":
            return messages.bind_predict(catcher, log.predict_log.request, check_method_name=False)
        case "classify_log":
            return messages.bind_examples(catcher, log.classify_log.request, classify.plan, check_method_name=False)
        case "regress_log":
            return messages.bind_examples(catcher, log.regress_log.request, regress.plan, check_method_name=False)
        case _:
            return None


class _Catcher:
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
