"""Warm-up: recorded requests replayed on a version before it is available (docs/compatibility.md, "Warm-up").

A record names its signature and nothing else that counts: which model and version it was recorded on is not looked at.
Not the file: records come as bytes, one after the other.
"""

import logging
from collections.abc import Callable, Iterable
from time import perf_counter
from typing import Any, Protocol

from google.protobuf.message import DecodeError

from serving.codecs.tfrecord import DamagedError
from serving.core.predict_plan import Prediction
from serving.core.servable import Servable
from serving.core.tensor import Tensor
from serving.errors import Code, ServingError, invalid_argument
from serving.inference import classify, messages, regress
from serving.inference.examples import Planner
from serving.protos import PredictionLog

MAX_RECORDS = 1000

_NO_LIMIT = 0
_SHOWN_BYTES = 1024
"""Of a record that cannot be parsed; a gRPC error would not carry more of it either."""

_MICROS = 1_000_000
_log = logging.getLogger("serving")


class WarmupObserver(Protocol):
    """Who counts what warm-up does; the metrics, usually."""

    def ran(self, model: str, api: str, seconds: float) -> None:
        """A record has run; ``model`` is the name in it, ``api`` is ``Predict``, ``Classify`` or ``Regress``."""
        ...

    def examples(self, model: str, count: int) -> None:
        """A MultiInference record has run on ``count`` Examples."""
        ...

    def warmed_up(self, path: str, status: str, seconds: float, records: int) -> None:
        """The file of the version at ``path`` was read to its end (``OK``) or to the error ``status``."""
        ...


class Warmup:
    """Replays records, each ``iterations`` times (once if not positive). ``clock`` gives seconds."""

    def __init__(
        self,
        *,
        iterations: int = 1,
        check_method_names: bool = False,
        observer: WarmupObserver | None = None,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self._iterations = max(iterations, 1)
        self._check = check_method_names
        self._observer = observer
        self._clock = clock

    def replay(self, servable: Servable, records: Iterable[bytes], path: str, file: str) -> None:
        """Run every record of ``file``, which belongs to the version at ``path``, without a time limit.

        The first failure is raised as it is. INVALID_ARGUMENT for what is no PredictionLog and for more than
        ``MAX_RECORDS``, UNIMPLEMENTED for a kind of log that has no replay, DATA_LOSS for damaged framing.
        """
        _log.info("Starting to read warmup data for model at %s, each record %d time(s)", file, self._iterations)
        began, count = self._clock(), 0
        try:
            for record in records:
                self._replay(servable, parse(record, file))
                count += 1
                if count > MAX_RECORDS:
                    raise invalid_argument(f"Number of warmup records exceeds the maximum ({MAX_RECORDS}) at {file}")
        except DamagedError as error:
            self._read(path, str(error), began, count)
            hint = "Please verify your warmup data is in TFRecord format."
            raise ServingError(Code.DATA_LOSS, f"{error.message}. {hint}") from None
        seconds = self._read(path, Code.OK.name, began, count)
        _log.info(
            "Finished reading warmup data for model at %s. Number of warmup records read: %d. "
            "Elapsed time (microseconds): %d.",
            file,
            count,
            seconds * _MICROS,
        )

    def _read(self, path: str, status: str, began: float, count: int) -> float:
        seconds = self._clock() - began
        if self._observer is not None:
            self._observer.warmed_up(path, status, seconds, count)
        return seconds

    def _replay(self, servable: Servable, log: Any) -> None:
        for _ in range(self._iterations):
            match log.WhichOneof("log_type"):
                case None:
                    return
                case "predict_log":
                    self._predict(servable, log.predict_log.request)
                case "classify_log":
                    outputs, count = self._run_examples(servable, log.classify_log.request, classify.plan, "Classify")
                    classify.result(outputs, count)
                case "regress_log":
                    outputs, count = self._run_examples(servable, log.regress_log.request, regress.plan, "Regress")
                    regress.result(outputs, count)
                case "multi_inference_log":
                    self._multi_inference(servable, log.multi_inference_log.request)
                case kind:
                    number = log.DESCRIPTOR.fields_by_name[kind].number
                    raise ServingError(Code.UNIMPLEMENTED, f"Unsupported log_type for warmup: {number}")

    def _predict(self, servable: Servable, request: Any) -> None:
        prediction = messages.bind_predict(servable, request, check_method_name=self._check)
        self._run(prediction, request.model_spec.name, "Predict")

    def _run_examples(
        self, servable: Servable, request: Any, planner: Planner, api: str
    ) -> tuple[dict[str, Tensor], int]:
        """The outputs by alias, and the number of Examples they are for."""
        prediction = messages.bind_examples(servable, request, planner, check_method_name=self._check)
        tensors = self._run(prediction, request.model_spec.name, api)
        return dict(zip(prediction.outputs, tensors, strict=True)), _rows(prediction)

    def _multi_inference(self, servable: Servable, request: Any) -> None:
        planned = messages.bind_multi_inference(servable, request, check_method_names=self._check)
        planned.results(planned.prediction.run(planned.prediction.tensors, _NO_LIMIT))
        if self._observer is not None:
            self._observer.examples(request.tasks[0].model_spec.name, _rows(planned.prediction))

    def _run(self, prediction: Prediction, model: str, api: str) -> list[Tensor]:
        began = self._clock()
        tensors = prediction.run(prediction.tensors, _NO_LIMIT)
        if self._observer is not None:
            self._observer.ran(model, api, self._clock() - began)
        return tensors


def parse(record: bytes, file: str) -> Any:
    """The PredictionLog of a record of ``file``. INVALID_ARGUMENT if it is none."""
    try:
        return PredictionLog.FromString(record)
    except DecodeError:
        shown = record[:_SHOWN_BYTES].decode("utf-8", "surrogateescape")
        raise invalid_argument(f"Failed to parse warmup record: {shown} from {file}") from None


def _rows(prediction: Prediction) -> int:
    """How many Examples a call is fed with."""
    return len(prediction.tensors[0].array)
