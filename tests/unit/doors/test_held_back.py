"""Answers that are kept back and given to the native front later; the front is a few lines."""

from typing import cast

import pytest
from pygrpc_native import NativeGrpcFront

from serving.rpc.transports.held_back import HeldBack


class Front:
    """Remembers what it was given."""

    def __init__(self) -> None:
        self.given: list[tuple[object, ...]] = []

    def respond(self, *answer: object) -> None:
        """An answer."""
        self.given.append(answer)

    fail = respond


@pytest.fixture
def front() -> Front:
    return Front()


def test_answers_are_kept_and_then_given_in_order(front: Front) -> None:
    """And what comes from somebody who still has this in place of the front is given at once."""
    held = HeldBack(cast("NativeGrpcFront", front))
    held.respond(1, b"one")
    held.fail(2, 13, "two")
    assert front.given == []
    held.release()
    assert front.given == [(1, b"one"), (2, 13, "two", None)]
    held.respond(3, b"three")
    assert front.given[2:] == [(3, b"three")]
