"""What the metrics page has besides what is counted, and what it has no more."""

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from serving.configuration import monitoring_config
from serving.core.manager import Manager
from serving.core.servable import ServableId
from serving.host import process_readings
from serving.inference.limits import Limiter
from serving.inference.placement import Workers
from serving.inference.unsent import UnsentBytes
from serving.loading import page_readings
from serving.loading.batching_stage import BatchingStage
from serving.loading.models import Models
from serving.servables.threads import ModelThreads
from serving.settings import Settings
from serving.telemetry.serving_metrics import Present, ServingMetrics

if TYPE_CHECKING:
    from serving.telemetry.version_metrics import VersionMetrics


def fill(
    metrics: ServingMetrics,
    manager: Manager,
    models: Models,
    executor: ModelThreads,
    workers: Workers,
    unsent: UnsentBytes,
    limiter: Limiter | None,
    batching: BatchingStage | None,
    by_version: "VersionMetrics | None",
) -> None:
    """Let the page read these parts whenever it is made, and forget the versions and models that have gone."""
    metrics.present = lambda: Present({(each.name, each.version) for each in manager.versions()}, models.names)
    metrics.readers += [
        process_readings.process,
        process_readings.descriptors,
        process_readings.container,
        page_readings.engines(manager, metrics),
        page_readings.queues(executor, workers, unsent),
        models.sources.readings,
    ]
    if limiter is not None:
        metrics.readers.append(page_readings.in_flight(limiter))
    if by_version is not None:
        metrics.forgetting.append(by_version.forget_gone)
    if batching is not None:
        metrics.readers.append(page_readings.batch_queues(manager, batching))


def metrics_path(settings: Settings) -> str:
    """Where the page is, as a file may say; empty without a REST port, or if there is none."""
    return monitoring_config.read_path(settings.monitoring_config_file) if settings.rest_api_port else ""


def version_metrics(metrics: ServingMetrics, manager: Manager, listed: Callable[[str], bool]) -> "VersionMetrics":
    """What counts requests by version and signature; ``listed`` says whether a model is configured."""
    from serving.telemetry.version_metrics import Known, VersionMetrics  # only here: others need none

    def signatures(model: str, version: int) -> Collection[str] | None:
        lease = manager.serving.models.get(model, {}).get(version)
        if lease is not None:
            return lease.servable.signatures
        leaving = ServableId(name=model, version=version) in manager.versions()
        return () if leaving else None

    return VersionMetrics(metrics.registry, Known(listed, signatures))
