"""Calls of the native front from their arrival to their answer: short ones at once or joined, long ones elsewhere.

Where they come from, and what becomes of connections, is the transport's.
"""

import time
from collections.abc import Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING

from pygrpc_native import EVENT_CALL, EVENT_CANCEL, NativeGrpcFront

from serving.errors import Code, ServingError
from serving.inference.accounts import Accounts, named
from serving.inference.call import Call
from serving.inference.context import of_event_thread
from serving.inference.joined_calls import JoinedCalls
from serving.inference.long_call import LongCall
from serving.inference.unsent import LARGE_BYTES, UnsentBytes
from serving.rpc import errors
from serving.rpc.errors import Status
from serving.rpc.handler import Handler, time_limit_ms
from serving.rpc.running import RunningCalls
from serving.rpc.transports.held_back import Answers, HeldBack
from serving.rpc.transports.held_calls import HeldCalls
from serving.rpc.transports.large_answers import LOOK_SECONDS, LargeAnswers
from serving.rpc.transports.recorded import RecordedAnswers
from serving.telemetry.log import logger

if TYPE_CHECKING:
    from serving.rpc.transports.tls_front import Caller

_BATCH = 64
_WAIT_MS = 1000
_HELD_WAIT_MS = 5

Details = tuple[tuple[tuple[str, str | bytes], ...], str, float | None]
"""Metadata, peer, and the seconds that are left until the deadline."""

_NO_DETAILS: Details = (), "", None

_NOT_RELAYED = int(Code.PERMISSION_DENIED), "The connection is not one that came with TLS"


class NativeCalls:
    """Calls of ``front``, whose methods are those of ``handlers``, in order.

    With ``callers`` those that came from nobody of these are refused.
    """

    def __init__(
        self,
        front: NativeGrpcFront,
        handlers: Mapping[str, Handler],
        *,
        max_request_bytes: int,
        running: RunningCalls,
        unsent: UnsentBytes,
        accounts: Accounts | None,
        callers: "Mapping[str, Caller] | None",
    ) -> None:
        self._front = front
        self._callers = callers
        self._handlers = tuple(handlers.values())
        self._paths = tuple(handlers)
        self._max_request_bytes = max_request_bytes
        self._running = running
        self._waiting: dict[int, Future[bytes]] = {}
        self._held = HeldCalls(running, self._start_held, self._fail)
        self._joined = JoinedCalls()
        self._lone = True
        self._large = LargeAnswers(unsent, front.metrics)
        self._look_at = 0.0
        self._recorded = RecordedAnswers(front, accounts) if accounts is not None else None
        self._answers: Answers = self._recorded or front

    def hold(self) -> None:
        """Keep answers back from now on."""
        self._answers = HeldBack(self._recorded or self._front)

    def release(self) -> None:
        """Send the answers that were kept back, and all that follow."""
        held, self._answers = self._answers, self._recorded or self._front
        if isinstance(held, HeldBack):
            held.release()

    def _take_batch(self) -> bool:
        """Begin what has come, in one turn with the interpreter; False once closed. It keeps no payload."""
        events = self._front.recv_batch_details(_BATCH, _WAIT_MS if not self._held.calls else _HELD_WAIT_MS)
        if events is None:
            self._held.refuse_all()
            return False
        if self._large.sizes and time.monotonic() > self._look_at:
            self._look_at = time.monotonic() + LOOK_SECONDS
            self._large.look()
        self._lone = len(events) == 1
        for kind, call, method, payload, _, details in events:
            if kind == EVENT_CALL:
                self._call(call, method, payload or b"", details or _NO_DETAILS)
            elif kind == EVENT_CANCEL:
                self._cancel(call)
        if self._held.calls:
            self._held.look(time.monotonic())
        if not self._lone:
            self._joined.flush()
        return True

    def _call(self, call: int, method: int, payload: bytes, details: Details) -> None:
        metadata, peer, remaining = details
        shown = None
        if self._callers is not None:
            caller = self._callers.get(peer)  # its connection may end in between
            if caller is None:
                self._front.fail(call, *_NOT_RELAYED)
                return
            peer, shown = caller
        context = of_event_thread("GRPC", peer, metadata, 0 if remaining is None else time_limit_ms(remaining), shown)
        if self._recorded is not None:
            self._recorded.begin(call, self._paths[method], context, len(payload))
        try:
            if len(payload) > self._max_request_bytes or (remaining is not None and remaining <= 0):
                raise errors.unasked(len(payload), self._max_request_bytes)
            reply = self._handlers[method](payload, context)
            if isinstance(reply, bytes):
                if len(reply) <= LARGE_BYTES:
                    self._answers.respond(call, reply)
                else:
                    self._respond(call, reply)
            elif isinstance(reply, Call) and reply.inline:
                self._short(call, method, reply)
            else:
                self._long(call, method, reply)
        except Exception as error:  # noqa: BLE001 - the door's one net: every call is answered
            self._fail(call, method, error)

    def _short(self, call: int, method: int, reply: Call) -> None:
        """Answer a short call now or, together with others that came with it, at the end of the turn."""
        if not self._lone and reply.joins:
            self._joined.add(reply, lambda outcome: self._settle(call, method, outcome))
            return
        body = reply.at_once()
        if body is not None:
            self._respond(call, body)
        else:
            self._long(call, method, reply)

    def _settle(self, call: int, method: int, outcome: bytes | Call | Exception) -> None:
        """What became of a call in the turn."""
        if isinstance(outcome, bytes):
            self._reply(call, method, outcome)
        elif isinstance(outcome, Exception):
            self._fail(call, method, outcome)
        else:
            self._queue(call, method, outcome)

    def _reply(self, call: int, method: int, body: bytes) -> None:
        try:
            self._respond(call, body)
        except ServingError as error:
            self._fail(call, method, error)

    def _respond(self, call: int, body: bytes) -> None:
        """Answer a call. Raises ServingError if clients have not taken too many large answers."""
        if len(body) <= LARGE_BYTES:
            self._answers.respond(call, body)
        else:
            self._large.hand_over(len(body), lambda: self._answers.respond(call, body))

    def _queue(self, call: int, method: int, reply: Call) -> None:
        try:
            self._long(call, method, reply)
        except Exception as error:  # noqa: BLE001 - as in ``_call``
            self._fail(call, method, error)

    def _cancel(self, call: int) -> None:
        if self._recorded is not None:
            self._recorded.gone(call)
        waiting = self._waiting.get(call)
        if waiting is not None:
            waiting.cancel()
        else:
            self._held.give_up(call)

    def _long(self, call: int, method: int, reply: Call | LongCall) -> None:
        """Start a long call, or hold it while as many run as may. What has its own bounds takes no thread to wait."""
        if reply.bounded:
            self._begin(call, method, reply, counted=False)
        elif not self._held.calls and self._running.has_begun(reply):
            self._begin(call, method, reply)
        else:
            self._held.hold(call, method, reply)

    def _start_held(self, call: int, method: int, reply: Call | LongCall, short: bool) -> None:
        try:
            if short and isinstance(reply, Call):
                self._short(call, method, reply)
            else:
                self._begin(call, method, reply)
        except Exception as error:  # noqa: BLE001 - as in ``_call``
            self._fail(call, method, error)

    def _begin(self, call: int, method: int, reply: Call | LongCall, *, counted: bool = True) -> None:
        """Start a call that was counted in, or one that need not be."""
        try:
            answer = reply.elsewhere()
        except BaseException:
            if counted:
                self._running.end(reply)
            raise
        self._waiting[call] = answer
        answer.add_done_callback(lambda done: self._done(call, method, done, counted=reply if counted else None))

    def _done(self, call: int, method: int, done: Future[bytes], *, counted: Call | LongCall | None) -> None:
        try:
            if done.cancelled():
                return
            error = done.exception()
            if error is None:
                self._reply(call, method, done.result())
            else:
                self._fail(call, method, error)
        finally:
            if counted is not None:
                self._running.end(counted)
            self._waiting.pop(call, None)

    def _fail(self, call: int, method: int, error: BaseException) -> None:
        if isinstance(error, ServingError):
            failed: Status = errors.status(error)
        else:
            context = self._recorded.context_of(call) if self._recorded is not None else None
            logger.error("Answering %s failed", self._paths[method], exc_info=error, extra=named(context))
            failed = errors.INTERNAL
        metadata = tuple([pair for pair in failed.metadata if pair[0] != errors.PUSHBACK]) if failed.metadata else None
        self._answers.fail(call, failed.code, failed.details, metadata)
