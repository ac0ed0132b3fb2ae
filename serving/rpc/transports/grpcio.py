"""The grpcio transport: everything gRPC has, one thread per running call."""

import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import grpc

from serving.errors import ServingError
from serving.host.listening import shared_by
from serving.host.threads import Share, SharedThreads
from serving.inference.accounts import Accounts, named
from serving.inference.call import Call
from serving.inference.context import RequestContext
from serving.inference.long_call import LongCall
from serving.inference.unsent import UnsentBytes
from serving.rpc import errors
from serving.rpc.addresses import as_grpcio_takes_it, cannot_listen, is_tcp, listened, unix_path
from serving.rpc.credentials import MakeCredentials
from serving.rpc.handler import Handler, Streaming, fail, request_context, tell
from serving.rpc.running import MOST_HELD, RunningCalls, abandoned
from serving.rpc.transports.draining import Drain
from serving.rpc.transports.gate import Behaviour, Gate
from serving.rpc.transports.goaway import GoAway
from serving.rpc.transports.sockets import ServerSockets
from serving.telemetry.log import logger

LARGEST_MESSAGE = 2**31 - 1
"""What grpcio takes at most."""

_WRITERS = "event_engine"
"""What the library names the threads that write to sockets which were full."""

_LOOK_SECONDS = 0.02
_SETTLE_SECONDS = 1.0
"""How long to wait at most until clients whose answers are held back send no new calls."""

_CLOSE_SECONDS = 0.5
"""For the library's own farewell, when all clients have been told; of one that does not take part it waits for more."""


class GrpcioTransport:
    """A grpcio server on ``addresses``, with what ``credentials`` makes or in plain text.

    ``arguments`` are channel arguments. ``max_threads`` long calls run at a time; ``running`` lets more wait.
    """

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        addresses: Sequence[str],
        *,
        max_threads: int,
        max_request_bytes: int,
        arguments: Mapping[str, str | int] = MappingProxyType({}),
        running: RunningCalls | None = None,
        services: Sequence[Streaming] = (),
        credentials: MakeCredentials | None = None,
        unsent: UnsentBytes | None = None,
        accounts: Accounts | None = None,
    ) -> None:
        self._services = tuple(services)
        self._gate = Gate(unsent or UnsentBytes(sys.maxsize), lambda: any(each.busy for each in self._services))
        self._plain = credentials is None
        options: dict[str, str | int] = {
            "grpc.max_receive_message_length": min(max_request_bytes, LARGEST_MESSAGE),
            "grpc.max_send_message_length": -1,
            "grpc.so_reuseport": int(shared_by() > 1),  # a second server is a mistake; gRPC's default lets it pass
            # From the first number on gRPC cancels some of the calls that wait for Python, from the second on all.
            "grpc.server.max_pending_requests": 10_000,
            "grpc.server.max_pending_requests_hard_limit": 30_000,
            **arguments,
        }
        # One more than may be busy or wait for long: short calls and health are answered when all of these do.
        self._threads = threads = SharedThreads(max_threads + MOST_HELD + 1, "grpc")
        self._server = grpc.server(
            Share(threads, self),
            handlers=(
                _Handlers(
                    handlers, running or RunningCalls(max_threads), self._services, threads, self._gate, accounts
                ),
            ),
            options=tuple(options.items()),
        )
        ports = {address: self._listen(address, credentials) for address in addresses}
        self._listened = [listened(address, port) for address, port in ports.items()]
        self._files = {
            unix_path(address): _identity(unix_path(address)) for address in addresses if not is_tcp(address)
        }
        self.port = next((port for address, port in ports.items() if is_tcp(address)), 0)

    def _listen(self, address: str, credentials: MakeCredentials | None) -> int:
        try:
            with as_grpcio_takes_it(address) as target:
                if credentials is None:
                    port = self._server.add_insecure_port(target)
                else:
                    port = self._server.add_secure_port(target, credentials())
        except RuntimeError:
            port = 0
        if not port:
            credible = "" if credentials is None else ", or the credentials are of no use here"
            raise cannot_listen(address, f"it is in use or cannot be opened{credible}.")
        return int(port)

    def start(self) -> None:
        """Answer calls."""
        self._server.start()

    def end_streams(self) -> None:
        """End the streams of all services; other calls are taken as ever."""
        for service in self._services:
            service.drain()

    def ended(self) -> bool:
        """Whether all that came was answered, by calls and by streams."""
        return self._gate.ended()

    def drain(self, delay_seconds: float, grace_seconds: float) -> None:
        """Send clients elsewhere, answer what they have sent, for ``grace_seconds`` at most; then close."""
        deadline = time.monotonic() + grace_seconds
        self.end_streams()
        sockets = ServerSockets(self._listened)
        goaway = GoAway(sockets, _WRITERS) if self._plain else None
        all_is_answered = Drain(self._gate, sockets, goaway).run(delay_seconds, grace_seconds)
        if self._plain and not all_is_answered:
            logger.warning("gRPC calls did not finish within --drain_grace_seconds and are dropped")
        self.close(max(deadline - time.monotonic(), 0), sockets)

    def close(self, grace_seconds: float = 0, sockets: ServerSockets | None = None) -> None:
        """Take no calls any more and close, at once or when those that run have ended.

        The server cancels what its clients have sent and it has not yet given to Python, so there should be nothing.
        Clients that wait for answers send less, and those that know of the end send nothing.
        """
        if grace_seconds:
            self._gate.settle(min(_SETTLE_SECONDS, grace_seconds))
        ended = self._server.stop(grace_seconds)
        self._gate.release()
        self._await(ended, grace_seconds, sockets)
        for path, identity in self._files.items():  # which it leaves alone once its listener was taken away
            if identity is not None and _identity(path) == identity:
                Path(path).unlink(missing_ok=True)
        self._threads.shutdown(wait=False)

    def _await(self, ended: threading.Event, grace_seconds: float, sockets: ServerSockets | None) -> None:
        """Wait for the library's end, or until nothing moves any more: it waits long for peers that read nothing.

        A call that it has taken may still be on its way to Python, and an answer on its way to a client.
        """
        now = time.monotonic()
        deadline, idle_since, taken = now + grace_seconds + _CLOSE_SECONDS, now, -1
        while now < min(deadline, idle_since + _CLOSE_SECONDS) and not ended.wait(_LOOK_SECONDS):
            now, before, taken = time.monotonic(), taken, sockets.taken() if sockets is not None else 0
            if taken != before or not self._gate.ended():
                idle_since = now


class _Handlers(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Every method as bytes in, bytes out."""

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        running: RunningCalls,
        services: Sequence[Streaming],
        threads: SharedThreads,
        gate: Gate,
        accounts: Accounts | None,
    ) -> None:
        self._known = {
            path: grpc.unary_unary_rpc_method_handler(gate(_behaviour(handler, path, running, threads, accounts)))
            for path, handler in handlers.items()
        }
        for service in services:
            self._known.update(service.streams)
        self._unknown = grpc.unary_unary_rpc_method_handler(gate(_refuse))
        self._gate, self._accounts = gate, accounts

    def service(self, details: Any) -> Any:
        known = self._known.get(details.method)
        if known is None and self._accounts is not None:
            return grpc.unary_unary_rpc_method_handler(self._gate(_recorded(_refuse, details.method, self._accounts)))
        return known or self._unknown


def _behaviour(
    handler: Handler, path: str, running: RunningCalls, threads: SharedThreads, accounts: Accounts | None
) -> Behaviour:
    def answer(payload: bytes, context: Any, asked: RequestContext) -> bytes:
        try:
            reply = handler(payload, asked)
            if isinstance(reply, bytes):
                return reply
            if isinstance(reply, Call) and reply.inline:
                body = reply.at_once()
                if body is not None:
                    return body
            return _run_long(reply, context, running, threads)
        except ServingError as error:
            failed = errors.status(error)
        except Exception:  # noqa: BLE001 - grpcio would send the exception's text to the client
            logger.exception("Answering %s failed", path, extra=named(asked))
            failed = errors.INTERNAL
        return fail(context, failed)

    if accounts is None:
        return lambda payload, context: answer(payload, context, request_context(context))
    return _recorded(answer, path, accounts)


def _recorded(answer: Callable[[bytes, Any, RequestContext], bytes], path: str, accounts: Accounts) -> Behaviour:
    """``answer``, and a record of each call."""

    def recorded(payload: bytes, context: Any) -> bytes:
        asked = request_context(context)
        accounts.begin(asked, path, len(payload))
        body = answer(payload, context, asked)
        tell(accounts, context, asked, len(body))
        return body

    return recorded


def _run_long(call: Call | LongCall, context: Any, running: RunningCalls, threads: SharedThreads) -> bytes:
    running.begin(call)
    place = _Place(call, running, threads)
    try:
        if not context.add_callback(place.leave):
            abandoned(call)
            return b""
        return call.here() if isinstance(call, Call) else call.here(lambda: not context.is_active())
    finally:
        place.end()


class _Place:
    """What a long call holds of the transport: one of the calls that may run, and this thread."""

    def __init__(self, call: Call | LongCall, running: RunningCalls, threads: SharedThreads) -> None:
        self._call = call
        self._running = running
        self._thread = threads.here()
        self._lock = threading.Lock()
        self._ended = self._left = False

    def leave(self) -> None:
        """The call is over for its client: if it still runs, others need not wait for it."""
        with self._lock:
            if self._ended or not self._running.write_off(self._call):
                return
            self._left = True
            if isinstance(self._call, Call):
                self._call.let_go()
            if self._thread is not None:
                self._thread.write_off()

    def end(self) -> None:
        """The call is over."""
        with self._lock:
            self._ended = True
            if self._left:
                self._running.found()
            else:
                self._running.end(self._call)


def _identity(path: str) -> tuple[int, int] | None:
    """Which file this is: another server may have put its own there."""
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _refuse(payload: bytes, context: Any, asked: RequestContext | None = None) -> bytes:
    return fail(context, errors.UNKNOWN_METHOD)
