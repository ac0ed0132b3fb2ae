"""The native transport in front, grpcio behind it for what the front lacks: streams, and methods unknown to it.

The two meet on a UNIX socket: an abstract one, or with TLS one that nobody else can open.
"""

import os
import secrets
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from serving.host.allocator import return_free_pages
from serving.inference.accounts import Accounts
from serving.inference.unsent import UnsentBytes
from serving.rpc.addresses import is_tcp
from serving.rpc.connections import NO_LIMITS, ConnectionLimits
from serving.rpc.handler import Handler, Streaming
from serving.rpc.running import HOLD_SECONDS, RunningCalls
from serving.rpc.transports.grpcio import GrpcioTransport
from serving.rpc.transports.native import MAX_STREAMS, NativeTransport
from serving.tls import CredentialsFile

if TYPE_CHECKING:
    from serving.rpc.transports.ageing import Surplus
    from serving.rpc.transports.tls_front import TlsFront

_BACK_THREADS = 2
_BEHIND = "127.0.0.1:0"
"""Where the front behind a relay listens, which keeps everybody else off."""


class FrontedTransport:
    """One native front for each address, or with ``tls`` one behind them all, which only its relay reaches.

    ``aside`` and ``services`` are answered by the server behind the fronts.
    """

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        addresses: Sequence[str],
        *,
        max_threads: int,
        max_request_bytes: int,
        max_streams: int = 0,
        limits: ConnectionLimits = NO_LIMITS,
        surplus: "Surplus | None" = None,
        aside: Mapping[str, Handler],
        services: Sequence[Streaming],
        unsent: UnsentBytes | None = None,
        hold_seconds: float = HOLD_SECONDS,
        accounts: Accounts | None = None,
        tls: CredentialsFile | None = None,
    ) -> None:
        self._relay = _relay(addresses, tls) if tls is not None else None
        running = RunningCalls(max_threads, hold_seconds=hold_seconds)
        unsent = unsent or UnsentBytes(sys.maxsize, return_free_pages)

        def back(address: str) -> GrpcioTransport:
            return GrpcioTransport(
                aside,
                [address],
                max_threads=_BACK_THREADS,
                max_request_bytes=max_request_bytes,
                services=services,
                accounts=accounts,
            )

        self._back, fallback, self._held = _hidden(back) if tls is not None else _abstract(back)
        self._fronts = {
            address: NativeTransport(
                handlers,
                address,
                max_request_bytes=max_request_bytes,
                max_streams=max_streams if max_streams > 0 else MAX_STREAMS,
                limits=limits,
                surplus=surplus,
                running=running,
                fallback=fallback,
                unsent=unsent,
                accounts=accounts,
                relay=self._relay,
                behind_ended=self._back.ended,
            )
            for address in (addresses if self._relay is None else (_BEHIND,))
        }

    @property
    def port(self) -> int:
        """The bound TCP port, 0 if there is none."""
        if self._relay is not None:
            return self._relay.port
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
        if self._held is not None:
            os.close(self._held)


def _abstract(back: Callable[[str], GrpcioTransport]) -> tuple[GrpcioTransport, str, int | None]:
    """The server behind, where it is, and the descriptor that holds that: a name that needs no file has none."""
    name = f"tensorflow-serving-{secrets.token_hex(16)}"
    return back(f"unix-abstract:{name}"), f"\0{name}", None


def _hidden(back: Callable[[str], GrpcioTransport]) -> tuple[GrpcioTransport, str, int | None]:
    """As ``_abstract``, but only this process reaches it: the file has no name any more, once it is open here.

    Raises OSError if there is no directory for it, not even for a moment.
    """
    with tempfile.TemporaryDirectory(prefix="tensorflow-serving-") as directory:
        path = f"{directory}/socket"
        made = back(f"unix:{path}")
        held = os.open(path, os.O_PATH | os.O_CLOEXEC)
    return made, f"/proc/self/fd/{held}", held


def _relay(addresses: Sequence[str], tls: CredentialsFile) -> "TlsFront":
    from serving.rpc.transports.tls_front import TlsFront  # only here: plain text does without an event loop of its own

    return TlsFront(addresses, tls)
