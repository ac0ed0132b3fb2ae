"""Predictions on their way: ``predict_future``, and many tasks of an AsyncClient."""

import asyncio
import contextlib
import os
import socket
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, as_completed
from pathlib import Path

import grpc
import numpy as np
import pytest

from serving.client import AsyncClient, Client, Prediction, ServingError
from tests.support.server_process import ServerProcess, wait_until


@pytest.fixture
def client(address: str) -> Iterator[Client]:
    with Client(address) as opened:
        yield opened


AT_ONCE = 16
"""As many calls as wait for each other on every server, also while it does not know whether the model is fast."""


def test_futures_have_their_own_results(client: Client) -> None:
    """Many at once on one connection, each with the answer to its own question."""
    client.predict("half_plus_three", {"x": [0.0]})  # the first call of a model takes long
    futures: dict[Future[Prediction], int] = {
        client.predict_future("half_plus_three", {"x": [float(i)]}): i for i in range(AT_ONCE)
    }
    answers = {futures[future]: future.result()["y"].tolist() for future in as_completed(futures, timeout=60)}
    assert answers == {i: [i / 2 + 3] for i in range(AT_ONCE)}


def test_future_has_the_error(client: Client) -> None:
    """The error that ``predict`` would raise."""
    future = client.predict_future("nobody", {"x": [1.0]})
    error = future.exception(timeout=60)
    assert isinstance(error, ServingError)
    assert error.code is grpc.StatusCode.NOT_FOUND
    assert future.done()


def test_callback_sees_the_result(client: Client) -> None:
    """It is called when the answer has come."""
    seen: list[Prediction] = []
    future = client.predict_future("half_plus_three", {"x": [1.0]})
    future.add_done_callback(lambda done: seen.append(done.result()))
    future.result(timeout=60)
    client.predict_future("half_plus_three", {"x": [1.0]}).result(timeout=60)  # callbacks come one after the other
    assert [outputs["y"].tolist() for outputs in seen] == [[3.5]]


def test_future_is_cancelled(client: Client) -> None:
    """Who waits is told."""
    future = client.predict_future("slow", {"x": [1.0]})
    assert future.cancel()
    with pytest.raises(CancelledError):
        future.result(timeout=60)


def test_waiting_for_a_future_ends(client: Client) -> None:
    """Not within the time is a TimeoutError; the answer comes nevertheless."""
    future = client.predict_future("slow", {"ms": [300.0]}, signature="wait")
    with pytest.raises(TimeoutError):
        future.result(timeout=0.001)
    assert future.result(timeout=60)["y"].tolist() == [300.0]


def test_future_has_a_deadline(client: Client) -> None:
    """``timeout_seconds`` ends the call itself."""
    error = client.predict_future("slow", {"ms": [300.0]}, signature="wait", timeout_seconds=0.01).exception(60)
    assert isinstance(error, ServingError)
    assert error.code is grpc.StatusCode.DEADLINE_EXCEEDED


def test_closing_ends_what_is_on_its_way(client: Client) -> None:
    """Nobody waits for ever."""
    future = client.predict_future("slow", {"ms": [300.0]}, signature="wait")
    client.close()
    error = future.exception(timeout=60)
    assert isinstance(error, ServingError)
    assert error.code is grpc.StatusCode.CANCELLED


def test_finished_future_keeps_the_arrays_only(client: Client) -> None:
    """The bytes that they were read from are let go of."""
    array = np.zeros(2**20, np.float32)
    client.predict("dtypes", {"x": array}, signature="float")
    tracemalloc.start()
    try:
        future = client.predict_future("dtypes", {"x": array}, signature="float")
        assert future.result(timeout=60)["y"].nbytes == array.nbytes
        wait_until("the bytes are gone", lambda: tracemalloc.get_traced_memory()[0] < 1.5 * array.nbytes)
    finally:
        tracemalloc.stop()


def test_threads_share_a_client(client: Client) -> None:
    """Each thread gets its own answers."""
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda i: client.predict("half_plus_three", {"x": [float(i)]})["y"][0], range(100)))
    assert answers == [i / 2 + 3 for i in range(100)]


def test_tasks_share_an_async_client(address: str) -> None:
    """Each task gets its own answer."""

    async def main() -> list[Prediction]:
        async with AsyncClient(address) as client:
            await client.predict("half_plus_three", {"x": [0.0]})
            return await asyncio.gather(*(client.predict("half_plus_three", {"x": [float(i)]}) for i in range(AT_ONCE)))

    assert [outputs["y"][0] for outputs in asyncio.run(main())] == [i / 2 + 3 for i in range(AT_ONCE)]


def test_cancelled_task_leaves_the_others(address: str) -> None:
    """Its call is given up, and the connection stays."""

    async def main() -> Prediction:
        async with AsyncClient(address) as client:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.predict("slow", {"ms": [300.0]}, signature="wait"), 0.01)
            return await client.predict("half_plus_three", {"x": [1.0]})

    assert asyncio.run(main())["y"].tolist() == [3.5]


def test_forgotten_connection_is_given_up(client: Client, server: ServerProcess) -> None:
    """After 20 seconds without a sign: keepalive has set TCP's own timeout on the connection."""
    client.predict("half_plus_three", {"x": [1.0]})
    timeouts = []
    for each in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(int(each.name))) as connection:
            if connection.getpeername()[1:2] == (server.grpc_port,):
                timeouts.append(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT))
    assert set(timeouts) == {20_000}  # other tests of this process may have connections, too


def test_async_client_that_was_never_used(address: str) -> None:
    """It closes without ever having had a connection, and may be made outside of a loop."""
    client = AsyncClient(address)
    asyncio.run(client.close())
