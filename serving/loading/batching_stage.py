"""Batching as a stage of loading: every model's servable is wrapped, and all of them share one pool of threads."""

from pathlib import Path
from typing import Any

from serving.batching.execution import BatchObserver
from serving.batching.parameters import BatchingParameters
from serving.batching.scheduler import BatchScheduler
from serving.batching.servable import BatchedServable
from serving.configuration import batching_config
from serving.core.servable import Servable, ServableId
from serving.errors import invalid_configuration
from serving.settings import Settings
from serving.telemetry.log import logger

_THREAD_POOL_NAME = "model_server_batch_threads"
"""The threads' name when no file gives one."""


class BatchingStage:
    """A stage for ``Loaders``, with ``close`` for the end. Its threads run from the start.

    ``per_model``: only versions that bring a batching_params.pbtxt are batched, by it; of ``parameters`` the threads
    count. Raises ConfigurationError if there are none.
    """

    def __init__(
        self, parameters: BatchingParameters, *, per_model: bool = False, observer: BatchObserver | None = None
    ) -> None:
        parameters.check_threads()
        self._parameters = parameters
        self._per_model = per_model
        self._observer = observer
        self._scheduler = BatchScheduler(threads=parameters.num_batch_threads, name=parameters.thread_pool_name)
        self._scheduler.start()

    @property
    def full(self) -> bool:
        """Whether as many batches run as may."""
        return self._scheduler.full

    def __call__(self, servable: Servable, servable_id: ServableId, path: Path) -> Servable:
        """The servable with its runs batched, or as it is. Raises ConfigurationError for a version's parameters."""
        parameters = self._parameters
        if self._per_model:
            of_version = batching_config.of_version(path, parameters.num_batch_threads)
            if of_version is None:
                return servable
            parameters = of_version
        batched = BatchedServable(servable, parameters, self._scheduler, self._observer)
        logger.info("Wrapping session to perform batch processing")
        return batched

    def close(self, seconds: float) -> None:
        """Run what is queued, and end the threads within ``seconds``."""
        self._scheduler.close(seconds)


def from_settings(
    settings: Settings, message: Any, cpus: int, observer: BatchObserver | None = None
) -> BatchingStage | None:
    """The stage that is asked for; None without --enable_batching. Raises ConfigurationError.

    ``message`` is the BatchingParameters of a platform configuration, None if there is none.
    """
    if not settings.enable_batching:
        if settings.batching_parameters_file:
            raise invalid_configuration(
                "server_options.batching_parameters_file is set without setting server_options.enable_batching to "
                "true.",
            )
        return None
    if message is not None:
        parameters = batching_config.decode(message, cpus)
    elif settings.batching_parameters_file:
        parameters = batching_config.read(settings.batching_parameters_file, cpus)
    else:
        parameters = BatchingParameters(num_batch_threads=cpus, thread_pool_name=_THREAD_POOL_NAME)
    return BatchingStage(parameters, per_model=settings.enable_per_model_batching_parameters, observer=observer)
