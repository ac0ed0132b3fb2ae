"""Everything that a server is made of, built from its settings and connected; nothing here starts, listens or waits.

``server.py`` gives it its life.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from serving import tls
from serving.composition import accounting, browsers, front, memory, model_loading, page, shadowing
from serving.composition.documents import MadeUpInputs
from serving.configuration import model_config, sagemaker_models
from serving.configuration.model_config import Configured
from serving.configuration.session_config import Sessions
from serving.core.merged_states import Known
from serving.host import allocator
from serving.inference.accounts import Observer
from serving.inference.answered_by import AnsweredBy
from serving.inference.context import Admit
from serving.inference.placement import Workers
from serving.inference.requests import Requests
from serving.inference.run_watch import RunWatch
from serving.inference.service import Service
from serving.inference.unsent import UnsentBytes
from serving.inference.warmup import Warmup
from serving.loading import batching_stage, single_models
from serving.loading.base_paths import BasePaths
from serving.loading.loaders import Loaders, Stage
from serving.loading.warmup_stage import WarmupStage
from serving.loading.weighing import Loans, Meter
from serving.optimizing import optimize_stage
from serving.optimizing.optimize_stage import OptimizeStage
from serving.request_log.opening import open_request_log
from serving.rest.app import RestApp
from serving.rest.documents import Described, loading
from serving.rest.hosting import hosted
from serving.rest.routes import apis
from serving.rpc.handler import Handler, Streaming
from serving.rpc.routes import routes, streams
from serving.servables.run_limits import run_limits
from serving.servables.saved_model import SavedModelOptions
from serving.servables.threads import ModelThreads
from serving.telemetry import log
from serving.telemetry.serving_metrics import ServingMetrics

if TYPE_CHECKING:
    from serving.access.keys_loop import KeysLoop
    from serving.composition.all_workers import AllWorkers
    from serving.composition.worker_guard import WorkerGuard
    from serving.inference.shadows import Shadows
    from serving.processes.shared import Shared
    from serving.telemetry.version_metrics import VersionMetrics

_FEWEST_WORKERS = 2
"""Threads for requests that are long to read or to write, one for each CPU, which also call the model: each thread more
would be one more that the event threads wait for, and one more large request in memory."""


class Composition:
    """Everything that lives as long as the process. Raises ConfigurationError for files that cannot be used.

    ``on_death`` is told when a loop dies: that which loads models, or that which reads keys. ``admit`` is a policy of
    the request layer, beside that of the keys. ``otlp_protocol`` is what the environment says of how traces are sent.
    ``guard`` is that of a worker among others.
    """

    def __init__(
        self,
        sessions: Sessions,
        cpus: int,
        on_death: Callable[[BaseException], None],
        admit: Admit | None = None,
        otlp_protocol: str = "",
        guard: "WorkerGuard | None" = None,
    ) -> None:
        self.settings = settings = sessions.settings
        self.grpc_tls = tls.follow("ssl_config_file", settings.ssl_config_file)
        self.rest_tls = tls.follow("rest_api_ssl_config_file", settings.rest_api_ssl_config_file)
        self.cpus = cpus
        self.ports: dict[str, int] = {}
        """Those that are open, by the words of the metrics."""
        self.guard = guard
        self.all_workers: AllWorkers | None = None
        """Who asks the others, where there are several."""
        self.keys = self._read_keys(on_death)
        policies = None if guard is None else guard.admit, None if self.keys is None else self.keys.policy.admit, admit
        self._admit = accounting.together(*policies)
        self.base_paths = BasePaths(sagemaker_models.loadable(settings))
        self.metrics = ServingMetrics()
        budget = memory.budget_bytes(settings)
        self.manager = memory.manager(settings, budget)
        self.known: Known = self.manager  # what tells requests the states of models
        self.on_list: Callable[[Configured], None] = self.base_paths.give  # takes each list of the operator's
        self.version_metrics = self._version_metrics()
        self.tracing = accounting.tracing(settings, otlp_protocol, self.metrics, self.version_metrics, self.rest_tls)
        self.accounts = accounting.accounts(settings, self._observers(), log.write, log.worker())
        self.limiter = accounting.limiter(settings, self.elsewhere)
        self._answered_by = AnsweredBy(self.metrics) if self.accounts is not None else None
        self.batching = batching_stage.from_settings(
            settings, sessions.batching_parameters, cpus, self.metrics.batching
        )
        self.request_log = open_request_log(settings, sessions.tags, self.metrics.logged)
        config, limits = run_limits(sessions.config, settings.max_run_seconds)
        self.executor = ModelThreads(max(settings.rest_api_num_threads, 1), limits)
        meter = Meter(self.metrics)
        self.saved_models = SavedModelOptions(tags=sessions.tags, session_config=bytes(config.SerializeToString()))
        self.optimizing = self._optimizing(sessions, cpus, meter)
        self.unsent = UnsentBytes(settings.max_unsent_bytes, allocator.return_free_pages, self.metrics.limited)
        self.watch = self._run_watch()
        self.workers = self._workers(cpus)
        self.service = self._service()
        self._made_up = MadeUpInputs(sessions.tags)
        loader = model_loading.model_loader(sessions, self.saved_models, self.executor)
        self.loaders = Loaders(self.metrics.measured(loader), self._stages(), self.metrics.loads)
        loader_for = self.loaders if guard is None else guard.loaders(self.loaders)
        self.models = model_loading.models(
            sessions, cpus, self.manager, loader_for, self.request_log, budget, meter, on_death
        )
        self.single_models = single_models.from_settings(settings, self.models, self.base_paths)
        self._closing = self._in_order_of_use()
        self.metrics_path = page.metrics_path(settings)
        self._fill_metrics_page()

    def rest_app(self, ready: Callable[[], bool], server_version: str) -> RestApp:
        """The REST APIs; ``ready`` answers the readiness probe."""
        settings = self.settings
        as_content, exact_digits = settings.enable_serialization_as_tensor_content, settings.rest_exact_digits
        described = Described(self._made_up, server_version, bool(self.metrics_path), self.keys is not None)
        documents = loading(described, as_content=as_content, exact_digits=exact_digits)
        protocols = apis(
            self.service,
            as_content=as_content,
            exact_digits=exact_digits,
            hosted=hosted(self.service, settings, ready, lambda: self.models.names),
            documents=documents,
            served=self.models.available if self.keys is None else None,
        )
        for_browsers = (
            *browsers.grpc_web(settings, self.rpc_handlers, self.workers),
            *front.page_apis(self, documents, ready, server_version),
        )
        return RestApp(
            (*protocols, *for_browsers),
            ready,
            self.metrics,
            timeout_ms=settings.rest_api_timeout_in_ms,
            cors=browsers.cors(settings),
            max_request_bytes=settings.max_request_bytes,
            metrics_path=self.metrics_path,
            accounts=self.accounts,
            own_contexts=self.limiter is not None,
            metrics_page=self.service.metrics_page,
            has_page=settings.enable_ui,
        )

    @property
    def elsewhere(self) -> "Shared | None":
        """What other workers have in flight, if this is one of several."""
        return None if self.guard is None else self.guard.counts

    def rpc_handlers(self) -> Mapping[str, Handler]:
        """The gRPC APIs' handlers by method."""
        return routes(self.service, as_content=self.settings.enable_serialization_as_tensor_content)

    def rpc_streams(self) -> Sequence[Streaming]:
        """The gRPC APIs' methods that are streams."""
        return streams(self.service, self.accounts)

    def send_traces(self, seconds: float) -> None:
        """Send what is known of the requests that have ended, within ``seconds``; blocks."""
        if self.tracing is not None:
            self.tracing.flush(seconds)

    def close(self, seconds: float) -> None:
        """End everything in the reverse order, giving each ``seconds``; blocks. The doors are closed by now."""
        for close in reversed(self._closing):
            close(seconds)

    @cached_property
    def shadows(self) -> "Shadows | None":
        """Who makes shadow requests, if any are to be made."""
        return shadowing.shadows(
            self.settings, self.manager, self.metrics, self.executor, self.workers, self.limiter, self.batching
        )

    def recording_service(self) -> Service:
        """A service whose requests have records, as those of all have where somebody wants them."""
        is_so = self.accounts is not None or self.limiter is not None
        return self.service if is_so else self._service(recorded=True)

    def _service(self, *, recorded: bool = False) -> Service:
        return shadowing.service_of(self.shadows)(
            self.manager,
            self.metrics,
            self._requests(recorded=recorded),
            self._reload,
            check_method_names=self.settings.enable_signature_method_name_check,
            admit=self._admit,
            apply_anywhere=self._reload_anywhere,
            repository=lambda: self.single_models,
            model_control=self.settings.allow_model_control,
            known=lambda: self.known,
        )

    def _fill_metrics_page(self) -> None:
        page.fill(
            self.metrics,
            self.manager,
            self.models,
            self.executor,
            self.workers,
            self.unsent,
            self.limiter,
            self.batching,
            self.version_metrics,
        )

    def _in_order_of_use(self) -> list[Callable[[float], None]]:
        """What closes each part, the part that begins to be used first coming first."""
        return [
            *(part.close for part in (self.tracing,) if part is not None),
            lambda _: self.executor.shutdown(wait=False, cancel_futures=True),
            lambda _: self.workers.close(),
            *(part.close for part in (self.limiter, self.shadows) if part is not None),
            self.request_log.close,
            *(part.close for part in (self.batching,) if part is not None),
            self.models.close,
            *(part.close for part in (self.keys,) if part is not None),
            *(part.close for part in (self.optimizing,) if part is not None),
        ]

    def _version_metrics(self) -> "VersionMetrics | None":
        if not self.settings.metrics_per_version:
            return None
        return page.version_metrics(self.metrics, self.manager, lambda model: model in self.models.names)

    def _requests(self, *, recorded: bool) -> Requests:
        """What every request for a model goes through."""
        first_calls = memory.first_calls(self.settings, self.manager, self.workers.interpreter)
        parts = self.manager, self.metrics, self.request_log, self.workers, self._admit, first_calls
        return accounting.requests(parts, self.accounts, self.limiter, self._answered_by, recorded=recorded)

    def _observers(self) -> list[Observer]:
        """Who is told of each request, besides the access log."""
        found = None if self.version_metrics is None else self.version_metrics.observed, self.tracing
        return [each for each in found if each is not None]

    def _workers(self, cpus: int) -> Workers:
        most = self.settings.max_long_requests
        return Workers(max(cpus, _FEWEST_WORKERS), most, allocator.return_free_pages, self.watch)

    def _optimizing(self, sessions: Sessions, cpus: int, meter: Meter) -> OptimizeStage | None:
        return optimize_stage.from_settings(
            self.settings,
            self.saved_models,
            threads=sessions.config.intra_op_parallelism_threads or cpus,
            usual_rows=0 if self.batching is None else self.batching.max_batch_size,
            observer=self._answered_by or self.metrics,
            loans=Loans(self.manager, meter),
        )

    def _run_watch(self) -> RunWatch:
        def full() -> bool:
            return self.executor.full or (self.batching is not None and self.batching.full)

        return RunWatch(
            self.metrics.long_runs,
            max_run_seconds=self.settings.max_run_seconds,
            stuck_seconds=self.settings.stuck_seconds,
            full=full,
        )

    def _stages(self) -> list[Stage]:
        """What a version goes through once it is loaded; warm-up comes last, for it runs what the others wrap."""
        noting = None if self.guard is None else self.guard.stage
        stages: list[Stage] = [stage for stage in (self.optimizing, noting, self.batching) if stage is not None]
        if self.settings.enable_model_warmup:
            iterations = self.settings.num_request_iterations_for_warmup
            stages.append(WarmupStage(Warmup(self.service.recorded, iterations=iterations, observer=self.metrics)))
        return [*stages, self._made_up.note]

    def _read_keys(self, on_death: Callable[[BaseException], None]) -> "KeysLoop | None":
        if not self.settings.api_keys_file:
            return None
        from serving.access.keys_loop import KeysLoop  # only here: who asks for no keys does not pay for them

        return KeysLoop(self.settings.api_keys_file, on_death)

    def _reload(self, config: Any, timeout: float | None, gone: Callable[[], bool]) -> None:
        configured = model_config.decode(config)
        if not self.settings.allow_any_base_path:
            self.base_paths.check(configured, self.models.configured)
        self.models.reload(configured, timeout, gone)

    def _reload_anywhere(self, config: Any, timeout: float | None, gone: Callable[[], bool]) -> None:
        self.models.reload(model_config.decode(config), timeout, gone)
