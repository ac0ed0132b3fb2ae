"""The page for people, connected to what it shows: nothing of it is imported or made before somebody asks for it."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Protocol

from serving.inference.limits import Limiter
from serving.inference.placement import Workers
from serving.inference.service import Service
from serving.loading.batching_stage import BatchingStage
from serving.loading.models import Models
from serving.optimizing.optimize_stage import OptimizeStage
from serving.rest.endpoint import RestApi
from serving.servables.threads import ModelThreads
from serving.settings import Settings
from serving.telemetry.serving_metrics import ServingMetrics

if TYPE_CHECKING:
    from serving.composition.all_workers import AllWorkers
    from serving.inference.shadows import Shadows
    from serving.rest.api.openapi_documents import Documents
    from serving.rest.api.ui_answers import UiAnswers
    from serving.rest.api.ui_timed import TimedApi
    from serving.ui.view import View

_LOOK_SECONDS = 0.2
"""How old what is shown may be when somebody asks."""


class Shown(Protocol):
    """What is connected: as much of the server as the page shows."""

    settings: Settings
    cpus: int
    models: Models
    metrics: ServingMetrics
    executor: ModelThreads
    workers: Workers
    limiter: Limiter | None
    batching: BatchingStage | None
    optimizing: OptimizeStage | None
    service: Service
    metrics_path: str

    @property
    def ports(self) -> Mapping[str, int]:
        """Those that are open."""
        ...

    @property
    def shadows(self) -> "Shadows | None":
        """Who makes shadow requests."""
        ...

    @property
    def all_workers(self) -> "AllWorkers | None":
        """Who asks the other workers, where there are several."""
        ...

    def recording_service(self) -> Service:
        """A service that keeps a record of each request."""
        ...


def page_apis(
    shown: Shown, documents: "Callable[[], Documents]", ready: Callable[[], bool], server_version: str
) -> Sequence[RestApi]:
    """The API of the page, with --enable_ui; ``documents`` gives the examples that it shows."""
    if not shown.settings.enable_ui:
        return ()
    from serving.rest.api.ui import UiApi  # who has no page does without

    view = cache(lambda: _view(shown, ready, server_version))
    if shown.all_workers is not None:
        shown.all_workers.view = view
    return (UiApi(shown.service, lambda: _answers(shown, documents, view), lambda: _timed(shown)),)


def _answers(shown: Shown, documents: "Callable[[], Documents]", view: "Callable[[], View]") -> "UiAnswers":
    from serving.rest.api.ui_answers import UiAnswers
    from serving.rest.api.ui_events import Events
    from serving.rest.api.ui_written import Written
    from serving.ui.files import page_files
    from serving.ui.recent import Recent

    seen = view() if shown.all_workers is None else shown.all_workers.page(view)
    written = Written(Recent(seen.state, _LOOK_SECONDS).now, Recent(seen.sample, _LOOK_SECONDS).now)
    events = Events(written)
    shown.models.manager.monitor.subscribe(events.notice)
    return UiAnswers(page_files(), written, events, documents)


def _view(shown: Shown, ready: Callable[[], bool], server_version: str) -> "View":
    from serving.ui.findings import Findings
    from serving.ui.view import Parts, View

    return View(
        Parts(
            settings=shown.settings,
            server_version=server_version,
            metrics_path=shown.metrics_path,
            ready=ready,
            grpc_port=lambda: shown.ports.get("GRPC", 0),
            models=shown.models,
            metrics=shown.metrics,
            executor=shown.executor,
            workers=shown.workers,
            limiter=shown.limiter,
            batching=shown.batching,
            notes=None if shown.optimizing is None else shown.optimizing.notes,
            shadows=shown.shadows,
            findings=Findings(shown.settings, shown.cpus),
        )
    )


def _timed(shown: Shown) -> "TimedApi":
    from serving.rest.api.tfs import TfsApi
    from serving.rest.api.ui_timed import TimedApi

    settings = shown.settings
    return TimedApi(
        TfsApi(
            shown.recording_service(),
            as_content=settings.enable_serialization_as_tensor_content,
            exact_digits=settings.rest_exact_digits,
        ),
        said=settings.server_timing,
    )
