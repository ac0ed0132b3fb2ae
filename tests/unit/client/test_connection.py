"""What reaches a server of a client's settings, its cancellations and its end; the server notes what it sees."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from serving.client import AsyncClient, Client, ServingError
from serving.client.connection import merged
from tests.server.client.conftest import Ask, ask_waiting, ask_with_asyncio

SECONDS = 60.0
ONE = {"x": [1.0]}
CLIENTS = pytest.mark.parametrize("kind", [Client, AsyncClient])


class Noting(grpc.GenericRpcHandler):  # type: ignore[misc]  # gRPC has no types
    """Answers every call with ``answer``, at once or, if it is ``holding``, when the call was given up."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.answer = b""
        self.holding = False
        self.metadata: list[dict[str, str | bytes]] = []
        self.remaining_seconds: list[float] = []
        self.begun = threading.Event()
        self.over = threading.Event()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        self.metadata.append(dict(handler_call_details.invocation_metadata))
        return grpc.unary_unary_rpc_method_handler(self._answer)

    def _answer(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        self.remaining_seconds.append(context.time_remaining())
        if not context.add_callback(self.over.set):
            self.over.set()
        self.begun.set()
        if self.holding:
            self.over.wait(SECONDS)
        return self.answer


@pytest.fixture
def noting() -> Iterator[Noting]:
    with ThreadPoolExecutor(4) as pool:
        server = grpc.server(pool)
        handler = Noting(f"localhost:{server.add_insecure_port('127.0.0.1:0')}")
        server.add_generic_rpc_handlers((handler,))
        server.start()
        yield handler
        server.stop(None).wait(SECONDS)


@pytest.fixture
def holding(noting: Noting) -> Noting:
    """One that answers no call before it is given up."""
    noting.holding = True
    return noting


def predicted(kind: type[Client] | type[AsyncClient], address: str, /, *, call: Any = None, **settings: Any) -> Any:
    """A prediction of a client with these settings; ``call`` has the options of the call itself."""

    async def with_asyncio() -> Any:
        async with AsyncClient(address, **settings) as client:
            return await client.predict("m", ONE, **(call or {}))

    if kind is AsyncClient:
        return asyncio.run(with_asyncio())
    with Client(address, **settings) as client:
        return client.predict("m", ONE, **(call or {}))


@CLIENTS
def test_metadata_goes_with_every_call(noting: Noting, kind: type[Client] | type[AsyncClient]) -> None:
    """Text and bytes, as they were given."""
    predicted(kind, noting.address, metadata=[("authorization", "Bearer t"), ("key-bin", b"\xff")])
    assert noting.metadata[0].items() >= {"authorization": "Bearer t", "key-bin": b"\xff"}.items()


def test_metadata_goes_with_futures(noting: Noting) -> None:
    """They are calls like others."""
    with Client(noting.address, metadata=[("authorization", "Bearer t")]) as client:
        client.predict_future("m", ONE).result(SECONDS)
    assert noting.metadata[0]["authorization"] == "Bearer t"


@CLIENTS
@pytest.mark.parametrize("call", [{}, {"timeout_seconds": None}], ids=["not said", "None"])
def test_time_is_the_clients(holding: Noting, kind: type[Client] | type[AsyncClient], call: dict[str, None]) -> None:
    """A call that says none, or None, has the client's."""
    with pytest.raises(ServingError, match=r"\nNo answer within timeout_seconds=0\.05\.$"):
        predicted(kind, holding.address, timeout_seconds=0.05, call=call)


@CLIENTS
@pytest.mark.parametrize("seconds", [1e10, float("inf")])
@pytest.mark.parametrize("of_the_call", [False, True], ids=["client", "call"])
def test_time_without_end(
    noting: Noting, kind: type[Client] | type[AsyncClient], seconds: float, of_the_call: bool
) -> None:
    """Infinity, and what gRPC's clock cannot hold, are no limit."""
    given = {"timeout_seconds": seconds}
    predicted(kind, noting.address, **({"timeout_seconds": 0.001, "call": given} if of_the_call else given))
    assert noting.remaining_seconds[0] > 1e6


def test_cancelled_future_reaches_the_server(holding: Noting) -> None:
    """It need not go on with what nobody waits for."""
    with Client(holding.address) as client:
        future = client.predict_future("m", ONE)
        assert holding.begun.wait(SECONDS)
        assert future.cancel()
        assert holding.over.wait(SECONDS)


def running(holding: Noting, then: Any) -> Any:
    """What ``then`` makes, with asyncio, of a client and of a task that waits for its prediction."""

    async def main() -> Any:
        async with AsyncClient(holding.address) as client:
            task = asyncio.create_task(client.predict("m", ONE))
            assert await asyncio.to_thread(holding.begun.wait, SECONDS)
            await then(client, task)
            assert await asyncio.to_thread(holding.over.wait, SECONDS)
            (outcome,) = await asyncio.gather(task, return_exceptions=True)
            return outcome

    return asyncio.run(main())


def test_cancelled_task_reaches_the_server(holding: Noting) -> None:
    """Its call is given up, and the task is cancelled as any other."""

    async def cancel(client: AsyncClient, task: "asyncio.Task[Any]") -> None:
        task.cancel()

    assert isinstance(running(holding, cancel), asyncio.CancelledError)


def test_closing_ends_what_tasks_wait_for(holding: Noting) -> None:
    """Nobody cancelled the task: it gets an error as any other, and so goes on."""

    async def close(client: AsyncClient, task: "asyncio.Task[Any]") -> None:
        await client.close()

    error = running(holding, close)
    assert isinstance(error, ServingError)
    assert str(error) == "CANCELLED: the client was closed (Predict of model 'm')"


def test_cancelled_task_stays_so_when_the_client_closes(holding: Noting) -> None:
    """Who cancels a task and closes the client, as a group of tasks does, waits for a task that ends."""

    async def both(client: AsyncClient, task: "asyncio.Task[Any]") -> None:
        task.cancel()
        await client.close()

    assert isinstance(running(holding, both), asyncio.CancelledError)


def test_closing_ends_what_has_not_been_sent(noting: Noting) -> None:
    """A task that has only just begun is told the same."""

    async def main() -> Any:
        async with AsyncClient(noting.address) as client:
            await client.predict("m", ONE)
            task = asyncio.create_task(client.predict("m", ONE))
            await asyncio.sleep(0)
            await client.close()
            return await asyncio.gather(task, return_exceptions=True)

    assert "CANCELLED: the client was closed" in str(asyncio.run(main())[0])


async def closed_before_use(address: str) -> None:
    client = AsyncClient(address)
    await client.close()
    await client.predict("m", ONE)


async def closed_after_use(address: str) -> None:
    async with AsyncClient(address) as client:
        await client.predict("m", ONE)
    await client.predict("m", ONE)


@pytest.mark.parametrize("method", ["predict", "predict_future"])
def test_closed_client(noting: Noting, method: str) -> None:
    """It says so, and opens no other connection; to close it again is no mistake."""
    client = Client(noting.address)
    client.close()
    client.close()
    with pytest.raises(ValueError, match=f"^the client of {noting.address} was closed; make another one$"):
        getattr(client, method)("m", ONE)


@pytest.mark.parametrize("use", [closed_before_use, closed_after_use])
def test_closed_async_client(noting: Noting, use: Any) -> None:
    """The same sentence, also if it had no connection yet."""
    with pytest.raises(ValueError, match=f"^the client of {noting.address} was closed; make another one$"):
        asyncio.run(use(noting.address))


def test_another_event_loop(noting: Noting) -> None:
    """The error says whose the client is; it can be closed from everywhere."""
    client = AsyncClient(noting.address)
    asyncio.run(client.predict("m", ONE))
    with pytest.raises(ValueError, match="the client belongs to another event loop"):
        asyncio.run(client.predict("m", ONE))
    asyncio.run(client.close())


@pytest.mark.parametrize("ask", [ask_waiting, ask_with_asyncio], ids=["waiting", "asyncio"])
@pytest.mark.parametrize("method", ["predict", "metadata"])
def test_answer_that_is_no_message(noting: Noting, ask: Ask, method: str) -> None:
    """Whatever answers there is named, and the call."""
    noting.answer = b"\xff"
    with pytest.raises(ServingError, match=f"^INTERNAL: the answer of {noting.address} could not be read: ") as raised:
        ask(noting.address, method, "m", *([ONE] if method == "predict" else []))
    assert "of model 'm')" in str(raised.value)


def test_future_of_an_answer_that_is_no_message(noting: Noting) -> None:
    """The same error."""
    noting.answer = b"\xff"
    with Client(noting.address) as client, pytest.raises(ServingError, match=r"INTERNAL: .* could not be read: "):
        client.predict_future("m", ONE).result(SECONDS)


def test_options_of_the_caller_win() -> None:
    """The others stay: among them that a connection is tried again within five seconds."""
    assert dict(merged([]))["grpc.max_reconnect_backoff_ms"] == 5_000
    options = merged([("grpc.max_reconnect_backoff_ms", 1), ("grpc.a", 2)])
    assert len(options) == len(dict(options)) == len(merged([])) + 1
    assert (dict(options)["grpc.max_reconnect_backoff_ms"], dict(options)["grpc.a"]) == (1, 2)
