"""The grpcio transport: everything gRPC has, one thread per running call."""

import threading
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

import grpc

from serving.errors import ServingError
from serving.host.threads import Share, SharedThreads
from serving.inference.call import Call
from serving.inference.long_call import LongCall
from serving.rpc import errors
from serving.rpc.addresses import cannot_listen, is_tcp, percent_encoded
from serving.rpc.errors import Status
from serving.rpc.handler import Handler, request_context
from serving.rpc.running import MOST_HELD, RunningCalls, abandoned
from serving.telemetry.log import logger

LARGEST_MESSAGE = 2**31 - 1
"""What grpcio takes at most."""

_CODES = {code.value[0]: code for code in grpc.StatusCode}


class Streaming(Protocol):
    """A service whose methods are streams, such as health and reflection; it knows grpcio's contexts."""

    @property
    def streams(self) -> Mapping[str, grpc.RpcMethodHandler]:
        """Its methods by full path."""
        ...

    def drain(self) -> None:
        """The server ends: tell whoever has a stream open, and end the streams. May be called twice."""
        ...


class GrpcioTransport:
    """A grpcio server on ``addresses``, with ``credentials`` or in plain text.

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
        credentials: grpc.ServerCredentials | None = None,
    ) -> None:
        self._services = tuple(services)
        options: dict[str, str | int] = {
            "grpc.max_receive_message_length": min(max_request_bytes, LARGEST_MESSAGE),
            "grpc.max_send_message_length": -1,
            "grpc.so_reuseport": 0,  # a second server on the port is a mistake; gRPC's default lets it pass
            # From the first number on gRPC cancels some of the calls that wait for Python, from the second on all.
            "grpc.server.max_pending_requests": 10_000,
            "grpc.server.max_pending_requests_hard_limit": 30_000,
            **arguments,
        }
        # One more than may be busy or wait for long: short calls and health are answered when all of these do.
        self._threads = threads = SharedThreads(max_threads + MOST_HELD + 1, "grpc")
        self._server = grpc.server(
            Share(threads, self),
            handlers=(_Handlers(handlers, running or RunningCalls(max_threads), self._services, threads),),
            options=tuple(options.items()),
        )
        ports = {address: self._listen(address, credentials) for address in addresses}
        self.port = next((port for address, port in ports.items() if is_tcp(address)), 0)

    def _listen(self, address: str, credentials: grpc.ServerCredentials | None) -> int:
        target = percent_encoded(address)
        try:
            if credentials is None:
                port = self._server.add_insecure_port(target)
            else:
                port = self._server.add_secure_port(target, credentials)
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

    def drain(self, delay_seconds: float, grace_seconds: float) -> None:
        """Take no new calls, let running ones finish, cut them off after ``grace_seconds``; then close."""
        self.end_streams()
        self._server.stop(grace_seconds).wait()
        self._threads.shutdown(wait=False)


class _Handlers(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Every method as bytes in, bytes out."""

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        running: RunningCalls,
        services: Sequence[Streaming],
        threads: SharedThreads,
    ) -> None:
        self._known = {
            path: grpc.unary_unary_rpc_method_handler(_behaviour(handler, path, running, threads))
            for path, handler in handlers.items()
        }
        for service in services:
            self._known.update(service.streams)
        self._unknown = grpc.unary_unary_rpc_method_handler(_refuse)

    def service(self, details: Any) -> Any:
        return self._known.get(details.method, self._unknown)


def _behaviour(
    handler: Handler, path: str, running: RunningCalls, threads: SharedThreads
) -> Callable[[bytes, Any], bytes]:
    def answer(payload: bytes, context: Any) -> bytes:
        try:
            reply = handler(payload, request_context(context))
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
            logger.exception("Answering %s failed", path)
            failed = errors.INTERNAL
        return _fail(context, failed)

    return answer


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


def _refuse(payload: bytes, context: Any) -> bytes:
    return _fail(context, errors.UNKNOWN_METHOD)


def _fail(context: Any, failed: Status) -> bytes:
    context.set_code(_CODES[failed.code])
    context.set_details(failed.details)
    return b""
