"""The life of a server: its parts are built, its doors opened when the models are there, drained and closed."""

import asyncio
import os
import signal
import ssl
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING

import uvloop

import serving
from serving import tls
from serving.composition import announcing, following, joining
from serving.composition.memory import check_pins
from serving.composition.parts import Composition
from serving.composition.shadowing import check_shadows
from serving.configuration import session_config
from serving.configuration.model_config import Configured
from serving.configuration.session_config import Sessions
from serving.core.servable import ServableId, ServableState, State
from serving.core.startup import Progress
from serving.errors import Code, ServingError
from serving.host import allocator, stop_signals
from serving.host.addresses import resolved
from serving.host.garbage_collection import keep_off_the_road
from serving.host.scheduling import share_interpreter, take_short_turns
from serving.inference.context import Admit
from serving.loading import gpu_use, page_readings
from serving.loading.config_loop import ConfigLoop
from serving.loading.waiting import Wait, waits_for
from serving.rest.app import RestApp
from serving.rest.opening import bound_door, opened
from serving.rest.server import RestDoor
from serving.rpc import addresses
from serving.rpc.server import Transport, open_transport
from serving.servables import libtensorflow
from serving.servables.custom_ops import load_custom_ops, named_by
from serving.settings import Settings, Variables
from serving.telemetry import log
from serving.telemetry.log import logger

if TYPE_CHECKING:
    from serving.processes.group import Group

_NO_VARIABLES = Variables()


def run(
    settings: Settings,
    cpus: int,
    admit: Admit | None = None,
    *,
    variables: Variables = _NO_VARIABLES,
    group: "Group | None" = None,
) -> int:
    """Serve until SIGTERM or SIGINT, then drain. Raises ServingError if the start fails.

    ``admit`` is a policy; ``group`` has the other workers, if this process is one of several.
    """
    models, unread = joining.named(settings, group)
    settings = resolved(settings)
    sessions = session_config.decide(settings, cpus)
    load_custom_ops(named_by(settings.custom_op_libraries))
    sessions = gpu_use.settle(sessions)
    if settings.dry_run:
        from serving.doctor.dry_run import dry_run

        return dry_run(sessions, models, cpus)
    stop_signals.stop_watching()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(Server(sessions, models, cpus, admit, variables, group, unread).run())


def versions() -> str:
    """The server's version and TensorFlow's, in TensorFlow Serving's words."""
    return f"TensorFlow ModelServer: {serving.__version__}\nTensorFlow Library: {libtensorflow.version()}"


class Server:
    """One process's life: ``run`` is all of it."""

    def __init__(
        self,
        sessions: Sessions,
        configured: Configured,
        cpus: int,
        admit: Admit | None = None,
        variables: Variables = _NO_VARIABLES,
        group: "Group | None" = None,
        unread: ServingError | None = None,
    ) -> None:
        self._group = group
        self._unread = unread
        self._sessions = sessions
        self._settings = sessions.settings
        self._cpus = cpus
        self._configured = configured
        self._cpu_note = variables.cpu_note
        check_pins(self._settings, [model.name for model in configured or ()])
        check_shadows(self._settings, [model.name for model in configured or ()])
        guard = None
        if group is not None:
            from serving.composition.worker_guard import WorkerGuard  # one process does without

            guard = WorkerGuard(group)
        self._composition = Composition(sessions, cpus, self._loop_died, admit, variables.otlp_protocol, guard)
        self._composition.metrics.readers.append(page_readings.build(serving.__version__))
        self._composition.service.know_server(serving.__version__, self._ready)
        self._models = self._composition.models
        if group is not None:
            from serving.composition import worker  # one process does without

            worker.connect(self._composition, group)
        self._models.tell_first_failures(self._explain)
        self._explained: set[str] = set()
        self._config_loop: ConfigLoop | None = None
        self._stopping = asyncio.Event()
        self._changed = asyncio.Event()
        self._loop_ended = False
        self._told_to_stop = False
        self._serves = False

    async def run(self) -> int:
        """Load, open the doors, serve, drain. Raises ServingError if the start fails."""
        event_loop = asyncio.get_running_loop()
        take_short_turns()
        share_interpreter()
        stop_signals.call(self._signalled(event_loop))
        self._composition.manager.monitor.subscribe(self._count_state)
        self._composition.manager.monitor.subscribe(self._tell(event_loop))
        self._composition.manager.monitor.subscribe(self._explain_failure)
        self._composition.single_models.on_failure = self._explain_failure
        if self._composition.keys is not None:
            self._composition.keys.start()
        app = self._composition.rest_app(self._ready, serving.__version__)
        async with AsyncExitStack() as stop:  # backwards
            stop.push_async_callback(asyncio.to_thread, self._composition.close, 1.0)
            door = bound_door(
                self._settings, app, self._rest_context(), self._composition.unsent, self._composition.elsewhere
            )
            if door is not None:
                stop.push_async_callback(door.stop)
                door = await opened(self._settings, door) if self._settings.rest_api_open_early else door
            following.follow_certificates(self._composition, event_loop, door, stop, self._loop_died)
            addresses.check(self._settings)  # now: models may take minutes to load
            self._composition.base_paths.give(self._configured)
            if self._group is not None:
                self._configured = await joining.join(
                    self._composition, self._group, self._configured, self._unread, partial(self._end_soon, event_loop)
                )
            self._models.start(self._configured)
            if await self._models_available(app) and await self._all_loaded():
                self._config_loop = following.follow_config_file(self._composition, self._loop_died, self._group)
                await self._serve(app, door)
        return 0

    async def _all_loaded(self) -> bool:
        """Whether the doors may open: when all workers have loaded their models."""
        return self._group is None or await asyncio.to_thread(self._group.loaded)

    async def _serve(self, app: RestApp, door: RestDoor | None) -> None:
        keep_off_the_road()
        allocator.forget_start()
        transport = open_transport(
            self._settings,
            self._composition.rpc_handlers(),
            self._composition.service.admit,
            self._composition.grpc_tls,
            self._composition.unsent,
            self._composition.accounts,
            self._composition.rpc_streams(),
            None if self._composition.guard is None else self._composition.guard.surplus,
        )
        transport.start()
        app.open()
        if door is not None and not self._settings.rest_api_open_early:
            door = await opened(self._settings, door)
        rest_port = door.port if door else 0
        ports = {"GRPC": transport.port, "REST": rest_port}
        self._composition.metrics.readers.append(page_readings.connections(ports))
        self._composition.ports.update(ports)
        if self._group is None or self._group.announces:
            announcing.announce(self._composition, transport.port, rest_port, self._cpu_note)
        if self._group is not None:
            self._group.has_opened()
        self._serves = True
        await self._stopping.wait()
        self._serves = False
        await self._drain(transport, door)

    async def _drain(self, transport: Transport, door: RestDoor | None) -> None:
        if self._config_loop is not None:
            self._config_loop.stop()
        self._models.end_waits()
        delay, grace = self._settings.drain_delay_seconds, self._settings.drain_grace_seconds
        until = asyncio.get_running_loop().time() + grace
        logger.info("Draining: requests in flight have %d seconds to finish (--drain_grace_seconds)", grace)
        waits = [asyncio.to_thread(transport.drain, delay, grace)]
        if door is not None:
            waits.append(door.drain(delay, grace))
        await asyncio.gather(*waits)
        left = until - asyncio.get_running_loop().time()
        await asyncio.to_thread(self._composition.send_traces, max(left, 0.0))

    def _rest_context(self) -> ssl.SSLContext | None:
        file = self._composition.rest_tls
        return None if file is None else tls.server_context(file.credentials)

    async def _models_available(self, app: RestApp) -> bool:
        """Wait until every model has an available version; False if told to stop before. Raises if one cannot load."""
        wait = Wait(self._changed.wait, early=self._settings.rest_api_open_early)
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
            if self._settings.rest_api_open_early and self._composition.keys is None:  # it names files, to anybody
                app.waits_for = await asyncio.to_thread(waits_for, self._models)
            if await wait.is_long():
                from serving.doctor.at_start import explain_wait

                explain_wait(self._settings, self._cpus, frozenset(startup.waiting) - self._explained)
        return False

    def _ready(self) -> bool:
        if self._loop_ended or self._stopping.is_set() or self._composition.watch.stuck:
            return False
        if self._group is not None and not self._group.opened:
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
        self._end()

    def _end_soon(self, event_loop: asyncio.AbstractEventLoop) -> None:
        with suppress(RuntimeError):  # the loop is closed
            event_loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
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
            keep_off_the_road()
        elif state.state is State.END:
            self._composition.metrics.forget_gone()  # nobody may ever ask for the page, which does so too

    def _explain_failure(self, state: ServableState) -> None:
        """Say in the log what is wrong with the files of a version that has failed beside those that serve."""
        if state.state is State.END and state.error is not None and self._serves:
            self._explain(state.id)

    def _explain(self, failed: ServableId) -> None:
        from serving.doctor.at_start import explain_failed_version

        self._explained.add(failed.name)
        explain_failed_version(self._models.configured, failed, self._sessions)

    def _loop_died(self, error: BaseException) -> None:
        self._loop_ended = True
        logger.error("Readiness is withdrawn, for a loop of the server ended: %s. What is loaded stays served.", error)
