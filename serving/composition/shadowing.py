"""What --shadow says: which versions have a share of the requests, and when there is time for them."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING

from serving.core.manager import Manager
from serving.errors import first_few
from serving.inference.limits import Limiter
from serving.inference.placement import Workers
from serving.inference.service import Service
from serving.loading.batching_stage import BatchingStage
from serving.servables.threads import ModelThreads
from serving.settings import Settings
from serving.telemetry.log import logger
from serving.telemetry.serving_metrics import ServingMetrics

if TYPE_CHECKING:
    from serving.inference.shadows import Shadows


def shadows(
    settings: Settings,
    manager: Manager,
    metrics: ServingMetrics,
    executor: ModelThreads,
    workers: Workers,
    limiter: Limiter | None,
    batching: BatchingStage | None,
) -> "Shadows | None":
    """Who makes shadow requests; None without the flag. Raises ConfigurationError for a value that is none."""
    if not settings.shadow:
        return None
    from serving.configuration.shadow_flag import shadows as specs  # who has none does without
    from serving.inference.shadows import Shadows

    def is_quiet() -> bool:
        full = executor.full or any(pool.waiting for pool in executor.pools)
        waits = workers.under_way or (limiter is not None and limiter.waiting)
        return not (full or waits or (batching is not None and batching.full))

    return Shadows(specs(settings.shadow), manager, metrics.registry, is_quiet, workers.interpreter)


def service_of(shadows: "Shadows | None") -> Callable[..., Service]:
    """What makes the service."""
    if shadows is None:
        return Service
    from serving.inference.shadowed_service import ShadowedService

    return partial(ShadowedService, shadows)


def check_shadows(settings: Settings, names: Iterable[str]) -> None:
    """Warn of shadows of models that are none of ``names``; a later configuration may have such a model."""
    if not settings.shadow:
        return
    from serving.configuration.shadow_flag import shadows as specs

    unknown = sorted({spec.model for spec in specs(settings.shadow)}.difference(names))
    if unknown:
        logger.warning("--shadow names %s, and there is no such model", first_few(unknown))
