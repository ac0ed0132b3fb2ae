"""Several clients of one door at a time, and requests of a size that must not disturb the others."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.server.doors.clients import Client, Target, floats, text

CLIENTS = 8
REQUESTS = 50
SLOW_MILLISECONDS = 1500
FAST_ANSWERS = 20
HUGE_BYTES = 100_000_000

HALF_PLUS_THREE = Target(model="half_plus_three")


def test_each_client_gets_its_own_answers(connect: Callable[[], Client]) -> None:
    """No answer is lost or goes to another client, whatever arrives at the same time."""

    def ask(number: int) -> list[float]:
        client = connect()
        inputs = [1000 * number + turn for turn in range(REQUESTS)]
        return [client.predict(HALF_PLUS_THREE, {"x": floats(value)})["y"][0] for value in inputs]

    with ThreadPoolExecutor(CLIENTS) as clients:
        answers = list(clients.map(ask, range(CLIENTS)))
    assert answers == [[(1000 * number + turn) / 2 + 3 for turn in range(REQUESTS)] for number in range(CLIENTS)]


def test_slow_call_delays_no_other(connect: Callable[[], Client]) -> None:
    """While one call is computed, status and fast calls of the same door are answered, many times over."""
    client = connect()
    slow_input = {"ms": floats(SLOW_MILLISECONDS)}
    answered = 0
    with ThreadPoolExecutor(1) as other:
        slow = other.submit(connect().predict, Target(model="slow", signature="wait"), slow_input)
        while not slow.done():
            assert client.status(Target(model="slow")) == [(1, "AVAILABLE")]
            assert client.predict(HALF_PLUS_THREE, {"x": floats(1)})["y"].tolist() == [3.5]
            answered += 1
    assert slow.result()["y"].tolist() == [SLOW_MILLISECONDS]
    assert answered > FAST_ANSWERS


@pytest.mark.parametrize("signature", [pytest.param("length", id="request"), pytest.param("bytes", id="and response")])
def test_hundred_megabytes(client: Client, signature: str) -> None:
    """A string of 100 MB arrives whole, and comes back whole."""
    huge = b"0123456789abcdef" * (HUGE_BYTES // 16)
    name, expected = {"length": ("s_bytes", len(huge)), "bytes": ("s", huge)}[signature]
    (output,) = client.predict(Target(model="strings", signature=signature), {name: text(huge)}).values()
    assert output.tolist() == [expected]
