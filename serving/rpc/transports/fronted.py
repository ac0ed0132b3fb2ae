"""The native transport in front, grpcio behind it for what the front lacks: streams, and methods unknown to it.

The two meet on an abstract UNIX socket, which needs no file and is open to this machine only.
"""

import secrets
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from serving.host.allocator import return_free_pages
from serving.inference.unsent import UnsentBytes
from serving.rpc.addresses import is_tcp
from serving.rpc.handler import Handler
from serving.rpc.running import HOLD_SECONDS, RunningCalls
from serving.rpc.transports.grpcio import GrpcioTransport, Streaming
from serving.rpc.transports.native import NativeTransport

_BACK_THREADS = 2


class FrontedTransport:
    """One native front for each address. ``aside`` and ``services`` are answered by the server behind them."""

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        addresses: Sequence[str],
        *,
        max_threads: int,
        max_request_bytes: int,
        aside: Mapping[str, Handler],
        services: Sequence[Streaming],
        unsent: UnsentBytes | None = None,
        hold_seconds: float = HOLD_SECONDS,
    ) -> None:
        name = f"tensorflow-serving-{secrets.token_hex(16)}"
        running = RunningCalls(max_threads, hold_seconds=hold_seconds)
        unsent = unsent or UnsentBytes(sys.maxsize, return_free_pages)
        self._back = GrpcioTransport(
            aside,
            [f"unix-abstract:{name}"],
            max_threads=_BACK_THREADS,
            max_request_bytes=max_request_bytes,
            services=services,
        )
        self._fronts = {
            address: NativeTransport(
                handlers,
                address,
                max_request_bytes=max_request_bytes,
                running=running,
                fallback=f"\0{name}",
                unsent=unsent,
            )
            for address in addresses
        }

    @property
    def port(self) -> int:
        """The bound TCP port, 0 if there is none."""
        return next((front.port for address, front in self._fronts.items() if is_tcp(address)), 0)

    def start(self) -> None:
        """Answer calls."""
        self._back.start()
        for front in self._fronts.values():
            front.start()

    def drain(self, delay_seconds: float, grace_seconds: float) -> None:
        """Drain all fronts at the same time; the server behind them stays until they are closed."""
        self._back.end_streams()
        with ThreadPoolExecutor(len(self._fronts)) as threads:
            list(threads.map(lambda front: front.drain(delay_seconds, grace_seconds), self._fronts.values()))
        self._back.close()
