"""Answers that the native front is to get later."""

import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol

from serving.inference.accounts import Metadata


class Answers(Protocol):
    """What takes the answers of calls: the front, or what keeps records of them."""

    def respond(self, call_id: int, payload: bytes, /) -> bool | None:
        """The call succeeds; False if it is not there any more, None if that is not known yet."""
        ...

    def fail(self, call_id: int, code: int, message: str, trailing_metadata: Metadata | None = None, /) -> object:
        """The call fails."""
        ...


class HeldBack:
    """In place of the front for a moment. Thread-safe."""

    def __init__(self, front: Answers) -> None:
        self._front = front
        self._lock = threading.Lock()
        self._kept: deque[Callable[[], object]] | None = deque()

    def respond(self, call: int, payload: bytes) -> None:
        """As the front's."""
        self._keep(lambda: self._front.respond(call, payload))

    def fail(self, call: int, code: int, message: str, trailing_metadata: Metadata | None = None) -> None:
        """As the front's."""
        self._keep(lambda: self._front.fail(call, code, message, trailing_metadata))

    def release(self) -> None:
        """Give the front all that was kept; what comes after that it gets at once."""
        with self._lock:
            kept, self._kept = self._kept, None
        for send in kept or ():
            send()

    def _keep(self, send: Callable[[], object]) -> None:
        with self._lock:
            if self._kept is not None:
                self._kept.append(send)
                return
        send()
