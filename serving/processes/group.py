"""A worker's side of the group: joining it, asking the others, answering what they ask, changing something together."""

import pickle
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from serving.errors import Code, ServingError
from serving.host import listening
from serving.host.memory import limit_bytes
from serving.processes.child import Place, Stage
from serving.processes.questions import GONE
from serving.processes.shared import Shared
from serving.processes.supervisor import Begin, Member
from serving.processes.wire import Channel, Kind, Message
from serving.settings import Settings
from serving.telemetry.log import logger

Do = Callable[[Any], Any]
"""What a worker does when it is asked: it takes the value of the question and gives that of the answer."""

Told = Callable[[int, Any], None]
"""Takes who says it, and what."""


class Answer(NamedTuple):
    """What one worker said: a value, or an error. One that ended before it could answer is ``gone``."""

    worker: int
    value: Any = None
    error: ServingError | None = None
    gone: bool = False


class Group:
    """All workers of the server. What is to be done for the others is said with ``on``, ``when_told``; then ``join``.

    Its methods may be called from any thread; they block. Values are pickled.
    """

    def __init__(self, where: Place) -> None:
        self._place = where
        self.index = where.worker
        self.count = where.of
        self.shared = Shared(where.shared, where.of, where.worker)
        """Counts that all workers see."""
        self._channel = Channel(socket.socket(fileno=where.descriptor))
        self.stop: Callable[[], object] = lambda: None
        """Called when the supervisor says so or is gone."""
        self._lock = threading.Lock()
        self._last = 0
        self._waiting: dict[int, Future[bytes]] = {}
        self._handlers: dict[str, Do] = {}
        self._listeners: dict[str, Told] = {}
        self._on_members: list[Callable[[Sequence[Member]], None]] = []
        self._begin: Future[Begin] = Future()
        self._open: Future[None] = Future()
        self._ended = False
        self.members: tuple[Member, ...] = ()
        """Who takes part, replaced whole."""

    def settings(self, settings: Settings) -> Settings:
        """Those of this worker: ports that all share, a part of the memory; UNIX sockets are the first one's alone."""
        listening.share_ports(self.count)
        grpc_port, rest_port = self._place.ports
        path = "" if self.index else settings.grpc_socket_path
        budget = settings.memory_budget_mb
        if budget == 0 and (limit := limit_bytes()) is not None:
            budget = limit // 2**20
        return settings.replaced(
            port=grpc_port,
            rest_api_port=rest_port,
            grpc_socket_path=path,
            memory_budget_mb=max(budget // self.count, 1) if budget > 0 else budget,
        )

    @property
    def opened(self) -> bool:
        """Whether all workers were ready, so that the doors may be open."""
        return self._open.done() and not self._open.cancelled()

    @property
    def announces(self) -> bool:
        """Whether this worker says where the server is: the first one does, at the start."""
        return self._begin.result().first and not self.index

    @property
    def serving(self) -> tuple[Member, ...]:
        """Who has open doors; at the start, when nobody has, all who take part."""
        members = self.members
        return tuple(member for member in members if member.stage == Stage.SERVING.value) or members

    @property
    def leads(self) -> bool:
        """Whether this worker does what one of them has to do for all."""
        return self.index == min((member.worker for member in self.serving), default=self.index)

    def on(self, operation: str, do: Do) -> None:
        """Do this when somebody asks it, in a thread of its own."""
        self._handlers[operation] = do

    def when_told(self, operation: str, told: Told) -> None:
        """Take note of this when another worker tells it; in the reading thread, so at once."""
        self._listeners[operation] = told

    def on_members(self, changed: Callable[[Sequence[Member]], None]) -> None:
        """Have ``changed`` called whenever others come or go; in the reading thread."""
        self._on_members.append(changed)

    def join(self) -> Begin:
        """Take part from now on."""
        threading.Thread(target=self._read, name="group", daemon=True).start()
        self._send(Message(Kind.JOIN))
        return self._begin.result()

    def loaded(self) -> bool:
        """Wait until the doors may open; False if the server ends before that."""
        self._send(Message(Kind.LOADED))
        with suppress(BaseException):
            self._open.result()
        return self.opened

    def has_opened(self) -> None:
        """The doors are open."""
        self._send(Message(Kind.OPENED))

    def failed(self, reason: str) -> None:
        """This worker cannot start."""
        self._send(Message(Kind.FAILED, body=reason.encode()))

    def ask(self, operation: str, value: Any, timeout: float | None = None) -> list[Answer]:
        """What every worker says to this, this one among them, by number. Raises ServingError after ``timeout``."""
        body = self._asked(Kind.ASK, timeout, operation=operation, body=pickle.dumps(value))
        return [_answer(*each) for each in pickle.loads(body)]  # noqa: S301 - of our own processes

    def tell(self, operation: str, value: Any) -> None:
        """Let the other workers know; nobody answers."""
        self._send(Message(Kind.TELL, operation=operation, body=pickle.dumps(value)))

    @contextmanager
    def alone(self, timeout: float | None = None) -> Iterator[None]:
        """No other worker is in such a block meanwhile, and none joins. Raises ServingError after ``timeout``."""
        self._asked(Kind.LOCK, timeout)
        try:
            yield
        finally:
            self._send(Message(Kind.UNLOCK))

    def keep(self, name: str, value: Any) -> None:
        """Let workers that start later know this from ``join``; within ``alone``."""
        self._send(Message(Kind.KEEP, operation=name, body=pickle.dumps(value)))

    def _asked(self, kind: Kind, timeout: float | None, **more: Any) -> bytes:
        answer: Future[bytes] = Future()
        with self._lock:
            if self._ended:
                raise _ending()
            self._last += 1
            number = self._last
            self._waiting[number] = answer
        self._send(Message(kind, number, **more))
        try:
            return answer.result(timeout)
        except TimeoutError:
            if kind is Kind.LOCK:
                answer.add_done_callback(lambda _: self._send(Message(Kind.UNLOCK)))
            else:
                with self._lock:
                    self._waiting.pop(number, None)
            raise ServingError(
                Code.DEADLINE_EXCEEDED, f"Not all {self.count} workers answered within {timeout:g} s (--workers)"
            ) from None

    def _send(self, message: Message) -> None:
        with suppress(OSError):  # the supervisor is gone: the reading thread notices
            self._channel.send(message)

    def _read(self) -> None:
        for message in self._channel.receive():
            self._message(message)
        with self._lock:
            self._ended = True
            waiting = list(self._waiting.values())
            self._waiting.clear()
        for each in waiting:
            each.set_exception(_ending())
        for future in (self._begin, self._open):
            future.cancel()
        self.stop()

    def _message(self, message: Message) -> None:
        match message.kind:
            case Kind.START:
                self._begin.set_result(Begin(*pickle.loads(message.body)))  # noqa: S301
            case Kind.OPEN:
                self._open.set_result(None)
            case Kind.STOP:
                self._open.cancel()
                self.stop()
            case Kind.ANSWERS | Kind.LOCKED:
                with self._lock:
                    waiting = self._waiting.pop(message.number, None)
                if waiting is not None:
                    waiting.set_result(message.body)
            case Kind.DO:
                threading.Thread(target=self._do, args=(message,), name=f"for-{message.worker}", daemon=True).start()
            case Kind.TELL:
                self._listeners[message.operation](message.worker, pickle.loads(message.body))  # noqa: S301
            case Kind.MEMBERS:
                self.members = tuple(Member(*each) for each in pickle.loads(message.body))  # noqa: S301
                for changed in self._on_members:
                    changed(self.members)
            case _:
                raise AssertionError(message)  # what a worker says

    def _do(self, message: Message) -> None:
        try:
            body, status = pickle.dumps(self._handlers[message.operation](pickle.loads(message.body))), 0  # noqa: S301
        except ServingError as error:
            body, status = pickle.dumps(error.text), int(error.code)
        except Exception as error:  # noqa: BLE001 - whoever asks is told, whatever it is
            logger.exception("What worker %d asked could not be done: %s", message.worker, message.operation)
            body, status = pickle.dumps(f"{type(error).__name__}"), int(Code.INTERNAL)
        self._send(Message(Kind.REPLY, message.number, status=status, body=body))


def _answer(worker: int, status: int, body: bytes) -> Answer:
    if status == GONE:
        return Answer(worker, gone=True)
    value = pickle.loads(body)  # noqa: S301 - of our own processes
    return Answer(worker, error=ServingError(Code(status), value)) if status else Answer(worker, value)


def _ending() -> ServingError:
    return ServingError(Code.UNAVAILABLE, "The server is ending")
