"""The supervisor: starts the workers, watches and replaces them, passes on what they tell each other and signals.

It loads no library, serves nothing and reads no model: it is there when a worker is not.
"""

import pickle
import selectors
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from serving.host import stop_signals
from serving.processes.child import Child, Place, Stage
from serving.processes.questions import Questions
from serving.processes.recovery import Recovery
from serving.processes.shared import Shared
from serving.processes.wire import Kind, Message
from serving.telemetry.log import logger

SET_ASIDE = "set aside"
"""What versions are set aside, by their texts, with the reason; the supervisor tells and keeps it."""

_FAILED = 255
_SLACK_SECONDS = 5.0
"""Beyond the grace of a drain, until workers that have not ended are killed."""


class Member(NamedTuple):
    """A worker as the others know it. ``restarts`` is how often it was started again, ``last_end`` how it ended."""

    worker: int
    pid: int
    stage: str
    restarts: int
    last_end: str


class Begin(NamedTuple):
    """What a worker needs to know before it begins: what the others have kept, and whether the server starts."""

    kept: dict[str, bytes]
    first: bool


class Supervisor:
    """``run`` is all of its life. ``ports`` are those of gRPC and REST, which somebody holds for its workers.

    ``descriptor`` is that of the memory that all share.
    """

    def __init__(
        self,
        count: int,
        ports: tuple[int, int],
        environment: Mapping[str, str],
        *,
        grace_seconds: float,
        descriptor: int,
        command: Sequence[str] = (),
    ) -> None:
        self._count = count
        self._ports = ports
        self._environment = dict(environment)
        self._grace_seconds = grace_seconds
        self._command = list(command) or [sys.executable, *sys.orig_argv[1:]]
        self._descriptor = descriptor
        self._shared = Shared(descriptor, count)
        self._selector = selectors.DefaultSelector()
        self._questions = Questions()
        self._children: dict[int, Child] = {}
        self._recovery = Recovery(count)
        self._serves = False
        self._kill_at: float | None = None
        self._reason: str | None = None

    @property
    def reason(self) -> str | None:
        """Why the server could not start, if a worker has said so."""
        return self._reason

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT, then let all workers drain; the exit status."""
        waking, woken = socket.socketpair()
        waking.setblocking(False)
        woken.setblocking(False)
        told: list[int] = []
        stop_signals.stop_watching()
        signal.set_wakeup_fd(waking.fileno(), warn_on_full_buffer=False)
        stop_signals.call(told.append)
        self._selector.register(woken, selectors.EVENT_READ)
        logger.info("Starting %d workers (--workers)", self._count)
        for number in range(self._count):
            self._start(number)
        while self._children or (self._recovery.due and self._kill_at is None):
            for key, events in self._selector.select(self._wait_seconds()):
                if key.fileobj is woken:
                    woken.recv(64)
                else:
                    child, of_process = key.data
                    self._turn(child, of_process, events)
            while told:
                self._signalled(told.pop(0))
            self._look_at_clock()
        return _FAILED if self._reason is not None else 0

    def _turn(self, child: Child, of_process: bool, events: int) -> None:
        if self._children.get(child.number) is not child:
            return
        if of_process:
            self._ended(child)
            return
        if events & selectors.EVENT_WRITE:
            child.flush()
        if events & selectors.EVENT_READ:
            self._receive(child)
        self._watch()

    def _start(self, number: int) -> None:
        child = self._children[number] = Child(
            Place(number, self._count, self._ports, self._descriptor), self._command, self._environment
        )
        self._selector.register(child.ended, selectors.EVENT_READ, (child, True))
        self._selector.register(child.socket, selectors.EVENT_READ, (child, False))

    def _watch(self) -> None:
        """Wait for sockets to take more where there is more for them."""
        for child in self._children.values():
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if child.has_unsent else 0)
            if self._selector.get_key(child.socket).events != events:
                self._selector.modify(child.socket, events, (child, False))

    def _receive(self, child: Child) -> None:
        for message in child.receive():
            self._message(child, message)

    def _message(self, child: Child, message: Message) -> None:
        match message.kind:
            case Kind.ASK:
                self._questions.ask(child, message, [each for each in self._children.values() if each.takes_part])
            case Kind.REPLY:
                self._questions.reply(child, message)
            case Kind.LOCK:
                self._questions.lock(child, message.number)
            case Kind.UNLOCK:
                self._questions.unlock(child)
                self._let_join()
            case Kind.KEEP:
                self._questions.kept[message.operation] = message.body
            case Kind.TELL:
                for each in self._children.values():
                    if each.takes_part and each is not child:
                        each.send(Kind.TELL, 0, child.number, operation=message.operation, body=message.body)
            case _:
                self._is_further(child, message)

    def _is_further(self, child: Child, message: Message) -> None:
        """A worker says how far it is."""
        match message.kind:
            case Kind.JOIN:
                child.stage = Stage.JOINING
                self._let_join()
            case Kind.LOADED:
                child.stage = Stage.LOADED
                self._open()
            case Kind.OPENED:
                self._opened(child)
            case Kind.FAILED if not self._serves:
                self._reason = self._reason or message.body.decode()
            case Kind.FAILED:
                logger.error("Worker %d cannot start: %s", child.number, message.body.decode())
            case _:
                raise AssertionError(message)  # what a supervisor says

    def _let_join(self) -> None:
        """Not while somebody changes something: who joins either gets the result, or is asked as the others are."""
        if self._questions.locked:
            return
        joined = [child for child in self._children.values() if child.stage is Stage.JOINING]
        for child in joined:
            child.stage = Stage.LOADING
            begin = Begin(dict(self._questions.kept), not self._serves)
            child.send(Kind.START, body=pickle.dumps(tuple(begin)))
        if joined:
            self._tell_members()

    def _open(self) -> None:
        """Open the doors of whoever is ready: at the start all, the first worker last, for it says where they are."""
        if self._kill_at is not None:
            return
        children = list(self._children.values())
        if self._serves:
            opened = [child for child in children if child.stage is Stage.LOADED]
        elif len(children) < self._count or any(
            child.stage not in (Stage.LOADED, Stage.OPENING, Stage.SERVING) for child in children
        ):
            return
        else:
            others = [child for child in children if child.number]
            opened = [child for child in others if child.stage is Stage.LOADED]
            if all(child.stage is Stage.SERVING for child in others):
                opened = [child for child in children if child.stage is Stage.LOADED]
        for child in opened:
            child.stage = Stage.OPENING
            child.send(Kind.OPEN)

    def _opened(self, child: Child) -> None:
        child.stage = Stage.SERVING
        if self._recovery.restarts[child.number]:
            logger.info("Worker %d serves again, %.1f s after its start", child.number, time.monotonic() - child.began)
        self._open()
        self._serves = self._serves or all(each.stage is Stage.SERVING for each in self._children.values())
        self._tell_members()

    def _tell_members(self) -> None:
        ends, restarts = self._recovery.last_ends, self._recovery.restarts
        members = [
            Member(child.number, child.pid, child.stage.value, restarts[child.number], ends[child.number])
            for child in self._children.values()
            if child.takes_part
        ]
        for child in self._children.values():
            if child.takes_part:
                child.send(Kind.MEMBERS, body=pickle.dumps([tuple(member) for member in members]))

    def _ended(self, child: Child) -> None:
        self._receive(child)
        self._selector.unregister(child.ended)
        self._selector.unregister(child.socket)
        del self._children[child.number]
        lived = time.monotonic() - child.began
        status = child.reap()
        self._questions.gone(child)
        if self._kill_at is None:
            self._replace(child, status, lived)
        self._shared.forget(child.number)
        self._let_join()
        self._tell_members()
        self._watch()

    def _replace(self, child: Child, status: int, lived: float) -> None:
        if not self._serves and (self._reason is not None or status == _FAILED):
            self._reason = self._reason or ""
            self._stop_all(_SLACK_SECONDS)
            return
        running = self._shared.running(child.number)
        if any(each.loading for each in running):
            self._shared.be_careful()
        if self._recovery.ended(child.number, child.pid, status, lived, running):
            self._shared.warn()
            body = self._questions.kept[SET_ASIDE] = pickle.dumps(self._recovery.set_aside)
            for each in self._children.values():
                if each.takes_part:
                    each.send(Kind.TELL, operation=SET_ASIDE, body=body)

    def _signalled(self, number: int) -> None:
        again = self._kill_at is not None
        name = signal.Signals(number).name
        logger.info("Second %s: ending at once" if again else "%s: ending", name)
        self._stop_all(0.0 if again else self._grace_seconds + _SLACK_SECONDS)

    def _stop_all(self, within_seconds: float) -> None:
        """What was to be started again later is not any more."""
        self._recovery.due.clear()
        self._kill_at = time.monotonic() + within_seconds
        for child in self._children.values():
            child.send(Kind.STOP)
        self._watch()

    def _wait_seconds(self) -> float | None:
        times = [*self._recovery.due.values(), *([] if self._kill_at is None else [self._kill_at])]
        return max(min(times) - time.monotonic(), 0.0) if times else None

    def _look_at_clock(self) -> None:
        now = time.monotonic()
        for number in self._recovery.to_start(now):
            self._start(number)
        if self._kill_at is not None and self._kill_at <= now:
            self._kill_at = now + 1
            for child in self._children.values():
                if self._reason is None:
                    logger.warning(
                        "Worker %d (process %d) has not ended in time and is killed", child.number, child.pid
                    )
                child.kill()
