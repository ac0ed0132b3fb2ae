"""The life of a server: its parts are built, its doors opened when the models are there, drained and closed."""

import asyncio
import gc
import os
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import uvloop

import serving
from serving import tls, welcome
from serving.composition import Composition
from serving.configuration import model_config, session_config
from serving.configuration.model_config import Configured
from serving.configuration.session_config import Sessions
from serving.core.servable import ServableState, State
from serving.core.startup import Progress
from serving.errors import Code, ServingError, invalid_configuration
from serving.host import allocator, stop_signals
from serving.host.scheduling import share_interpreter, take_short_turns
from serving.inference.context import Admit
from serving.loading import gpu_use
from serving.loading.config_loop import ConfigLoop
from serving.rest.app import RestApp
from serving.rest.opening import make_door
from serving.rest.server import RestDoor
from serving.rpc.server import Transport, open_transport
from serving.servables import libtensorflow
from serving.servables.custom_ops import load_custom_ops, named_by
from serving.settings import Settings
from serving.telemetry import log
from serving.telemetry.log import logger
from serving.telemetry.quoting import quoted

_COLLECTION_THRESHOLDS = (10_000, 10, 10)
"""Objects more than were freed, before the youngest are walked (docs/adr/0009-garbage-collection-off-the-road.md)."""


def run(settings: Settings, cpus: int, admit: Admit | None = None) -> int:
    """Serve until SIGTERM or SIGINT, then drain; ``admit`` is a policy. Raises ServingError if the start fails."""
    models = configured_models(settings)
    sessions = session_config.decide(settings, cpus)
    load_custom_ops(named_by(settings.custom_op_libraries))
    sessions = gpu_use.settle(sessions)
    stop_signals.stop_watching()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(Server(sessions, models, cpus, admit).run())


def versions() -> str:
    """The server's version and TensorFlow's, in TensorFlow Serving's words."""
    return f"TensorFlow ModelServer: {serving.__version__}\nTensorFlow Library: {libtensorflow.version()}"


def configured_models(settings: Settings) -> Configured:
    """The models that the flags name. Raises ConfigurationError."""
    if settings.port == 0 and not settings.grpc_socket_path:
        raise invalid_configuration(
            "At least one of server_options.grpc_port or server_options.grpc_socket_path must be set."
        )
    if settings.use_alts_credentials and settings.ssl_config_file:
        raise invalid_configuration("Either use_alts_credentials must be false or ssl_config_file must be empty.")
    if settings.model_config_file:
        return model_config.read(Path(settings.model_config_file))
    if settings.model_base_path:
        logger.info(
            "Building single TensorFlow model file config:  model_name: %s model_base_path: %s",
            settings.model_name,
            settings.model_base_path,
        )
        return model_config.single(settings.model_name, settings.model_base_path)
    raise invalid_configuration("Both server_options.model_base_path and server_options.model_config_file are empty!")


class Server:
    """One process's life: ``run`` is all of it."""

    def __init__(self, sessions: Sessions, configured: Configured, cpus: int, admit: Admit | None = None) -> None:
        self._settings = sessions.settings
        self._configured = configured
        self._composition = Composition(sessions, cpus, self._loop_died, admit)
        self._models = self._composition.models
        self._config_loop: ConfigLoop | None = None
        self._stopping = asyncio.Event()
        self._changed = asyncio.Event()
        self._loop_ended = False
        self._told_to_stop = False

    async def run(self) -> int:
        """Load, open the doors, serve, drain. Raises ServingError if the start fails."""
        event_loop = asyncio.get_running_loop()
        take_short_turns()
        share_interpreter()
        stop_signals.call(self._signalled(event_loop))
        self._composition.manager.monitor.subscribe(self._count_state)
        self._composition.manager.monitor.subscribe(self._tell(event_loop))
        app = self._composition.rest_app(self._ready)
        async with AsyncExitStack() as stop:  # backwards
            stop.push_async_callback(asyncio.to_thread, self._composition.close, 1.0)
            door = self._rest_door(app)
            if door is not None:
                stop.push_async_callback(door.stop)
                door = await self._open_rest(door) if self._settings.rest_api_open_early else door
            self._models.start(self._configured)
            if await self._models_available():
                self._follow_config_file()
                await self._serve(app, door)
        return 0

    async def _serve(self, app: RestApp, door: RestDoor | None) -> None:
        _keep_garbage_collection_off_the_road()
        allocator.forget_start()
        transport = open_transport(
            self._settings,
            self._composition.rpc_handlers(),
            self._composition.service.admit,
            self._composition.grpc_tls,
            self._composition.unsent,
        )
        transport.start()
        app.open()
        if door is not None and not self._settings.rest_api_open_early:
            door = await self._open_rest(door)
        self._announce(transport.port, door.port if door else 0)
        await self._stopping.wait()
        await self._drain(transport, door)

    async def _drain(self, transport: Transport, door: RestDoor | None) -> None:
        if self._config_loop is not None:
            self._config_loop.stop()
        self._models.end_waits()
        delay, grace = self._settings.drain_delay_seconds, self._settings.drain_grace_seconds
        logger.info("Draining: requests in flight have %d seconds to finish (--drain_grace_seconds)", grace)
        waits = [asyncio.to_thread(transport.drain, delay, grace)]
        if door is not None:
            waits.append(door.drain(delay, grace))
        await asyncio.gather(*waits)

    def _rest_door(self, app: RestApp) -> RestDoor | None:
        """The REST door on its port, which is still closed; None if there is no REST API."""
        port = self._settings.rest_api_port
        if not port:
            return None
        if port == self._settings.port > 0:
            logger.error(
                "server_options.http_port cannot be same as grpc_port. Please use a different port for HTTP/REST API. "
                "Skipped exporting HTTP/REST API."
            )
            return None
        context = tls.server_context(self._composition.rest_tls) if self._composition.rest_tls else None
        if context is not None:
            logger.info("Using SSL credentials for the REST API")
        door = make_door(self._settings, app, context, self._composition.unsent)
        try:
            door.bind()  # early: the log then says at its beginning that the port is taken
        except OSError as error:
            self._rest_failed(error)
            return None
        return door

    async def _open_rest(self, door: RestDoor) -> RestDoor | None:
        """The door, listening; None if another program, which had bound the port as well, was faster."""
        try:
            await door.start()
        except OSError as error:
            self._rest_failed(error)
            return None
        return door

    def _rest_failed(self, error: OSError) -> None:
        port = self._settings.rest_api_port
        logger.error("Failed to start HTTP Server at localhost:%d: %s", port, error.strerror)

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
            self._composition.manager,
            self._models.names,
            rest_port,
            grpc_port,
            socket_path=socket_path,
            https=self._composition.rest_tls is not None,
            anybody=self._composition.rest_tls is None or not self._composition.rest_tls.verify_clients,
        )
        print("\n".join(map(quoted, text)))

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

    def _ready(self) -> bool:
        if self._loop_ended or self._stopping.is_set() or self._composition.watch.stuck:
            return False
        return self._models.ready()

    def _signalled(self, event_loop: asyncio.AbstractEventLoop) -> Callable[[int], None]:
        """What a signal does, until the process is gone: asyncio's own handlers go with the loop."""

        def signalled(number: int) -> None:
            if self._told_to_stop:
                logger.warning("Second %s: ending at once", signal.Signals(number).name)
                log.flush()
                os._exit(128 + number)
            self._told_to_stop = True
            with suppress(RuntimeError):  # the loop is closed: a start has failed, and its own status follows
                event_loop.call_soon_threadsafe(self._stop, number)

        return signalled

    def _stop(self, number: int) -> None:
        logger.info("%s: ending", signal.Signals(number).name)
        self._stopping.set()
        self._changed.set()

    def _tell(self, event_loop: asyncio.AbstractEventLoop) -> Callable[[ServableState], None]:
        """Passes state changes on to the event loop, from whichever thread makes them."""

        def tell(state: ServableState) -> None:
            event_loop.call_soon_threadsafe(self._state_changed, state)

        return tell

    def _count_state(self, state: ServableState) -> None:
        self._composition.metrics.state_changed(state.id.name, state.id.version, state.state.name)

    def _state_changed(self, state: ServableState) -> None:
        self._changed.set()
        if state.state is State.AVAILABLE:
            _keep_garbage_collection_off_the_road()

    def _loop_died(self, error: BaseException) -> None:
        self._loop_ended = True
        logger.error("Readiness is withdrawn, for a loop of the server ended: %s. What is loaded stays served.", error)


def _keep_garbage_collection_off_the_road() -> None:
    """What has been loaded stays: collections during requests need not walk through it again, and are rare."""
    gc.set_threshold(*_COLLECTION_THRESHOLDS)
    gc.collect()
    gc.freeze()
