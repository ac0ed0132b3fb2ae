"""One client of two servers: calls go in turn, and none is lost or made twice when one of them ends."""

import asyncio
import re
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import numpy as np
import pytest

from serving.client import AsyncClient, Client, ServingError
from tests.server.client.terminal import run
from tests.server.doors.certificates import Authority, write_config
from tests.server.telemetry.metrics_page import points
from tests.support.server_process import ServerProcess, wait_until

ONE = {"x": [1.0]}
COUNT = ':tensorflow:serving:request_count{model_name="m",status="OK"}'
LINE = re.compile(r"PredictionService/Predict")


class Pair(NamedTuple):
    """Two servers of one model, ``m``, which the first has as version 1 and the second as version 2."""

    first: ServerProcess
    second: ServerProcess

    @property
    def addresses(self) -> list[str]:
        return [f"127.0.0.1:{each.grpc_port}" for each in self]


@pytest.fixture
def pair(models: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Pair]:
    """Of the model ``slow``, with an access log and a gauge of what is in flight; on the first, this transport."""
    flags = {}
    for version in (1, 2):
        base = tmp_path / f"base{version}"
        base.mkdir()
        (base / str(version)).symlink_to(models / "slow" / "1")
        flags[version] = ["--model_name=m", f"--model_base_path={base}", "--access_log=text", "--max_in_flight=99"]
    transport = f"--grpc_transport={request.param}"
    with ServerProcess([*flags[1], transport]) as first, ServerProcess(flags[2]) as second:
        yield Pair(first, second)


BOTH = pytest.mark.parametrize("pair", ["native", "grpcio"], indirect=True)
NATIVE = pytest.mark.parametrize("pair", ["native"], indirect=True)


def wait(client: Client, milliseconds: float = 0.0) -> int:
    """A prediction that takes so long; gives the version that answered."""
    return client.predict("m", {"ms": np.array([milliseconds], np.float32)}, signature="wait").version


def until_both_answer(client: Client) -> Counter[int]:
    """The connections open one after the other: only then calls go to both. Gives who answered how many."""
    answered: list[int] = []

    def turns() -> bool:
        answered.extend((wait(client), wait(client)))
        return set(answered[-2:]) == {1, 2}

    wait_until("both servers answer", turns)
    return Counter(answered)


@NATIVE
def test_turns(pair: Pair) -> None:
    """Each server answers every other call; a target of several addresses is as good as a list."""
    for address in (pair.addresses, "ipv4:" + ",".join(pair.addresses)):
        with Client(address) as client:
            until_both_answer(client)
            assert Counter(wait(client) for _ in range(20)) == {1: 10, 2: 10}

    before = [points(each)[COUNT] for each in pair]
    run("bench", "m", "--server", ",".join(pair.addresses), "--requests", "9", "--concurrency", "3")
    assert min(points(each)[COUNT] - count for each, count in zip(pair, before, strict=True)) >= 2

    async def main() -> Counter[int]:
        async with AsyncClient(pair.addresses) as client:

            async def answered() -> int:
                given = {"ms": np.array([0.0], np.float32)}
                return (await client.predict("m", given, signature="wait")).version

            while {await answered(), await answered()} != {1, 2}:
                pass
            return Counter([await answered() for _ in range(20)])

    assert asyncio.run(main()) == {1: 10, 2: 10}


@BOTH
def test_a_server_that_drains(pair: Pair) -> None:
    """Every call is answered, and each by one of them, while the other ends as ``docker stop`` has it."""
    over = threading.Event()

    def go_on(client: Client, found: list[int]) -> None:
        while not over.is_set():
            found.append(wait(client, 5.0))

    found: list[list[int]] = [[] for _ in range(4)]
    with Client(pair.addresses) as client:
        answered = until_both_answer(client)
        threads = [threading.Thread(target=go_on, args=(client, each)) for each in found]
        for thread in threads:
            thread.start()
        wait_until("both have answered some", lambda: all({1, 2} <= set(each) for each in found))
        pair.first.terminate()
        pair.first.wait()
        so_far = sum(map(len, found))
        wait_until("the other has answered more", lambda: sum(map(len, found)) >= so_far + 20)
        over.set()
        for thread in threads:
            thread.join()
    answered.update(version for each in found for version in each)
    assert lines(pair.first) == answered[1]
    assert points(pair.second)[COUNT] == answered[2]


def lines(server: ServerProcess) -> int:
    """The predictions in its access log."""
    return sum(1 for line in server.output if LINE.search(line))


@NATIVE
def test_a_server_that_is_killed(pair: Pair) -> None:
    """Calls that it had begun are lost, and not made again by the other; all that follow are answered."""
    with Client(pair.addresses) as client:
        until_both_answer(client)
        before = points(pair.second)[COUNT]
        given = {"ms": np.array([1000.0], np.float32)}
        futures = [client.predict_future("m", given, signature="wait") for _ in range(4)]
        wait_until("the first has begun its calls", lambda: in_flight(pair.first) == 2)
        pair.first.kill()
        outcomes = Counter(outcome(each) for each in futures)
        assert outcomes == {"UNAVAILABLE": 2, "version 2": 2}
        assert [wait(client) for _ in range(10)] == [2] * 10
    assert points(pair.second)[COUNT] - before == 12


def outcome(future: Any) -> str:
    try:
        return f"version {future.result(60).version}"
    except ServingError as error:
        return str(error.code.name)


def in_flight(server: ServerProcess) -> float:
    """The requests that it has begun and not answered."""
    return sum(value for name, value in points(server).items() if name.startswith(":serving:requests_in_flight{"))


def test_nobody_of_several() -> None:
    """The error names all of them."""
    with Client(["localhost:1", "localhost:2"]) as client, pytest.raises(ServingError) as raised:
        client.predict("m", ONE)
    assert "No server answers at localhost:1,localhost:2; " in raised.value.hint


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_names_of_no_machine(kind: Any) -> None:
    """The call says so, and a later one looks again."""
    addresses = ["a.invalid:1", "b.invalid:1"]

    async def with_asyncio() -> Any:
        async with AsyncClient(addresses) as client:
            return await client.predict("m", ONE)

    with Client(addresses) as client, pytest.raises(ServingError, match=r"UNAVAILABLE: .* for a\.invalid:1,") as raised:
        client.predict("m", ONE) if kind is Client else asyncio.run(with_asyncio())
    assert raised.value.asked == "Predict of model 'm'"


def test_certificates_of_several(models: Path, tmp_path: Path) -> None:
    """They have the name of the first address."""
    authority = Authority("ours")
    identity = authority.identity()
    config = write_config(tmp_path / "config", key=identity.key, certificate=identity.certificate)
    flags = ("--model_name=m", f"--model_base_path={models / 'half_plus_three'}", f"--ssl_config_file={config}")
    credentials = grpc.ssl_channel_credentials(authority.certificate)
    with ServerProcess(flags) as one, ServerProcess(flags) as two:
        ports = [int(one.grpc_port), int(two.grpc_port)]
        with Client([f"localhost:{port}" for port in ports], credentials=credentials) as client:
            assert client.predict("m", ONE)["y"].tolist() == [3.5]
        with (
            Client([f"127.0.0.1:{port}" for port in ports], credentials=credentials) as client,
            pytest.raises(ServingError, match="TLS handshake"),
        ):
            client.predict("m", ONE)
