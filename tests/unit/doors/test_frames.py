"""How many of our own Python frames a request costs, without the engine's: budgets, for each frame is work for all."""

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import grpc
import numpy as np
import pytest

import serving
from serving.rpc.routes import routes
from serving.rpc.transports.fronted import FrontedTransport
from tests.server.doors.clients import Target, predict_request
from tests.support.request_layer import request_layer
from tests.unit.doors.lane_bench import PLAIN, Bench, benched
from tests.unit.doors.lanes import Doubling, manager

LANE_FRAMES = 28
NATIVE_FRAMES = 30
ROUNDS = 8
"""Requests before the one that counts: plans, encoders, heads and forms are worked out with the first ones."""

_OURS = f"{Path(serving.__file__).parent}/"
_ENGINES = f"{_OURS}servables/"


class Frames:
    """A profile function that keeps the names of one thread's frames that are ours, from each call of ``start`` apart.

    The thread is the one that makes this or, once it does, the one that calls ``start``.
    """

    def __init__(self, start: str = "") -> None:
        self.names: list[str] = []
        self.rounds: list[list[str]] = []
        self._start = start
        self._thread = threading.get_ident()

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(_OURS) and not code.co_filename.startswith(_ENGINES):
            if code.co_qualname == self._start:
                self._thread = threading.get_ident()
                self.names = []
                self.rounds.append(self.names)
            if threading.get_ident() == self._thread:
                self.names.append(code.co_qualname)


@pytest.fixture
def bench() -> Iterator[Bench]:
    with benched(opened=True) as made:
        yield made


def test_predict_on_the_lane(bench: Bench) -> None:
    """From the bytes of the request to those of its answer."""
    line, frames = bench.connect(), Frames()
    for _ in range(ROUNDS):
        bench.feed(line, PLAIN)

    async def receive() -> None:
        sys.setprofile(frames)
        try:
            line.protocol.data_received(PLAIN)
        finally:
            sys.setprofile(None)

    bench.loop.run_until_complete(receive())
    assert line.sent.count(b"200 OK") == ROUNDS + 1
    assert "Lane.data_received" in frames.names
    assert len(frames.names) <= LANE_FRAMES, frames.names


def test_predict_over_native_grpc() -> None:
    """From taking the event to responding, in the thread that takes events."""
    run, frames = Doubling(inline=True), Frames("NativeCalls._take_batch")
    handlers = routes(request_layer(manager({"m": run})), as_content=False)
    payload = predict_request(Target(model="m"), {"x": np.ones(3, np.float32)})
    threading.setprofile(frames)
    try:
        transport = FrontedTransport(
            handlers, ["127.0.0.1:0"], max_threads=1, max_request_bytes=1000, aside={}, services=()
        )
        transport.start()
    finally:
        threading.setprofile(None)
    with grpc.insecure_channel(f"127.0.0.1:{transport.port}") as channel:
        predict = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        for _ in range(ROUNDS):
            predict(payload, timeout=30)
    transport.drain(0, 30)
    assert run.begun == ROUNDS
    last = [names for names in frames.rounds if any("predict" in name.lower() for name in names)][-1]
    assert len(last) <= NATIVE_FRAMES, last
