"""The load, a process of its own: `python -m tests.bench.stall.load KIND REST GRPC SECONDS`.

It makes the request, prints a line, waits for one, and then sends from all connections, each as soon as it was
answered. At the end it prints how many answers of which status there were.
"""

import contextlib
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable

import grpc

from tests.bench.asking import CHANNEL_OPTIONS, PREDICT, Address
from tests.bench.stall.exchange import connected, receive
from tests.bench.stall.kinds import KINDS

CONNECTIONS = 16
LAST_ANSWERS_SECONDS = 30.0
"""How long the answers to the last requests are awaited."""

NO_ANSWER = "no answer"
_ROOM_BYTES = 1 << 20
_PAUSE_SECONDS = 0.01
"""After a connection that broke: a server whose backlog is full would only be asked more often."""

Ask = Callable[[], str]


class RestClient:
    """One connection, opened anew when it was closed."""

    def __init__(self, address: str, request: bytes, seconds: float) -> None:
        self._address, self._request, self._seconds = address, request, seconds
        self._connection = connected(address, seconds)
        self._room = bytearray(_ROOM_BYTES)

    def ask(self) -> str:
        """The status of the answer; NO_ANSWER if there is none."""
        with contextlib.suppress(OSError):  # refused before all of it was sent: the answer may be there
            self._connection.sendall(self._request)
        try:
            status, stays = receive(self._connection, self._room)
        except OSError:
            status, stays = 0, False
        if not stays:
            self._connection.close()
            self._reconnect()
        return str(status or NO_ANSWER)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _reconnect(self) -> None:
        deadline = time.monotonic() + self._seconds
        while time.monotonic() < deadline:
            try:
                self._connection = connected(self._address, self._seconds)
                return
            except OSError:
                time.sleep(_PAUSE_SECONDS)


class GrpcClient:
    """One channel with a connection of its own."""

    def __init__(self, address: str, message: bytes, seconds: float) -> None:
        self._call = grpc.insecure_channel(address, options=CHANNEL_OPTIONS).unary_unary(PREDICT)
        self._message, self._seconds = message, seconds

    def ask(self) -> str:
        """The name of the status."""
        try:
            self._call(self._message, timeout=self._seconds)
        except grpc.RpcError as error:
            return str(error.code().name)
        return "OK"


def clients(name: str, address: Address, seconds: float) -> list[Ask]:
    """One function for each connection; each call is one request and its answer."""
    kind = KINDS[name]
    if kind.over_grpc:
        message = kind.body()
        return [GrpcClient(address.grpc, message, seconds).ask for _ in range(CONNECTIONS)]
    request = kind.request(address)
    return [RestClient(address.rest, request, seconds).ask for _ in range(CONNECTIONS)]


def run(asking: list[Ask], seconds: float) -> Counter[str]:
    """How often which status came while they all asked for ``seconds``, each at least once, and a while longer."""
    ended: Counter[str] = Counter()
    lock = threading.Lock()
    deadline = time.monotonic() + seconds

    def send(ask: Ask) -> None:
        over = False
        while not over:
            status = ask()
            with lock:
                ended[status] += 1
            over = time.monotonic() >= deadline

    threads = [threading.Thread(target=send, args=(ask,), daemon=True) for ask in asking]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline + LAST_ANSWERS_SECONDS - time.monotonic()))
    with lock:
        ended[NO_ANSWER] += sum(thread.is_alive() for thread in threads)
        return +ended


def main() -> None:
    """What the module says."""
    name, rest, door, seconds = sys.argv[1:]
    asking = clients(name, Address(rest=rest, grpc=door), float(seconds) + LAST_ANSWERS_SECONDS)
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(run(asking, float(seconds))), flush=True)


if __name__ == "__main__":
    main()
