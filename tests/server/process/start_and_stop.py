"""A program for a test: opens and closes a door many times, an answer in between, and prints what the process holds.

usage: python -m tests.server.process.start_and_stop rest|grpcio|native
"""

import asyncio
import gc
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import grpc

from serving.core.manager import Manager
from serving.inference.placement import Workers
from serving.rest.app import RestApp
from serving.rest.routes import apis
from serving.rest.server import RestDoor
from serving.rpc.server import open_transport
from serving.settings import Settings
from serving.telemetry.serving_metrics import ServingMetrics
from tests.support.raw import RawConnection, request
from tests.support.request_layer import admit_all, request_layer

AT_A_TIME = 10  # for a door that drains takes a moment to be sure that nobody is on the way
ROUNDS = 5
METHOD = "/test/Echo"


def held() -> dict[str, int]:
    """Open descriptors and threads of this process."""
    gc.collect()
    return {name: len(list(Path(f"/proc/self/{name}").iterdir())) for name in ("fd", "task")}


async def rest() -> None:
    """Start, answer one request, stop."""
    metrics, workers = ServingMetrics(), Workers(1)
    service = request_layer(Manager(), metrics=metrics, workers=workers)
    app = RestApp(apis(service, as_content=False, exact_digits=False), lambda: True, metrics, max_request_bytes=1000)
    door = RestDoor(app, 0, 1000)
    await door.start()
    app.open()

    def ask() -> int:
        with RawConnection(door.port) as connection:
            connection.send(request("GET", "/healthz/ready"))
            return connection.response().status

    assert await asyncio.to_thread(ask) == 200
    assert await asyncio.wrap_future(workers.submit(lambda answer: answer.set_result(b"long"))) == b"long"
    await door.drain(0.3, 10)
    await door.stop()
    workers.close()


async def rpc(transport: str) -> None:
    """Start, answer one call, drain, which closes."""
    settings = Settings(port=-1, grpc_transport=transport, grpc_max_threads=2)
    opened = open_transport(settings, {METHOD: lambda payload, _: payload}, admit_all)
    opened.start()

    def ask() -> bytes:
        with grpc.insecure_channel(f"127.0.0.1:{opened.port}") as channel:
            return bytes(channel.unary_unary(METHOD)(b"payload", timeout=30))

    assert await asyncio.to_thread(ask) == b"payload"
    await asyncio.to_thread(opened.drain, 0, 10)


DOORS: Mapping[str, Callable[[], Awaitable[None]]] = {
    "rest": rest,
    "grpcio": lambda: rpc("grpcio"),
    "native": lambda: rpc("native"),
}


async def cycle(door: str) -> None:
    """Some starts and stops."""
    await asyncio.gather(*[DOORS[door]() for _ in range(AT_A_TIME)])


async def main(door: str) -> None:
    """Print what is held before and after fifty starts and stops, as JSON."""
    await cycle(door)  # what the libraries start once they keep
    before = held()
    for _ in range(ROUNDS):
        await cycle(door)
    json.dump([before, held()], sys.stdout)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
