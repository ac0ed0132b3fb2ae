"""The parts of a server, built from its settings and connected; nothing here starts, listens or waits.

``server.py`` gives them their life.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from serving import tls
from serving.configuration import model_config, monitoring_config
from serving.configuration.session_config import Sessions
from serving.core.manager import Manager
from serving.inference.warmup import Warmup
from serving.loading import batching_stage
from serving.loading.loaders import Loaders, Stage
from serving.loading.model_kinds import ModelLoader
from serving.loading.models import Models
from serving.loading.warmup_stage import WarmupStage
from serving.optimizing import optimize_stage
from serving.request_log.opening import open_request_log
from serving.rest.app import RestApp
from serving.rest.handlers import Handlers
from serving.rpc.model_service import ModelService
from serving.rpc.prediction_service import PredictionService
from serving.rpc.routes import Handler, routes
from serving.servables.saved_model import SavedModelOptions
from serving.telemetry.serving_metrics import ServingMetrics


class Parts:
    """Everything that lives as long as the process. Raises ConfigurationError for files that cannot be used."""

    def __init__(self, sessions: Sessions, cpus: int, on_death: Callable[[BaseException], None]) -> None:
        self.settings = settings = sessions.settings
        self.grpc_tls = tls.read("ssl_config_file", settings.ssl_config_file)
        self.rest_tls = tls.read("rest_api_ssl_config_file", settings.rest_api_ssl_config_file)
        self.metrics = ServingMetrics()
        self.batching = batching_stage.from_settings(
            settings, sessions.batching_parameters, cpus, self.metrics.batching
        )
        self.request_log = open_request_log(settings, sessions.tags, self.metrics.logged)
        self.executor = ThreadPoolExecutor(max(settings.rest_api_num_threads, 1), thread_name_prefix="model")
        self.manager = Manager(
            max_load_retries=settings.max_num_load_retries,
            load_retry_interval_micros=settings.load_retry_interval_micros,
        )
        self.saved_models = SavedModelOptions(
            tags=sessions.tags, session_config=bytes(sessions.config.SerializeToString())
        )
        self.optimizing = optimize_stage.from_settings(settings, self.saved_models)
        self.models = Models(
            self.manager,
            Loaders(self.metrics.measured(self._model_loader(sessions)), self._stages()),
            poll_wait_seconds=settings.file_system_poll_wait_seconds,
            max_loads=settings.num_load_threads or 4 * cpus,
            max_unloads=settings.num_unload_threads or 1,
            allow_unavailable_labels=settings.allow_version_labels_for_unavailable_models,
            platforms=sessions.platforms,
            request_log=self.request_log,
            on_death=on_death,
        )
        self._metrics_path = (
            monitoring_config.read_path(settings.monitoring_config_file) if settings.rest_api_port else ""
        )

    def rest_app(self, ready: Callable[[], bool]) -> RestApp:
        """The REST API; ``ready`` answers its readiness probe."""
        settings = self.settings
        handlers = Handlers(
            self.manager,
            timeout_ms=settings.rest_api_timeout_in_ms,
            check_method_name=settings.enable_signature_method_name_check,
            as_content=settings.enable_serialization_as_tensor_content,
            exact_digits=settings.rest_exact_digits,
            metrics=self.metrics,
            request_log=self.request_log,
        )
        return RestApp(
            handlers,
            self.executor,
            ready,
            cors=settings.rest_api_enable_cors_support,
            max_request_bytes=settings.max_request_bytes,
            metrics=self.metrics,
            metrics_path=self._metrics_path,
        )

    def rpc_handlers(self) -> "dict[str, Handler]":
        """The gRPC API's handlers by method."""
        prediction = PredictionService(
            self.manager,
            as_content=self.settings.enable_serialization_as_tensor_content,
            check_method_name=self.settings.enable_signature_method_name_check,
            metrics=self.metrics,
            request_log=self.request_log,
        )
        return dict(routes(prediction, ModelService(self.manager, self._reload, self.metrics.value)))

    def close(self, seconds: float) -> None:
        """Unload every model and end the threads, giving each step ``seconds``; blocks. The doors are closed by now."""
        if self.optimizing is not None:
            self.optimizing.close()
        self.models.close(seconds)
        if self.batching is not None:
            self.batching.close(seconds)
        self.request_log.close(seconds)
        self.executor.shutdown(wait=False, cancel_futures=True)

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
            warmup = Warmup(
                iterations=self.settings.num_request_iterations_for_warmup,
                check_method_names=self.settings.enable_signature_method_name_check,
                observer=self.metrics,
            )
            stages.append(WarmupStage(warmup))
        return stages

    def _reload(self, config: Any, timeout: float | None, gone: Callable[[], bool]) -> None:
        self.models.reload(model_config.decode(config), timeout, gone)
