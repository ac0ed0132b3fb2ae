"""Which requests are logged: one look-up and one random number for each, and nothing more for most of them."""

import random
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from serving.codecs.protobuf import prediction_log
from serving.codecs.protobuf.prediction_log import LogType
from serving.core.request_logging import RequestLogging, Task
from serving.core.servable import ServableId
from serving.core.tensor import Tensor
from serving.errors import Code, invalid_configuration
from serving.protos import LogMetadata
from serving.request_log.writer import RecordWriter
from serving.telemetry.log import logger

Answered = Callable[[list[Tensor], bytes], None]
"""Takes the output tensors and the body of a request that was answered; never raises."""

Messages = Callable[[list[Tensor], bytes], tuple[bytes, bytes]]
"""Makes the serialised request and response messages of the output tensors and the answer's body."""


class _Model(NamedTuple):
    rate: float
    prefix: str
    metadata: bytes
    """What is the same in every LogMetadata of the model."""


class RequestLog:
    """The models whose requests are logged. ``writer`` is None when there is no place for a log.

    ``task`` says which rates hold here, ``tags`` are those of the MetaGraphs, ``chance`` gives numbers from 0 up to 1,
    ``clock`` seconds since 1970. ``count`` is told of each sampled request: its model, and OK if it is to be written.
    """

    def __init__(
        self,
        writer: RecordWriter | None = None,
        *,
        task: Task | None = None,
        tags: tuple[str, ...] = (),
        chance: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.time,
        count: Callable[[str, Code], None] | None = None,
    ) -> None:
        self._writer = writer
        self._task = task if task is not None else Task()
        self._tags = tags
        self._chance = chance
        self._clock = clock
        self._count = count
        self.models: Mapping[str, _Model] = {}
        """The models of which requests are logged now."""

    def name_worker(self, worker: int) -> None:
        """Which of several processes writes is in the names of the files from now on, of which there is none yet."""
        if self._writer is not None:
            self._writer.worker = worker

    def check(self, wanted: Mapping[str, RequestLogging]) -> None:
        """ConfigurationError if logging is wanted and has no place."""
        if wanted and self._writer is None:
            logger.error("%s: logging_config needs --request_log_directory", ", ".join(sorted(wanted)))
            raise invalid_configuration("No request-logger-creator provided.")

    def follow(self, wanted: Mapping[str, RequestLogging]) -> None:
        """Log the requests of these models from now on, and of no others. What ``check`` has passed only."""
        models = {name: self._model(logging) for name, logging in wanted.items()}
        self.models = {name: model for name, model in models.items() if model.rate > 0}
        if self.models and self._writer is not None:
            self._writer.start()

    def draws(self, servable_id: ServableId) -> bool:
        """Whether this request is logged, once it is answered; asked once for each."""
        model = self.models.get(servable_id.name)
        if model is None or self._chance() >= model.rate:
            return False
        return self._writer is not None and not self._writer.failed

    def keeper(self, kind: LogType, servable_id: ServableId, signature_name: str, messages: Messages) -> Answered:
        """What is to be called with the answer of a request that was drawn."""
        return partial(self._keep, kind, servable_id, signature_name, messages)

    def close(self, seconds: float | None = None) -> None:
        """Write what waits and log nothing more."""
        self.models = {}
        if self._writer is not None:
            self._writer.close(seconds)

    def _keep(
        self,
        kind: LogType,
        servable_id: ServableId,
        signature_name: str,
        messages: Messages,
        tensors: list[Tensor],
        body: bytes,
    ) -> None:
        model = self.models.get(servable_id.name)
        if model is None:  # a reload has ended its logging meanwhile
            return
        try:
            request, response = messages(tensors, body)
            metadata = model.metadata + self._metadata(servable_id, signature_name)
            code = self._offer(model.prefix, prediction_log.encode(kind, metadata, request, response))
        except Exception:  # noqa: BLE001 - the request has been answered, and stays so
            logger.exception("A request of %s cannot be logged", servable_id)
            code = Code.INTERNAL
        if self._count is not None:
            self._count(servable_id.name, code)

    def _offer(self, prefix: str, record: bytes | None) -> Code:
        if record is None:
            return Code.INVALID_ARGUMENT
        written = self._writer is not None and self._writer.offer(prefix, record)
        return Code.OK if written else Code.RESOURCE_EXHAUSTED

    def _metadata(self, servable_id: ServableId, signature_name: str) -> bytes:
        metadata = LogMetadata(timestamp_secs=int(self._clock()))
        metadata.model_spec.name = servable_id.name
        metadata.model_spec.version.value = servable_id.version
        metadata.model_spec.signature_name = signature_name
        return bytes(metadata.SerializeToString())

    def _model(self, logging: RequestLogging) -> _Model:
        rate = logging.rate_of(self._task)
        metadata = LogMetadata(saved_model_tags=self._tags, dc=self._task.dc)
        metadata.sampling_config.sampling_rate = rate
        metadata.sampling_config.attributes = logging.attributes
        return _Model(rate, logging.filename_prefix, bytes(metadata.SerializeToString()))
