"""Threads for the calls of models: short ones do not wait for long ones."""

import threading
from collections.abc import Iterator

import pytest

from serving.servables.threads import ModelThreads

TIMEOUT_SECONDS = 30


@pytest.fixture
def threads() -> Iterator[ModelThreads]:
    made = ModelThreads(1)
    yield made
    made.shutdown()


def test_short_calls_do_not_wait_for_long_ones(threads: ModelThreads) -> None:
    """While every other thread is taken a short call is made."""
    gate = threading.Event()
    long = threads.submit(gate.wait, TIMEOUT_SECONDS)
    assert threads.short.submit(lambda: "made").result(TIMEOUT_SECONDS) == "made"
    assert not long.done()
    gate.set()
    assert long.result(TIMEOUT_SECONDS)


def test_shutdown_ends_both() -> None:
    """Neither takes a call any more."""
    made = ModelThreads(1)
    made.shutdown()
    for executor in (made, made.short):
        with pytest.raises(RuntimeError, match="shutdown"):
            executor.submit(int)
