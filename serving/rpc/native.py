"""The native transport: HTTP/2 in Rust outside the GIL, calls in batches, answers from any thread. No TLS."""

import threading
import time
from collections.abc import Mapping
from concurrent.futures import CancelledError, Future

from pygrpc_native import EVENT_CALL, EVENT_CANCEL, NativeGrpcFront

from serving.errors import Code, ServingError
from serving.inference.errand import Errand
from serving.inference.work import Work
from serving.rpc import errors
from serving.rpc.addresses import cannot_listen
from serving.rpc.errors import Status
from serving.rpc.routes import Handler, time_limit_ms
from serving.rpc.running import RunningCalls
from serving.telemetry.log import logger

_BATCH = 64
_WAIT_MS = 1000
_LOOK_AGAIN_SECONDS = 0.01


class NativeTransport:
    """``NativeGrpcFront`` on ``address``: one thread takes calls, runs fast ones, hands slow ones to their servable.

    Calls that ``handlers`` does not have go to the grpcio server behind the UNIX socket ``fallback``.
    """

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        address: str,
        *,
        max_request_bytes: int,
        running: RunningCalls,
        fallback: str,
    ) -> None:
        self._handlers = tuple(handlers.values())
        self._paths = tuple(handlers)
        self._max_request_bytes = max_request_bytes
        self._running = running
        self._waiting: dict[int, Future[bytes]] = {}
        self._draining = False
        try:
            self._front = NativeGrpcFront(
                address, [(path, False) for path in self._paths], io_threads=1, call_details=True, metrics=True
            )
            self._front.set_fallback(fallback)
            self._front.start()
        except (OSError, RuntimeError) as error:
            raise cannot_listen(address, f"{error}.") from None
        self._thread = threading.Thread(target=self._take, name="grpc-native", daemon=True)

    @property
    def port(self) -> int:
        """The bound port."""
        return int(self._front.bound_port)

    def start(self) -> None:
        """Answer calls."""
        self._thread.start()

    def drain(self, grace_seconds: float) -> None:
        """Refuse new calls, let running ones end and their answers leave, for ``grace_seconds`` at most; then close."""
        self._draining = True
        deadline = time.monotonic() + grace_seconds
        pause = threading.Event()
        while not (ended := self._all_ended()) and time.monotonic() < deadline:
            pause.wait(_LOOK_AGAIN_SECONDS)
        if not ended:
            logger.warning("gRPC calls did not finish within --drain_grace_seconds and are dropped")
        self._front.close()
        self._thread.join()

    def _all_ended(self) -> bool:
        """Whether every call that came in has ended. The front counts one as ended when its answer has left."""
        methods = self._front.metrics()["methods"].values()
        return all(each["started"] == sum(ended["count"] for ended in each["status"].values()) for each in methods)

    def _take(self) -> None:
        while (events := self._front.recv_batch_details(_BATCH, _WAIT_MS)) is not None:
            for kind, call, method, payload, _, details in events:
                if kind == EVENT_CALL:
                    remaining = details[2] if details is not None else None
                    self._call(call, method, payload or b"", time_limit_ms(remaining))
                elif kind == EVENT_CANCEL:
                    waiting = self._waiting.get(call)
                    if waiting is not None:
                        waiting.cancel()

    def _call(self, call: int, method: int, payload: bytes, timeout_ms: int) -> None:
        try:
            if self._draining:
                raise ServingError(Code.UNAVAILABLE, "The server is shutting down")
            if len(payload) > self._max_request_bytes:
                raise _too_large(len(payload), self._max_request_bytes)
            reply = self._handlers[method](payload, timeout_ms)
            if isinstance(reply, bytes):
                self._front.respond(call, reply)
            elif isinstance(reply, Work) and reply.inline:
                self._front.respond(call, reply.here())
            else:
                self._begin(call, method, reply)
        except Exception as error:  # noqa: BLE001 - the door's one net: every call is answered
            self._fail(call, method, error)

    def _begin(self, call: int, method: int, reply: Work | Errand) -> None:
        self._running.begin(reply)
        try:
            answer = reply.elsewhere()
        except BaseException:
            self._running.end()
            raise
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
            self._running.end()
            self._waiting.pop(call, None)

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
