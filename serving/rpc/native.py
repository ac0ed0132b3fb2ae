"""The native transport: HTTP/2 in Rust outside the GIL, calls in batches, answers from any thread. No TLS."""

import threading
from collections.abc import Mapping
from concurrent.futures import CancelledError, Future

from pygrpc_native import EVENT_CALL, EVENT_CANCEL, NativeGrpcFront

from serving.errors import Code, ConfigurationError, ServingError
from serving.inference.work import Work
from serving.rpc import errors
from serving.rpc.errors import Status
from serving.rpc.routes import Handler
from serving.telemetry.log import logger

_BATCH = 64
_WAIT_MS = 1000


class NativeTransport:
    """``NativeGrpcFront`` on ``address``: one thread takes calls, runs fast ones, hands slow ones to their servable."""

    def __init__(self, handlers: Mapping[str, Handler], address: str, *, max_request_bytes: int) -> None:
        self._handlers = tuple(handlers.values())
        self._paths = tuple(handlers)
        self._max_request_bytes = max_request_bytes
        self._waiting: dict[int, Future[bytes]] = {}
        self._idle = threading.Condition()
        try:
            self._front = NativeGrpcFront(
                address, [(path, False) for path in self._paths], io_threads=1, call_details=True
            )
            self._front.start()
        except (OSError, RuntimeError) as error:
            raise ConfigurationError(
                Code.INVALID_ARGUMENT,
                f"Failed to BuildAndStart gRPC server: cannot listen on {address}: {error}. See --port.",
            ) from None
        self._thread = threading.Thread(target=self._take, name="grpc-native", daemon=True)

    @property
    def port(self) -> int:
        """The bound port."""
        return int(self._front.bound_port)

    def start(self) -> None:
        """Answer calls."""
        self._thread.start()

    def drain(self, grace_seconds: float) -> None:
        """Let running calls finish, for ``grace_seconds`` at most; then close."""
        with self._idle:
            finished = self._idle.wait_for(lambda: not self._waiting, grace_seconds)
        if not finished:
            logger.warning("gRPC calls did not finish within --drain_grace_seconds and are dropped")
        self._front.close()
        self._thread.join()

    def _take(self) -> None:
        while (events := self._front.recv_batch_details(_BATCH, _WAIT_MS)) is not None:
            for kind, call, method, payload, _, details in events:
                if kind == EVENT_CALL:
                    remaining = details[2] if details is not None else None
                    self._call(call, method, payload or b"", 0 if remaining is None else int(remaining * 1000))
                elif kind == EVENT_CANCEL:
                    waiting = self._waiting.get(call)
                    if waiting is not None:
                        waiting.cancel()

    def _call(self, call: int, method: int, payload: bytes, timeout_ms: int) -> None:
        try:
            if len(payload) > self._max_request_bytes:
                raise _too_large(len(payload), self._max_request_bytes)
            reply = self._handlers[method](payload, timeout_ms)
            if isinstance(reply, Work):
                if not reply.inline:
                    self._wait(call, method, reply.elsewhere())
                    return
                reply = reply.here()
            self._front.respond(call, reply)
        except Exception as error:  # noqa: BLE001 - the door's one net: every call is answered
            self._fail(call, method, error)

    def _wait(self, call: int, method: int, answer: Future[bytes]) -> None:
        with self._idle:
            self._waiting[call] = answer
        answer.add_done_callback(lambda done: self._done(call, method, done))

    def _done(self, call: int, method: int, done: Future[bytes]) -> None:
        try:
            self._front.respond(call, done.result())
        except CancelledError:
            pass
        except Exception as error:  # noqa: BLE001 - as above, for calls that ended on another thread
            self._fail(call, method, error)
        finally:
            with self._idle:
                self._waiting.pop(call, None)
                self._idle.notify_all()

    def _fail(self, call: int, method: int, error: Exception) -> None:
        if isinstance(error, ServingError):
            failed: Status = errors.status(error)
        else:
            logger.error("Answering %s failed", self._paths[method], exc_info=error)
            failed = errors.INTERNAL
        self._front.fail(call, failed.code, failed.details)


def _too_large(size: int, limit: int) -> ServingError:
    return ServingError(
        Code.RESOURCE_EXHAUSTED,
        f"Received message larger than max ({size} vs. {limit}); --max_request_bytes sets the limit",
    )
