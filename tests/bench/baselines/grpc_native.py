"""The bare native gRPC loop: pygrpc-native's front hands over batches of calls, which are answered one by one.

usage: python -m tests.bench.baselines.grpc_native VERSION_DIRECTORY PORT
"""

import sys
from pathlib import Path

from pygrpc_native import EVENT_CALL, NativeGrpcFront

from tests.bench.baselines.bare_engine import BareModel
from tests.bench.baselines.predict_message import PATH, answer

_BATCH, _WAIT_MS = 64, 1000


def serve(model: BareModel, port: int) -> None:
    """Answer on 127.0.0.1 until the process is ended."""
    front = NativeGrpcFront(f"127.0.0.1:{port}", [(PATH, False)], io_threads=1)
    front.start()
    while (events := front.recv_batch(_BATCH, _WAIT_MS)) is not None:
        for kind, call, _method, payload, _key in events:
            if kind == EVENT_CALL:
                front.respond(call, answer(model, payload))


if __name__ == "__main__":
    serve(BareModel(Path(sys.argv[1])), int(sys.argv[2]))
