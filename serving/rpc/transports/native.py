"""The native transport: HTTP/2 in Rust outside the GIL, calls in batches, answers from any thread. TLS is before it."""

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from pygrpc_native import NativeGrpcFront

from serving.host.cpus import usable_cpus
from serving.host.listening import shared_by
from serving.host.scheduling import take_short_turns
from serving.inference.accounts import Accounts
from serving.inference.unsent import UnsentBytes
from serving.rpc.addresses import cannot_listen, listened
from serving.rpc.connections import NO_LIMITS, ConnectionLimits
from serving.rpc.handler import Handler
from serving.rpc.running import RunningCalls
from serving.rpc.transports.draining import Drain
from serving.rpc.transports.goaway import GoAway
from serving.rpc.transports.native_calls import NativeCalls
from serving.rpc.transports.sockets import ServerSockets
from serving.telemetry.log import logger

if TYPE_CHECKING:
    from serving.rpc.transports.ageing import Ageing, Surplus
    from serving.rpc.transports.tls_front import TlsFront

_MOST_IO_THREADS = 2
"""With one, small calls wait for hundreds of milliseconds while an answer of a hundred megabytes leaves; on a single
CPU a second one costs a sixth of the calls per second."""
_WRITERS = "grpc-native-io"
"""What the front names its threads."""

MAX_STREAMS = 1024
"""Calls that one connection may have open; its client keeps further ones back."""


class NativeTransport(NativeCalls):
    """``NativeGrpcFront`` on ``address``: one thread takes calls, runs fast ones, hands slow ones to their servable.

    Calls that ``handlers`` does not have go to the grpcio server behind the UNIX socket ``fallback``. Clients are those
    of ``relay``, if there is one, and calls that have not come through it are refused. ``behind_ended`` says whether
    all that went to that server was answered.
    """

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        address: str,
        *,
        max_request_bytes: int,
        max_streams: int = MAX_STREAMS,
        limits: ConnectionLimits = NO_LIMITS,
        surplus: "Surplus | None" = None,
        running: RunningCalls,
        fallback: str,
        unsent: UnsentBytes,
        accounts: Accounts | None = None,
        relay: "TlsFront | None" = None,
        behind_ended: Callable[[], bool] = lambda: True,
    ) -> None:
        self._behind_ended = behind_ended
        self._relay = relay
        try:
            front = NativeGrpcFront(
                address,
                [(path, False) for path in handlers],
                io_threads=max(min(usable_cpus() // shared_by(), _MOST_IO_THREADS), 1),
                call_details=True,
                metrics=True,
                max_concurrent_streams=max_streams,
                reuse_port=shared_by() > 1,
                **limits.keepalive(),
            )
            front.set_fallback(fallback)
            if relay is not None:
                relay.guard(int(front.bound_port))
            front.start()
        except (OSError, RuntimeError) as error:
            raise cannot_listen(address, f"{error}.") from None
        super().__init__(
            front,
            handlers,
            max_request_bytes=max_request_bytes,
            running=running,
            unsent=unsent,
            accounts=accounts,
            callers=None if relay is None else relay.callers,
        )
        self._bound = listened(address, self.port)
        is_shared = surplus is not None and relay is None
        self._ageing = self._made_ageing(limits, surplus) if limits.age_ms or limits.idle_ms or is_shared else None
        self._thread = threading.Thread(target=self._take, name="grpc-native", daemon=True)

    @property
    def port(self) -> int:
        """The bound port."""
        return int(self._front.bound_port)

    def start(self) -> None:
        """Answer calls."""
        self._thread.start()
        if self._relay is not None:
            self._relay.start()
        if self._ageing is not None:
            self._ageing.start()

    def drain(self, delay_seconds: float, grace_seconds: float) -> None:
        """Send clients elsewhere, answer what they have sent, for ``grace_seconds`` at most; then close."""
        if self._ageing is not None:
            self._ageing.stop()
        sockets = ServerSockets([self._bound])
        clients = sockets if self._relay is None else self._relay.sockets()
        if not Drain(self, clients, GoAway(sockets, _WRITERS)).run(delay_seconds, grace_seconds):
            logger.warning("gRPC calls did not finish within --drain_grace_seconds and are dropped")
        self._front.close()
        if self._relay is not None:
            self._relay.close()
        self._thread.join()

    def ended(self) -> bool:
        """Whether every call that came in has ended: the last of its answer is in the buffer of its connection."""
        methods = self._front.metrics()["methods"].values()
        if any(each["started"] != sum(ended["count"] for ended in each["status"].values()) for each in methods):
            return False
        if not self._behind_ended():
            return False
        return self._relay is None or self._relay.at_rest()

    def _made_ageing(self, limits: ConnectionLimits, surplus: "Surplus | None") -> "Ageing":
        from serving.rpc.transports.ageing import Ageing  # only here: most servers let connections last

        sockets = ServerSockets([self._bound])
        return Ageing(self, sockets, GoAway(sockets, _WRITERS), limits, surplus=surplus)

    def _take(self) -> None:
        take_short_turns()
        while self._take_batch():
            pass
