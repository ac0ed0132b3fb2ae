"""Everything that a server is made of, built from its settings and connected; nothing here starts, listens or waits.

``server.py`` gives it its life.
"""

from collections.abc import Callable, Mapping
from typing import Any

from serving import tls
from serving.configuration import model_config, monitoring_config
from serving.configuration.session_config import Sessions
from serving.core.manager import Manager
from serving.host import allocator
from serving.inference.context import Admit
from serving.inference.placement import Workers
from serving.inference.run_watch import RunWatch
from serving.inference.service import Service
from serving.inference.unsent import UnsentBytes
from serving.inference.warmup import Warmup
from serving.loading import batching_stage
from serving.loading.loaders import Loaders, Stage
from serving.loading.model_kinds import ModelLoader
from serving.loading.models import Models
from serving.loading.warmup_stage import WarmupStage
from serving.optimizing import optimize_stage
from serving.request_log.opening import open_request_log
from serving.rest.app import RestApp
from serving.rest.routes import apis
from serving.rpc.handler import Handler
from serving.rpc.routes import routes
from serving.servables.run_limits import run_limits
from serving.servables.saved_model import SavedModelOptions
from serving.servables.threads import ModelThreads
from serving.telemetry.serving_metrics import ServingMetrics

_FEWEST_WORKERS = 2
"""Threads for requests that are long to read or to write, one for each CPU. They read, call the model and write: each
thread more would be one more that the event threads wait for, and one more large request in memory."""


class Composition:
    """Everything that lives as long as the process. Raises ConfigurationError for files that cannot be used.

    ``on_death`` is told when the loop that loads models dies; ``admit`` is the policy of the request layer.
    """

    def __init__(
        self, sessions: Sessions, cpus: int, on_death: Callable[[BaseException], None], admit: Admit | None = None
    ) -> None:
        self.settings = settings = sessions.settings
        self.grpc_tls = tls.read("ssl_config_file", settings.ssl_config_file)
        self.rest_tls = tls.read("rest_api_ssl_config_file", settings.rest_api_ssl_config_file)
        self.metrics = ServingMetrics()
        self.batching = batching_stage.from_settings(
            settings, sessions.batching_parameters, cpus, self.metrics.batching
        )
        self.request_log = open_request_log(settings, sessions.tags, self.metrics.logged)
        config, limits = run_limits(sessions.config, settings.max_run_seconds)
        self.executor = ModelThreads(max(settings.rest_api_num_threads, 1), limits)
        self.manager = Manager(
            max_load_retries=settings.max_num_load_retries,
            load_retry_interval_micros=settings.load_retry_interval_micros,
        )
        self.saved_models = SavedModelOptions(tags=sessions.tags, session_config=bytes(config.SerializeToString()))
        self.optimizing = optimize_stage.from_settings(settings, self.saved_models)
        self.unsent = UnsentBytes(settings.max_unsent_bytes, allocator.return_free_pages)
        self.watch = self._run_watch()
        self.workers = Workers(
            max(cpus, _FEWEST_WORKERS), settings.max_long_requests, allocator.return_free_pages, self.watch
        )
        self.service = Service(
            self.manager,
            self.metrics,
            self.request_log,
            self.workers,
            self._reload,
            check_method_names=settings.enable_signature_method_name_check,
            admit=admit,
        )
        self.models = Models(
            self.manager,
            Loaders(self.metrics.measured(self._model_loader(sessions)), self._stages()),
            poll_wait_seconds=settings.file_system_poll_wait_seconds,
            settle_seconds=settings.version_settle_seconds,
            max_loads=settings.num_load_threads or 4 * cpus,
            max_unloads=settings.num_unload_threads or 1,
            allow_unavailable_labels=settings.allow_version_labels_for_unavailable_models,
            platforms=sessions.platforms,
            request_log=self.request_log,
            on_death=on_death,
        )
        self._closing: list[Callable[[float], None]] = [
            lambda _: self.executor.shutdown(wait=False, cancel_futures=True),
            lambda _: self.workers.close(),
            self.request_log.close,
            *(part.close for part in (self.batching,) if part is not None),
            self.models.close,
            *(part.close for part in (self.optimizing,) if part is not None),
        ]
        """What is to be closed, in the order in which it begins to be used."""
        self._metrics_path = (
            monitoring_config.read_path(settings.monitoring_config_file) if settings.rest_api_port else ""
        )

    def rest_app(self, ready: Callable[[], bool]) -> RestApp:
        """The REST APIs; ``ready`` answers the readiness probe."""
        settings = self.settings
        return RestApp(
            apis(
                self.service,
                as_content=settings.enable_serialization_as_tensor_content,
                exact_digits=settings.rest_exact_digits,
            ),
            ready,
            self.metrics,
            timeout_ms=settings.rest_api_timeout_in_ms,
            cors=settings.rest_api_enable_cors_support,
            max_request_bytes=settings.max_request_bytes,
            metrics_path=self._metrics_path,
        )

    def rpc_handlers(self) -> Mapping[str, Handler]:
        """The gRPC APIs' handlers by method."""
        return routes(self.service, as_content=self.settings.enable_serialization_as_tensor_content)

    def close(self, seconds: float) -> None:
        """End everything in the reverse order, giving each ``seconds``; blocks. The doors are closed by now."""
        for close in reversed(self._closing):
            close(seconds)

    def _run_watch(self) -> RunWatch:
        def full() -> bool:
            return self.executor.full or (self.batching is not None and self.batching.full)

        return RunWatch(
            self.metrics.long_runs,
            max_run_seconds=self.settings.max_run_seconds,
            stuck_seconds=self.settings.stuck_seconds,
            full=full,
        )

    def _model_loader(self, sessions: Sessions) -> ModelLoader:
        return ModelLoader(
            options=self.saved_models,
            executor=self.executor,
            prefer_tflite=self.settings.prefer_tflite_model,
            tflite_interpreters=self.settings.num_tflite_pools,
            tflite_threads=sessions.config.intra_op_parallelism_threads,
        )

    def _stages(self) -> list[Stage]:
        """What a version goes through once it is loaded; warm-up comes last, for it runs what the others wrap."""
        stages: list[Stage] = [stage for stage in (self.optimizing, self.batching) if stage is not None]
        if self.settings.enable_model_warmup:
            iterations = self.settings.num_request_iterations_for_warmup
            stages.append(WarmupStage(Warmup(self.service.recorded, iterations=iterations, observer=self.metrics)))
        return stages

    def _reload(self, config: Any, timeout: float | None, gone: Callable[[], bool]) -> None:
        self.models.reload(model_config.decode(config), timeout, gone)
