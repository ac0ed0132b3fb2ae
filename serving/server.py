"""The composition root: builds the parts from settings, opens the doors when the models are there, drains, stops."""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import uvloop

import serving
from serving import model_config, welcome
from serving.core.manager import Manager
from serving.core.servable import ServableState, State
from serving.core.startup import Progress
from serving.errors import Code, ConfigurationError, ServingError
from serving.loaders import Loaders
from serving.manager_loop import ManagerLoop
from serving.model_config import ModelConfig
from serving.rest.app import RestApp
from serving.rest.handlers import Handlers
from serving.rest.transports import RestDoor
from serving.rpc.model_service import ModelService
from serving.rpc.prediction_service import PredictionService
from serving.rpc.routes import routes
from serving.rpc.transports import Transport, open_transport
from serving.servables import libtensorflow
from serving.servables.saved_model import SavedModelOptions, load_saved_model, session_config
from serving.settings import Settings
from serving.sources.file_system import FileSystemSource, ModelPath
from serving.telemetry.log import logger

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run(settings: Settings, cpus: int) -> int:
    """Serve until SIGTERM or SIGINT, then drain. Raises ServingError if the start fails."""
    models = configured_models(settings)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(Server(settings, models, cpus).run())


def versions() -> str:
    """The server's version and TensorFlow's, in TensorFlow Serving's words."""
    return f"TensorFlow ModelServer: {serving.__version__}\nTensorFlow Library: {libtensorflow.version()}"


def configured_models(settings: Settings) -> tuple[ModelConfig, ...]:
    """The models that the flags name. Raises ConfigurationError."""
    if settings.port == 0 and not settings.grpc_socket_path:
        raise _invalid("At least one of server_options.grpc_port or server_options.grpc_socket_path must be set.")
    if settings.model_config_file:
        models = model_config.read(Path(settings.model_config_file))
    elif settings.model_base_path:
        logger.info(
            "Building single TensorFlow model file config:  model_name: %s model_base_path: %s",
            settings.model_name,
            settings.model_base_path,
        )
        models = model_config.single(settings.model_name, settings.model_base_path)
    else:
        raise _invalid("Both server_options.model_base_path and server_options.model_config_file are empty!")
    if not settings.allow_version_labels_for_unavailable_models:
        for model in models:
            for version in model.labels.values():
                raise ConfigurationError(
                    Code.FAILED_PRECONDITION,
                    f"Request to assign label to version {version} of model {model.name}, which is not currently "
                    "available for inference",
                )
    return models


def session_threads(settings: Settings, cpus: int) -> Mapping[str, int]:
    """Threads within and between operations; what is left to TensorFlow follows the container's CPUs."""
    session = settings.tensorflow_session_parallelism
    intra, inter = settings.tensorflow_intra_op_parallelism, settings.tensorflow_inter_op_parallelism
    if session > 0 and intra > 0 and inter > 0:
        raise _invalid(
            "Either configure server_options.tensorflow_session_parallelism or "
            "(server_options.tensorflow_intra_op_parallelism, server_options.tensorflow_inter_op_parallelism) "
            "separately. You cannot configure all."
        )
    if not (intra > 0 or inter > 0):
        intra = inter = session
    return {"intra_op_threads": intra or cpus, "inter_op_threads": inter or cpus}


def _invalid(text: str) -> ConfigurationError:
    return ConfigurationError(Code.INVALID_ARGUMENT, text)


class Server:
    """One process's parts. ``run`` is its whole life."""

    def __init__(self, settings: Settings, models: tuple[ModelConfig, ...], cpus: int) -> None:
        self._settings = settings
        self._models = models
        self._names = tuple(model.name for model in models)
        self._cpus = cpus
        self._options = SavedModelOptions(
            tags=tuple(settings.saved_model_tags.split(",")) if settings.saved_model_tags else ("serve",),
            session_config=session_config(**session_threads(settings, cpus)),
        )
        self._executor = ThreadPoolExecutor(max(settings.rest_api_num_threads, 1), thread_name_prefix="model")
        self._manager = Manager(
            max_load_retries=settings.max_num_load_retries,
            load_retry_interval_micros=settings.load_retry_interval_micros,
        )
        self._stopping = asyncio.Event()
        self._changed = asyncio.Event()
        self._loop_ended = False

    async def run(self) -> int:
        """Load, open the doors, serve, drain. Raises ServingError if the start fails."""
        event_loop = asyncio.get_running_loop()
        for number in _STOP_SIGNALS:
            event_loop.add_signal_handler(number, self._stop, number)
        self._manager.monitor.subscribe(self._tell(event_loop))
        app = self._rest_app()
        door = await self._open_rest(app)
        manager_loop = self._start_loading()
        try:
            if await self._models_available():
                await self._serve(app, door)
        finally:
            await self._close(manager_loop, door)
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
                ),
                ModelService(self._manager),
            ),
        )
        transport.start()
        app.open()
        self._announce(transport.port, door.port if door else 0)
        await self._stopping.wait()
        await self._drain(transport, door)

    async def _drain(self, transport: Transport, door: RestDoor | None) -> None:
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
        )
        return RestApp(
            handlers,
            self._executor,
            self._ready,
            cors=settings.rest_api_enable_cors_support,
            max_request_bytes=settings.max_request_bytes,
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
        door = RestDoor(app, max(port, 0), self._settings.max_request_bytes)
        try:
            await door.start()
        except OSError as error:
            logger.error("Failed to start HTTP Server at localhost:%d: %s", port, error.strerror)
            return None
        return door

    def _start_loading(self) -> ManagerLoop:
        settings = self._settings
        for model in self._models:
            self._manager.set_labels(model.name, model.labels)
        paths = {model.name: ModelPath(base_path=model.base_path, policy=model.policy) for model in self._models}
        manager_loop = ManagerLoop(
            self._manager,
            FileSystemSource(paths),
            self._loaders(),
            poll_wait_seconds=settings.file_system_poll_wait_seconds,
            max_loads=settings.num_load_threads or 4 * self._cpus,
            max_unloads=settings.num_unload_threads or 1,
            on_death=self._loop_died,
        )
        logger.info("Adding/updating models.")
        for name in self._names:
            logger.info(" (Re-)adding model: %s", name)
        manager_loop.start()
        return manager_loop

    def _loaders(self) -> Loaders:
        return Loaders(lambda path: load_saved_model(path, self._options, self._executor))

    async def _models_available(self) -> bool:
        """Wait until every model has an available version; False if told to stop before. Raises if one cannot load."""
        while not self._stopping.is_set():
            self._changed.clear()
            startup = self._manager.startup(self._names)
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
        logger.info("Running gRPC ModelServer at 0.0.0.0:%d ...", grpc_port)
        if rest_port:
            logger.info("Exporting HTTP/REST API at:localhost:%d ...", rest_port)
        print("\n".join(welcome.lines(self._manager, self._names, rest_port, grpc_port)), flush=True)

    async def _close(self, manager_loop: ManagerLoop, door: RestDoor | None) -> None:
        if door is not None:
            await door.stop()
        await asyncio.to_thread(manager_loop.close, 1.0)
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _ready(self) -> bool:
        if self._loop_ended or self._stopping.is_set():
            return False
        return self._manager.startup(self._names).progress is Progress.READY

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
