"""Which calls a client sends again: those that a server has not begun, and those that it wants again; no other."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import grpc
import numpy as np
import pytest

from serving.client import AsyncClient, Client, ServingError
from tests.server.client.conftest import ask_waiting, ask_with_asyncio
from tests.server.telemetry.metrics_page import points
from tests.support.scripted import ANSWER, BREAK, FAREWELL, LOSE, REFUSE, ScriptedServer, Step
from tests.support.server_process import ServerProcess, wait_until

SMALL = MappingProxyType({"x": np.zeros(1, np.float32)})
LARGE = MappingProxyType({"x": np.zeros(2**20, np.float32)})
"""4 MiB, far over the 256 KiB that gRPC would keep of a call by itself."""

ASKS = pytest.mark.parametrize("ask", [ask_waiting, ask_with_asyncio], ids=["waiting", "asyncio"])
EXHAUSTED = MappingProxyType({"grpc-status": "8", "grpc-message": "full"})


def again(**said: str) -> Mapping[str, str]:
    """RESOURCE_EXHAUSTED with what a server says of the time after which it wants the call again."""
    return {**EXHAUSTED, **{name.replace("_", "-"): value for name, value in said.items()}}


@ASKS
@pytest.mark.parametrize("inputs", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("step", [REFUSE, FAREWELL])
def test_calls_that_no_server_has_begun(ask: Any, inputs: Mapping[str, Any], step: str) -> None:
    """A refused stream, and one that a connection's end leaves out: sent again, however large they are."""
    with ScriptedServer([step, ANSWER]) as server:
        assert ask(server.address, "predict", "m", inputs) == {}
        assert server.calls == 2


@ASKS
@pytest.mark.parametrize("step", [LOSE, BREAK, {"grpc-status": "14"}, EXHAUSTED, {"grpc-status": "10"}])
def test_calls_that_may_have_run(ask: Any, step: Step) -> None:
    """Whatever else goes wrong is the call's outcome: it is sent once."""
    with ScriptedServer([step, ANSWER]) as server:
        with pytest.raises(ServingError):
            ask(server.address, "predict", "m", SMALL)
        assert server.calls == 1


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize("step", [LOSE, {"grpc-status": "14"}])
def test_calls_that_may_run_twice(kind: Any, step: Step) -> None:
    """With ``retry_lost`` a prediction is sent again, futures too, as often as ``retries`` says; a reload is not."""
    with ScriptedServer([step, step, ANSWER]) as server:
        assert ask_with(kind, server.address, "predict", "m", SMALL) == {}
        assert server.calls == 3
    with ScriptedServer([step]) as server:
        with pytest.raises(ServingError, match="UNAVAILABLE"):
            ask_with(kind, server.address, "predict", "m", SMALL)
        assert server.calls == 3
        with pytest.raises(ServingError, match="UNAVAILABLE"):
            ask_with(kind, server.address, "reload", [])
        assert server.calls == 4


def ask_with(kind: Any, address: str, method: str, *given: Any) -> Any:
    """One call of a client that sends again what was lost, twice."""

    async def main() -> Any:
        async with AsyncClient(address, retry_lost=True, retries=2) as client:
            return await getattr(client, method)(*given)

    if kind is AsyncClient:
        return asyncio.run(main())
    with Client(address, retry_lost=True, retries=2) as client:
        if method == "predict":
            return client.predict_future(*given).result(60)
        return getattr(client, method)(*given)


@ASKS
@pytest.mark.parametrize("step", [again(grpc_retry_pushback_ms="5"), again(retry_after="0")])
def test_calls_that_a_server_wants_again(ask: Any, step: Step) -> None:
    """Refused with a time after which to come again, by gRPC's word or by HTTP's."""
    with ScriptedServer([step, step, ANSWER]) as server:
        assert ask(server.address, "predict", "m", SMALL) == {}
        assert server.calls == 3


@ASKS
@pytest.mark.parametrize(
    ("step", "retry_seconds"),
    [
        pytest.param(again(grpc_retry_pushback_ms="-1", retry_after="0"), None, id="forbidden"),
        pytest.param(again(grpc_retry_pushback_ms="soon"), None, id="no number"),
        pytest.param(again(retry_after="Fri, 31 Dec 1999 23:59:59 GMT"), None, id="date"),
        pytest.param(again(retry_after="31"), 31.0, id="longer than is waited for"),
        pytest.param({"grpc-status": "14", "grpc-retry-pushback-ms": "5"}, None, id="may have run"),
    ],
)
def test_pauses_that_are_not_made(ask: Any, step: Step, retry_seconds: float | None) -> None:
    """The error has the time, if there is one, for who would wait so long."""
    with ScriptedServer([step, ANSWER]) as server:
        with pytest.raises(ServingError) as raised:
            ask(server.address, "predict", "m", SMALL)
        assert (server.calls, raised.value.retry_seconds) == (1, retry_seconds)


@ASKS
def test_pauses_longer_than_the_calls_time(ask: Any) -> None:
    """The refusal comes at once: waiting would only end in DEADLINE_EXCEEDED."""
    with ScriptedServer([again(retry_after="20"), ANSWER]) as server:
        with pytest.raises(ServingError) as raised:
            ask(server.address, "predict", "m", SMALL, timeout_seconds=10.0)
        assert (raised.value.code, server.calls) == (grpc.StatusCode.RESOURCE_EXHAUSTED, 1)


@pytest.mark.parametrize("retries", [0, 2])
def test_number_of_retries(retries: int) -> None:
    """A server that never takes the call is left alone after some times."""
    with (
        ScriptedServer([again(grpc_retry_pushback_ms="1")]) as server,
        Client(server.address, retries=retries) as client,
    ):
        with pytest.raises(ServingError, match="RESOURCE_EXHAUSTED: full"):
            client.predict("m", SMALL)
        assert server.calls == 1 + retries


@pytest.mark.parametrize("transport", ["native", "grpcio"])
def test_a_server_at_its_limit(models: Path, transport: str) -> None:
    """A real one, that has one request at a time: the second is refused, and answered when the first is over."""
    flags = ("--model_name=m", f"--model_base_path={models / 'slow'}", f"--grpc_transport={transport}")
    limits = ("--max_in_flight=1", "--max_waiting_requests=0")
    long, short = ({"ms": np.array([milliseconds], np.float32)} for milliseconds in (1500.0, 0.0))
    with ServerProcess([*flags, *limits]) as server, Client(f"localhost:{server.grpc_port}") as client:
        future = client.predict_future("m", long, signature="wait")
        wait_until("it is full", lambda: points(server)[":serving:requests_in_flight{}"] == 1)
        with Client(client.address, retries=0) as other, pytest.raises(ServingError) as raised:
            other.predict("m", short, signature="wait")
        assert raised.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert raised.value.retry_seconds is not None
        assert client.predict("m", short, signature="wait").version == 1
        assert future.result(60).version == 1


def test_futures_are_told() -> None:
    """A future does not wait: its error has the time after which the server wants the call again."""
    with ScriptedServer([again(grpc_retry_pushback_ms="1500"), ANSWER]) as server, Client(server.address) as client:
        with pytest.raises(ServingError) as raised:
            client.predict_future("m", SMALL).result(60)
        assert (raised.value.retry_seconds, server.calls) == (1.5, 1)
