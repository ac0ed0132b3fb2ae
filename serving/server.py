"""The composition root: builds the parts from settings, opens the doors when the models are there, drains, stops."""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import uvloop

import serving
from serving import batching_stage, model_config, monitoring_config, session_config, tls, welcome
from serving.config_loop import ConfigLoop
from serving.core.manager import Manager
from serving.core.servable import ServableState, State
from serving.core.startup import Progress
from serving.errors import Code, ConfigurationError, ServingError
from serving.inference.warmup import Warmup
from serving.loaders import Loaders, Stage
from serving.model_config import Configured
from serving.model_kinds import ModelLoader
from serving.models import Models
from serving.request_log.opening import open_request_log
from serving.rest.app import RestApp
from serving.rest.handlers import Handlers
from serving.rest.transports import RestDoor
from serving.rpc.model_service import ModelService
from serving.rpc.prediction_service import PredictionService
from serving.rpc.routes import routes
from serving.rpc.transports import Transport, open_transport
from serving.servables import libtensorflow
from serving.servables.custom_ops import load_custom_ops
from serving.servables.saved_model import SavedModelOptions
from serving.session_config import Sessions
from serving.settings import Settings
from serving.telemetry.log import logger
from serving.telemetry.serving_metrics import ServingMetrics
from serving.warmup_file import WarmupStage

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run(settings: Settings, cpus: int) -> int:
    """Serve until SIGTERM or SIGINT, then drain. Raises ServingError if the start fails."""
    models = configured_models(settings)
    sessions = session_config.decide(settings, cpus)
    load_custom_ops([Path(name) for name in settings.custom_op_libraries.split(",") if name])
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(Server(sessions, models, cpus).run())


def versions() -> str:
    """The server's version and TensorFlow's, in TensorFlow Serving's words."""
    return f"TensorFlow ModelServer: {serving.__version__}\nTensorFlow Library: {libtensorflow.version()}"


def configured_models(settings: Settings) -> Configured:
    """The models that the flags name. Raises ConfigurationError."""
    if settings.port == 0 and not settings.grpc_socket_path:
        raise _invalid("At least one of server_options.grpc_port or server_options.grpc_socket_path must be set.")
    if settings.use_alts_credentials and settings.ssl_config_file:
        raise _invalid("Either use_alts_credentials must be false or ssl_config_file must be empty.")
    if settings.model_config_file:
        return model_config.read(Path(settings.model_config_file))
    if settings.model_base_path:
        logger.info(
            "Building single TensorFlow model file config:  model_name: %s model_base_path: %s",
            settings.model_name,
            settings.model_base_path,
        )
        return model_config.single(settings.model_name, settings.model_base_path)
    raise _invalid("Both server_options.model_base_path and server_options.model_config_file are empty!")


def _invalid(text: str) -> ConfigurationError:
    return ConfigurationError(Code.INVALID_ARGUMENT, text)


class Server:
    """One process's parts. ``run`` is its whole life."""

    def __init__(self, sessions: Sessions, configured: Configured, cpus: int) -> None:
        self._settings = settings = sessions.settings
        self._configured = configured
        self._cpus = cpus
        self._tls = tls.read("ssl_config_file", settings.ssl_config_file)
        self._rest_tls = tls.read("rest_api_ssl_config_file", settings.rest_api_ssl_config_file)
        self._metrics = ServingMetrics()
        self._batching = batching_stage.from_settings(
            settings, sessions.batching_parameters, cpus, self._metrics.batching
        )
        self._metrics_path = (
            monitoring_config.read_path(settings.monitoring_config_file) if settings.rest_api_port else ""
        )
        self._request_log = open_request_log(settings, sessions.tags)
        self._options = SavedModelOptions(tags=sessions.tags, session_config=bytes(sessions.config.SerializeToString()))
        self._executor = ThreadPoolExecutor(max(settings.rest_api_num_threads, 1), thread_name_prefix="model")
        self._load = ModelLoader(
            options=self._options,
            executor=self._executor,
            prefer_tflite=settings.prefer_tflite_model,
            tflite_interpreters=settings.num_tflite_pools,
            tflite_threads=sessions.config.intra_op_parallelism_threads,
        )
        self._manager = Manager(
            max_load_retries=settings.max_num_load_retries,
            load_retry_interval_micros=settings.load_retry_interval_micros,
        )
        self._models = Models(
            self._manager,
            self._loaders(),
            poll_wait_seconds=settings.file_system_poll_wait_seconds,
            max_loads=settings.num_load_threads or 4 * cpus,
            max_unloads=settings.num_unload_threads or 1,
            allow_unavailable_labels=settings.allow_version_labels_for_unavailable_models,
            platforms=sessions.platforms,
            request_log=self._request_log,
            on_death=self._loop_died,
        )
        self._config_loop: ConfigLoop | None = None
        self._stopping = asyncio.Event()
        self._changed = asyncio.Event()
        self._loop_ended = False

    async def run(self) -> int:
        """Load, open the doors, serve, drain. Raises ServingError if the start fails."""
        event_loop = asyncio.get_running_loop()
        for number in _STOP_SIGNALS:
            event_loop.add_signal_handler(number, self._stop, number)
        self._manager.monitor.subscribe(self._count_state)
        self._manager.monitor.subscribe(self._tell(event_loop))
        app = self._rest_app()
        door = await self._open_rest(app)
        try:
            self._models.start(self._configured)
            if await self._models_available():
                self._follow_config_file()
                await self._serve(app, door)
        finally:
            await self._close(door)
        return 0

    async def _serve(self, app: RestApp, door: RestDoor | None) -> None:
        _keep_garbage_collection_off_the_road()
        transport = open_transport(
            self._settings,
            routes(
                PredictionService(
                    self._manager,
                    as_content=self._settings.enable_serialization_as_tensor_content,
                    check_method_name=self._settings.enable_signature_method_name_check,
                    metrics=self._metrics,
                    request_log=self._request_log,
                ),
                ModelService(self._manager, self._reload, self._metrics.value),
            ),
            self._tls,
        )
        transport.start()
        app.open()
        self._announce(transport.port, door.port if door else 0)
        await self._stopping.wait()
        await self._drain(transport, door)

    async def _drain(self, transport: Transport, door: RestDoor | None) -> None:
        if self._config_loop is not None:
            self._config_loop.stop()
        self._models.end_waits()
        grace = self._settings.drain_grace_seconds
        logger.info("Draining: requests in flight have %d seconds to finish (--drain_grace_seconds)", grace)
        waits = [asyncio.to_thread(transport.drain, grace)]
        if door is not None:
            waits.append(door.drain(grace))
        await asyncio.gather(*waits)

    def _rest_app(self) -> RestApp:
        settings = self._settings
        handlers = Handlers(
            self._manager,
            timeout_ms=settings.rest_api_timeout_in_ms,
            check_method_name=settings.enable_signature_method_name_check,
            metrics=self._metrics,
            request_log=self._request_log,
        )
        return RestApp(
            handlers,
            self._executor,
            self._ready,
            cors=settings.rest_api_enable_cors_support,
            max_request_bytes=settings.max_request_bytes,
            metrics=self._metrics,
            metrics_path=self._metrics_path,
        )

    async def _open_rest(self, app: RestApp) -> RestDoor | None:
        """The REST door, which answers only probes until the models are there; None if there is no REST API."""
        port = self._settings.rest_api_port
        if not port:
            return None
        if port == self._settings.port > 0:
            logger.error(
                "server_options.http_port cannot be same as grpc_port. Please use a different port for HTTP/REST API. "
                "Skipped exporting HTTP/REST API."
            )
            return None
        context = tls.server_context(self._rest_tls) if self._rest_tls else None
        if context is not None:
            logger.info("Using SSL credentials for the REST API")
        door = RestDoor(app, max(port, 0), self._settings.max_request_bytes, context)
        try:
            await door.start()
        except OSError as error:
            logger.error("Failed to start HTTP Server at localhost:%d: %s", port, error.strerror)
            return None
        return door

    def _loaders(self) -> Loaders:
        return Loaders(self._metrics.measured(self._load), self._stages())

    def _stages(self) -> list[Stage]:
        """What a version goes through once it is loaded; warm-up comes last, for it runs what the others wrap."""
        settings = self._settings
        stages: list[Stage] = [self._batching] if self._batching is not None else []
        if settings.enable_model_warmup:
            warmup = Warmup(
                iterations=settings.num_request_iterations_for_warmup,
                check_method_names=settings.enable_signature_method_name_check,
                observer=self._metrics,
            )
            stages.append(WarmupStage(warmup))
        return stages

    async def _models_available(self) -> bool:
        """Wait until every model has an available version; False if told to stop before. Raises if one cannot load."""
        while not self._stopping.is_set():
            self._changed.clear()
            startup = self._models.startup()
            if startup.progress is Progress.READY:
                logger.info("Finished adding/updating models")
                return True
            if startup.progress is Progress.FAILED:
                raise ServingError(
                    Code.UNKNOWN,
                    f"{len(startup.failed)} servable(s) did not become available: {startup.reasons}",
                )
            await self._changed.wait()
        return False

    def _announce(self, grpc_port: int, rest_port: int) -> None:
        socket_path = self._settings.grpc_socket_path
        if grpc_port:
            logger.info("Running gRPC ModelServer at 0.0.0.0:%d ...", grpc_port)
        if socket_path:
            logger.info("Running gRPC ModelServer at UNIX socket %s ...", socket_path)
        if rest_port:
            logger.info("Exporting HTTP/REST API at:localhost:%d ...", rest_port)
        text = welcome.lines(
            self._manager,
            self._models.names,
            rest_port,
            grpc_port,
            socket_path=socket_path,
            https=self._rest_tls is not None,
            anybody=self._rest_tls is None or not self._rest_tls.verify_clients,
        )
        print("\n".join(text), flush=True)

    async def _close(self, door: RestDoor | None) -> None:
        if door is not None:
            await door.stop()
        await asyncio.to_thread(self._models.close, 1.0)
        if self._batching is not None:
            await asyncio.to_thread(self._batching.close, 1.0)
        await asyncio.to_thread(self._request_log.close, 1.0)
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _follow_config_file(self) -> None:
        settings = self._settings
        if settings.model_config_file and settings.model_config_file_poll_wait_seconds > 0:
            self._config_loop = ConfigLoop(
                Path(settings.model_config_file),
                self._models,
                wait_seconds=settings.model_config_file_poll_wait_seconds,
                on_death=self._loop_died,
            )
            self._config_loop.start()

    def _reload(self, config: Any, timeout: float | None, gone: Callable[[], bool]) -> None:
        self._models.reload(model_config.decode(config), timeout, gone)

    def _ready(self) -> bool:
        if self._loop_ended or self._stopping.is_set():
            return False
        return self._models.ready()

    def _stop(self, number: int) -> None:
        if self._stopping.is_set():
            logger.warning("Second %s: ending at once", signal.Signals(number).name)
            sys.stderr.flush()
            os._exit(128 + number)
        logger.info("%s: ending", signal.Signals(number).name)
        self._stopping.set()
        self._changed.set()

    def _tell(self, event_loop: asyncio.AbstractEventLoop) -> Callable[[ServableState], None]:
        """Passes state changes on to the event loop, from whichever thread makes them."""

        def tell(state: ServableState) -> None:
            event_loop.call_soon_threadsafe(self._state_changed, state)

        return tell

    def _count_state(self, state: ServableState) -> None:
        self._metrics.state_changed(state.id.name, state.id.version, state.state.name)

    def _state_changed(self, state: ServableState) -> None:
        self._changed.set()
        if state.state is State.AVAILABLE:
            _keep_garbage_collection_off_the_road()

    def _loop_died(self, error: BaseException) -> None:
        self._loop_ended = True
        logger.error("The model lifecycle ended: %s. What is loaded stays served; readiness is withdrawn.", error)


def _keep_garbage_collection_off_the_road() -> None:
    """What has been loaded stays: collections during requests need not walk through it again."""
    gc.collect()
    gc.freeze()
