"""Connections of several workers: one that has more than its share of gRPC connections gives some up."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import grpc
import pytest

from tests.server.doors.clients import Target, floats, predict_request
from tests.support.server_process import START_SECONDS, wait_until
from tests.support.workers_server import WorkersServer

PREDICT = "/tensorflow.serving.PredictionService/Predict"
CHANNELS = 6


class Caller:
    """Calls over one channel, one after the other, until it is told to stop."""

    def __init__(self, port: int, stop: threading.Event) -> None:
        options = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0))
        self._channel = grpc.insecure_channel(f"127.0.0.1:{port}", options)
        grpc.channel_ready_future(self._channel).result(START_SECONDS)
        self._stop = stop
        self.answered = 0
        self.failed: list[str] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        call = self._channel.unary_unary(PREDICT)
        payload = predict_request(Target(model="half_plus_three"), {"x": floats(1)})
        while not self._stop.is_set():
            try:
                call(payload, timeout=START_SECONDS)
                self.answered += 1
            except grpc.RpcError as error:
                self.failed.append(f"{error.code().name}: {error.details()}")

    def close(self) -> None:
        self._thread.join()
        self._channel.close()


@pytest.fixture
def server(models: Path) -> Iterator[WorkersServer]:
    """Two workers of one model."""
    flags = ["--model_name=half_plus_three", f"--model_base_path={models / 'half_plus_three'}"]
    with WorkersServer(2, flags) as server:
        yield server


def test_channels_spread_over_all_workers(server: WorkersServer) -> None:
    """They are opened while one worker is away, so all are the other's; then both have some, and no call has failed."""
    server.kill_worker(1)
    stop = threading.Event()
    with ExitStack() as stack:
        callers = [Caller(server.grpc_port, stop) for _ in range(CHANNELS)]
        for caller in callers:
            stack.callback(caller.close)
        stack.callback(stop.set)
        wait_until("it serves again", lambda: any("Worker 1 serves again" in line for line in server.output))
        wait_until("both have some", lambda: min(server.connections_by_worker(server.grpc_port).values()) >= 1)
        wait_until("all have calls", lambda: min(caller.answered for caller in callers) > 10)
    assert [caller.failed for caller in callers] == [[]] * CHANNELS
