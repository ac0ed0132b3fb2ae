"""Batching as a stage of loading: every model's servable is wrapped, and all of them share one pool of threads."""

import time
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

from serving.batching.execution import BatchObserver, Clock
from serving.batching.parameters import BatchingParameters
from serving.batching.scheduler import BatchScheduler, Queued
from serving.batching.servable import BatchedServable
from serving.configuration import batching_config
from serving.core.servable import Servable, ServableId
from serving.settings import Settings
from serving.telemetry.log import logger

_THREAD_POOL_NAME = "model_server_batch_threads"
"""The threads' name when no file gives one."""


class BatchingStage:
    """A stage for ``Loaders``, with ``close`` for the end. Its threads run from the start.

    ``per_model``: only versions that bring a batching_params.pbtxt are batched, by it; of ``parameters`` the threads
    count. With a ``wall`` clock batches are noted. Raises ConfigurationError if there are no threads.
    """

    def __init__(
        self,
        parameters: BatchingParameters,
        *,
        per_model: bool = False,
        observer: BatchObserver | None = None,
        wall: Clock | None = None,
    ) -> None:
        parameters.check_threads()
        self._parameters = parameters
        self._per_model = per_model
        self._observer = observer
        self._wall = wall
        self._scheduler = BatchScheduler(threads=parameters.num_batch_threads, name=parameters.thread_pool_name)
        self._scheduler.start()

    @property
    def full(self) -> bool:
        """Whether as many batches run as may."""
        return self._scheduler.full

    def queued(self) -> Mapping[Hashable, Queued]:
        """What waits in the queues, by the version that it is for."""
        return self._scheduler.queued()

    @property
    def max_batch_size(self) -> int:
        """Rows of the largest batch, of models without parameters of their own."""
        return 0 if self._per_model else self._parameters.max_batch_size

    def __call__(self, servable: Servable, servable_id: ServableId, path: Path) -> Servable:
        """The servable with its runs batched, or as it is. Raises ConfigurationError for a version's parameters."""
        parameters = self._parameters
        if self._per_model:
            of_version = batching_config.of_version(path, parameters.num_batch_threads)
            if of_version is None:
                return servable
            parameters = of_version
        batched = BatchedServable(servable, parameters, self._scheduler, self._observer, servable_id, self._wall)
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
        return None
    if message is not None:
        parameters = batching_config.decode(message, cpus)
    elif settings.batching_parameters_file:
        parameters = batching_config.read(settings.batching_parameters_file, cpus)
    else:
        parameters = BatchingParameters(num_batch_threads=cpus, thread_pool_name=_THREAD_POOL_NAME)
    return BatchingStage(
        parameters,
        per_model=settings.enable_per_model_batching_parameters,
        observer=observer,
        wall=time.time if settings.tracing else None,
    )
