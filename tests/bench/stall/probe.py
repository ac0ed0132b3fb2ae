"""What somebody else waits, in a process of its own: `python -m tests.bench.stall.probe NAME REST GRPC LOG`.

Requests are due at a steady pace on one connection. NAME is one of PROBES or CONTROL, which asks nobody and only
sleeps. The log has a line for each: when it was due by the monotonic clock, the wait in seconds, and 1 if the answer
was good. It prints a line when it begins.
"""

import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import TextIO

import grpc

from tests.bench.asking import CHANNEL_OPTIONS, PREDICT, Address, Question
from tests.bench.payloads import Form
from tests.bench.stall.exchange import connected, receive

CONTROL = "control"
PACE_SECONDS = 0.02
CONTROL_PACE_SECONDS = 0.001
CALL_SECONDS = 60.0

_HALF = "half_plus_two"
_OK = 200

Ask = Callable[[], bool]


class _Rest:
    def __init__(self, address: str, request: bytes) -> None:
        self._address, self._request = address, request
        self._connection: socket.socket | None = None
        self._room = bytearray(4096)

    def ask(self) -> bool:
        """Whether the answer is 200."""
        try:
            if self._connection is None:
                self._connection = connected(self._address, CALL_SECONDS)
            self._connection.sendall(self._request)
            status, stays = receive(self._connection, self._room)
        except OSError:
            status, stays = 0, False
        if not stays:
            self._connection = None
        return status == _OK


def _health(address: Address) -> Ask:
    return _Rest(address.rest, b"GET /healthz/live HTTP/1.1\r\nHost: probe\r\n\r\n").ask


def _rest(address: Address) -> Ask:
    body = Question(model=_HALF, form=Form.JSON).body()
    head = f"POST /v1/models/{_HALF}:predict HTTP/1.1\r\nHost: probe\r\nContent-Length: {len(body)}\r\n\r\n"
    return _Rest(address.rest, head.encode() + body).ask


def _grpc(address: Address) -> Ask:
    call = grpc.insecure_channel(address.grpc, options=CHANNEL_OPTIONS).unary_unary(PREDICT)
    message = Question(model=_HALF, form=Form.GRPC).body()

    def ask() -> bool:
        try:
            return bool(call(message, timeout=CALL_SECONDS))
        except grpc.RpcError:
            return False

    return ask


PROBES: dict[str, Callable[[Address], Ask]] = {"live": _health, "REST": _rest, "gRPC": _grpc}
"""`/healthz/live`, and half_plus_two over both doors."""


def probe(ask: Ask, pace: float, log: TextIO) -> None:
    """Ask for ever; what is due while an answer is awaited is not sent. The end may come at any time."""
    due = time.monotonic()
    while True:
        good = False
        time.sleep(max(0.0, due - time.monotonic()))
        try:
            good = ask()
        finally:
            log.write(f"{due} {time.monotonic() - due} {good:d}\n")
        due = max(due, time.monotonic()) + pace


def main() -> None:
    """What the module says."""
    name, rest, door, path = sys.argv[1:]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    pace = CONTROL_PACE_SECONDS if name == CONTROL else PACE_SECONDS
    ask = PROBES[name](Address(rest=rest, grpc=door)) if name in PROBES else lambda: True
    ask()  # the connection's start is not measured
    print("ready", flush=True)
    with open(path, "w") as log:  # noqa: PTH123 - whole lines are written when it is closed
        probe(ask, pace, log)


if __name__ == "__main__":
    main()
