"""Warm-up: recorded requests replayed on a version before it is available (docs/models.md, "Warm-up").

A record names its signature and nothing else that counts: which model and version it was recorded on is not looked at.
Not the file: records come as bytes, one after the other.
"""

import logging
from collections.abc import Callable, Iterable
from time import perf_counter
from typing import Any, Protocol

from google.protobuf.message import DecodeError

from serving.codecs.tfrecord import DamagedError
from serving.core.plans import Plans
from serving.core.servable import Servable
from serving.errors import Code, ServingError, invalid_argument
from serving.inference.messages import Recorded
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


Bind = Callable[[Plans, Any], Recorded | None]
"""How a PredictionLog message becomes a call, None without a request: the service's ``recorded``."""


class Warmup:
    """Replays records, each ``iterations`` times (once if not positive). ``clock`` gives seconds."""

    def __init__(
        self,
        bind: Bind,
        *,
        iterations: int = 1,
        observer: WarmupObserver | None = None,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self._bind = bind
        self._iterations = max(iterations, 1)
        self._observer = observer
        self._clock = clock

    def replay(self, servable: Servable, records: Iterable[bytes], path: str, file: str) -> None:
        """Run every record of ``file``, which belongs to the version at ``path``, without a time limit.

        The first failure is raised as it is. INVALID_ARGUMENT for what is no PredictionLog and for more than
        ``MAX_RECORDS``, UNIMPLEMENTED for a kind of log that has no replay, DATA_LOSS for damaged framing.
        """
        _log.info("Starting to read warmup data for model at %s, each record %d time(s)", file, self._iterations)
        began, count, plans = self._clock(), 0, Plans(servable)
        try:
            for record in records:
                self._replay(plans, parse(record, file))
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

    def _replay(self, plans: Plans, log: Any) -> None:
        for _ in range(self._iterations):
            recorded = self._bind(plans, log)
            if recorded is None:
                return
            api, model, plan, tensors, check = recorded
            began = self._clock()
            outputs = plan.run(tensors, _NO_LIMIT)
            if self._observer is not None and api:
                self._observer.ran(model, api, self._clock() - began)
            check(dict(zip(plan.outputs, outputs, strict=True)))
            if self._observer is not None and not api:
                self._observer.examples(model, len(tensors[0].array))


def parse(record: bytes, file: str) -> Any:
    """The PredictionLog of a record of ``file``. INVALID_ARGUMENT if it is none."""
    try:
        return PredictionLog.FromString(record)
    except DecodeError:
        shown = record[:_SHOWN_BYTES].decode("utf-8", "surrogateescape")
        raise invalid_argument(f"Failed to parse warmup record: {shown} from {file}") from None
