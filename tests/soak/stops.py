"""One stop: a server under many clients gets SIGTERM, and each call of each client is accounted for."""

import io
import random
import threading
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tests.server.doors.clients import Target, floats, predict_request
from tests.soak.clients import CALL_SECONDS, Client, Outcome, Tally, grpc_client, rest_client
from tests.support.server_process import ServerProcess, wait_until

KINDS = ("rest", "binary", "native", "grpcio")
"""JSON on the small-request lane and on aiohttp's road in turn; numpy's arrays alike; both gRPC transports."""

_FEWEST, _MOST = 16, 64
_CALLS_EACH = 5
_LATEST_SECONDS = 0.05
_END_SECONDS = 60.0
_VALUES = np.arange(4, dtype=np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """What came of a stop: calls by outcome, what there was instead of answers, and the server's exit status."""

    number: int
    kind: str
    clients: int
    status: int
    outcomes: dict[str, int]
    lost: dict[str, int]


def stop(number: int, base_path: Path) -> Stop:
    """Start a server of the model at ``base_path``, call it, and end it; all that varies depends on ``number``."""
    kind, clients = KINDS[number % len(KINDS)], _FEWEST + number * 7 % (_MOST - _FEWEST + 1)
    lane = number // len(KINDS) % 2 == 0
    flags = [f"--model_base_path={base_path}", f"--rest_small_request_lane={str(lane).lower()}"]
    if kind in ("native", "grpcio"):
        # A thread for each client: a full pool refuses calls, which is another matter.
        flags += [f"--grpc_transport={kind}", f"--grpc_max_threads={2 * _MOST}"]
    with ServerProcess(flags) as server:
        tallies = [Tally() for _ in range(clients)]
        threads = [
            threading.Thread(target=_client(kind, server, seed), args=(tally,), daemon=True)
            for seed, tally in enumerate(tallies)
        ]
        for thread in threads:
            thread.start()
        wanted = _CALLS_EACH * clients
        wait_until("calls", lambda: sum(tally.outcomes[Outcome.ANSWERED] for tally in tallies) > wanted)
        threading.Event().wait(random.Random(number).random() * _LATEST_SECONDS)
        server.terminate()
        status = server.wait(_END_SECONDS)
        for thread in threads:
            thread.join(CALL_SECONDS + _END_SECONDS)
        assert not any(thread.is_alive() for thread in threads)
    outcomes = sum((tally.outcomes for tally in tallies), Counter[Outcome]())
    lost = sum((tally.lost for tally in tallies), Counter[str]())
    return Stop(
        number=number,
        kind=kind,
        clients=clients,
        status=status,
        outcomes={outcome.value: count for outcome, count in outcomes.items()},
        lost=dict(lost),
    )


def _client(kind: str, server: ServerProcess, seed: int) -> Client:
    """Every other one keeps its connection."""
    make: Any
    if kind in ("rest", "binary"):
        make = partial(rest_client, server.rest_port, _request(kind))
    else:
        payload = predict_request(Target(model="default"), {"x": floats(*_VALUES.tolist())})
        make = partial(grpc_client, server.grpc_port, payload)
    client: Client = make(seed, kept=seed % 2 == 0)
    return client


def _request(kind: str) -> bytes:
    body, content_type = b'{"instances": [0.0, 1.0, 2.0, 3.0]}', "application/json"
    if kind == "binary":
        file = io.BytesIO()
        np.save(file, _VALUES)
        body, content_type = file.getvalue(), "application/x-npy"
    head = (
        "POST /v1/models/default:predict HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
