"""REST doors inside the test process, on fakes, with and without the small-request lane, and what a client sees."""

import asyncio
import re
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, NamedTuple

import uvloop
from aiohttp import web

from serving.core.manager import Manager
from serving.core.servable import Run
from serving.core.signature import Signature, TensorInfo
from serving.core.tensor import DataType, Tensor
from serving.inference.call import Reply
from serving.inference.context import RequestContext
from serving.inference.placement import Workers
from serving.inference.unsent import UnsentBytes
from serving.rest.answer import Answer
from serving.rest.app import RestApp
from serving.rest.connection.bounds import Bounds
from serving.rest.cors import Cors
from serving.rest.endpoint import Endpoint
from serving.rest.routes import apis
from serving.rest.server import RestDoor
from serving.telemetry.serving_metrics import ServingMetrics
from tests.server.doors.certificates import HOST
from tests.support import TIMEOUT_SECONDS, FakeServable, loads, settle
from tests.support.request_layer import request_layer

MAX_REQUEST_BYTES = 50_000
BOUNDS = Bounds()
NO_CORS = Cors()

_DATE = re.compile(rb"\r\nDate: [^\r]+\r\n")
_LENGTH = re.compile(rb"\r\nContent-Length: (\d+)\r\n")
_COUNTS = re.compile(rb"^\S*(?:request_count|_count)\{.*$", re.MULTILINE)


class Doubling:
    """A run that doubles, in the caller's thread if ``inline``; calls elsewhere wait for ``gate``, which is open."""

    def __init__(self, executor: Executor | None = None, *, inline: bool) -> None:
        self.inline = inline
        self.begun = 0
        self.gate = threading.Event()
        self.gate.set()
        self.given_up = threading.Event()
        self._executor = executor

    def inline_for(self, tensors: Sequence[Tensor]) -> bool:
        return self.inline

    def __call__(self, tensors: Sequence[Tensor], timeout_ms: int) -> list[Tensor]:
        self.begun += 1
        (x,) = tensors
        if x.array.size and x.array.flat[0] < 0:
            raise ZeroDivisionError("a defect of a servable")
        return [Tensor(x.dtype, x.array * 2)]

    def submit(self, tensors: Sequence[Tensor], timeout_ms: int) -> "Future[list[Tensor]]":
        """The call in a thread, once ``gate`` is open; ``given_up`` tells that its caller did not wait."""

        def wait() -> list[Tensor]:
            assert self.gate.wait(TIMEOUT_SECONDS)
            return self(tensors, timeout_ms)

        assert self._executor is not None
        future = self._executor.submit(wait)
        future.add_done_callback(self._note)
        return future

    def _note(self, done: "Future[list[Tensor]]") -> None:
        if done.cancelled():
            self.given_up.set()


class DoublingServable(FakeServable):
    """A servable with one signature, ``x`` to ``y``, and one run for it."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self._run = run
        info = {name: TensorInfo(name=f"{name}:0", dtype=DataType.FLOAT, shape=(-1,)) for name in ("x", "y")}
        signature = Signature(name="serving_default", inputs={"x": info["x"]}, outputs={"y": info["y"]})
        self._signatures = {"serving_default": signature}

    @property
    def signatures(self) -> Mapping[str, Signature]:
        return self._signatures

    def resolve(self, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> Run:
        return self._run


def manager(runs: Mapping[str, Run]) -> Manager:
    """A manager of models with one version, each with a run of its own."""
    made = Manager()
    for name, run in runs.items():
        made.set_aspired(name, {1: loads(DoublingServable(run))})
    settle(made)
    return made


class CountingApp(RestApp):
    """Counts what came on the lane and what came on the road."""

    on_lane = on_road = 0

    def small(self, method: str, path: str, headers: Mapping[str, str]) -> Endpoint | None:
        endpoint = super().small(method, path, headers)
        if endpoint is None:
            return None
        call = endpoint.call

        def counted(body: bytes, context: RequestContext) -> Reply:
            self.on_lane += 1
            return call(body, context)

        return endpoint._replace(call=counted)

    async def answer(self, request: web.BaseRequest) -> Answer:
        self.on_road += 1
        return await super().answer(request)


class Service:
    """What stands behind a door: the models ``m``, which answers inline, and ``slow``, whose calls take a thread."""

    def __init__(self, executor: Executor, *, cors: Cors = NO_CORS, max_request_bytes: int = MAX_REQUEST_BYTES) -> None:
        self.fast, self.slow = Doubling(executor, inline=True), Doubling(executor, inline=False)
        self.metrics = ServingMetrics()
        self.workers = Workers(2)
        models = manager({"m": self.fast, "slow": self.slow})
        layer = request_layer(models, metrics=self.metrics, workers=self.workers)
        self.app = CountingApp(
            apis(layer, as_content=False, exact_digits=False),
            lambda: True,
            self.metrics,
            cors=cors,
            max_request_bytes=max_request_bytes,
            metrics_path="/v1/models/metrics",
        )

    def counts(self) -> list[bytes]:
        """The lines of the metrics page that count requests."""
        return sorted(_COUNTS.findall(self.metrics.page()))


class Tls(NamedTuple):
    """What both ends of a connection need."""

    server: ssl.SSLContext
    client: ssl.SSLContext


class Running:
    """A door that is open, and the service behind it."""

    def __init__(self, service: Service, door: RestDoor, tls: Tls | None) -> None:
        self.loop = asyncio.get_running_loop()
        self.service = service
        self.door = door
        self._tls = tls

    def exchange(self, steps: Sequence[tuple[Sequence[bytes], int]]) -> bytes:
        """What one connection gets, dates masked: each step sends pieces and waits for so many responses.

        A number below zero waits for the end of the connection.
        """
        with ExitStack() as stack:
            client = stack.enter_context(socket.create_connection(("127.0.0.1", self.door.port), TIMEOUT_SECONDS))
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                client = stack.enter_context(self._tls.client.wrap_socket(client, server_hostname=HOST))
            received = b"".join(_step(client, pieces, responses) for pieces, responses in steps)
        return _DATE.sub(b"\r\nDate: -\r\n", received)


def _step(client: socket.socket, pieces: Sequence[bytes], responses: int) -> bytes:
    received = b""
    with suppress(ConnectionError):  # the server closes at an error, though there is more to read
        for piece in pieces:
            client.sendall(piece)
    with suppress(ConnectionError):
        while responses < 0 or _complete(received) < responses:
            data = client.recv(1 << 16)
            if not data:
                break
            received += data
    return received


def _complete(received: bytes) -> int:
    """The number of complete responses."""
    number = start = 0
    while (blank_line := received.find(b"\r\n\r\n", start)) >= 0:
        length = _LENGTH.search(received[start : blank_line + 4])
        start = blank_line + 4 + (int(length[1]) if length else 0)
        if start > len(received):
            break
        number += 1
    return number


@contextmanager
def running(
    *,
    lane: bool,
    cors: Cors = NO_CORS,
    opened: bool = True,
    tls: Tls | None = None,
    bounds: Bounds = BOUNDS,
    unsent: UnsentBytes | None = None,
    max_request_bytes: int = MAX_REQUEST_BYTES,
) -> Iterator[Running]:
    """A door in a thread of its own, on uvloop as in the server."""
    started: Future[tuple[Running, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        stop = asyncio.Event()
        with ThreadPoolExecutor(2) as executor:
            service = Service(executor, cors=cors, max_request_bytes=max_request_bytes)
            if opened:
                service.app.open()
            door = RestDoor(
                service.app,
                0,
                max_request_bytes,
                tls and tls.server,
                small_request_lane=lane,
                bounds=bounds,
                unsent=unsent,
            )
            await door.start()
            started.set_result((Running(service, door, tls), asyncio.get_running_loop(), stop))
            await stop.wait()
            await door.drain(0, 0)
            await door.stop()
            service.workers.close()

    def run() -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run)
    thread.start()
    door, loop, stop = started.result(TIMEOUT_SECONDS)
    try:
        yield door
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(TIMEOUT_SECONDS)


class Line(asyncio.Transport):
    """A transport in memory. While ``choked`` it keeps what is written, and says so to its protocol."""

    def __init__(self, protocol: asyncio.Protocol, extra: Mapping[str, Any] | None = None) -> None:
        super().__init__(extra)
        self.sent = b""
        self.writes = 0
        self.asked: list[str] = []
        self.closed = False
        self.half_closed = False
        self.choked = False
        self._unsent = b""
        self._paused = False
        self.protocol = protocol
        protocol.connection_made(self)

    def write(self, data: Any) -> None:
        self.writes += 1
        if not self.choked:
            self.sent += data
            return
        self._unsent += data
        self.pause()

    @property
    def unsent(self) -> int:
        """Bytes that were written, but not taken."""
        return len(self._unsent)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        assert isinstance(protocol, asyncio.Protocol)
        self.protocol = protocol

    def pause(self) -> None:
        """The client does not read, and there is something that it ought to."""
        self.choked = True
        if not self._paused:
            self._paused = True
            self.protocol.pause_writing()

    def flow(self) -> None:
        """The client reads again."""
        self.choked = False
        self.sent, self._unsent = self.sent + self._unsent, b""
        if self._paused:
            self._paused = False
            self.protocol.resume_writing()

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.half_closed = True

    def get_write_buffer_size(self) -> int:
        return len(self._unsent)

    def pause_reading(self) -> None:
        self.asked.append("pause")

    def resume_reading(self) -> None:
        self.asked.append("resume")

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """One byte is too many, always."""
