"""What goes through a grpcio server: calls are counted, and their answers kept back while the server says goodbye."""

import threading
import time
from collections.abc import Callable
from typing import Any

from serving.errors import ServingError
from serving.inference.unsent import LARGE_BYTES, UnsentBytes
from serving.rpc import errors
from serving.rpc.handler import fail

Behaviour = Callable[[bytes, Any], bytes]
"""Answers a call, given its context."""

_SETTLED_SECONDS = 0.1
"""Without a new call, after which none is expected from clients whose answers are held back."""


class Gate:
    """What goes through the server: counts calls, and keeps their threads back, with their answers, for a moment.

    ``busy`` says whether a stream is at a request; streams do not come this way.
    """

    def __init__(self, unsent: UnsentBytes, busy: Callable[[], bool] = lambda: False) -> None:
        self._unsent = unsent
        self._busy = busy
        self._open = threading.Event()
        self._open.set()
        self._lock = threading.Lock()
        self._begun = self._ended = 0

    def __call__(self, answer: Behaviour) -> Behaviour:
        """``answer`` through the gate."""

        def gated(payload: bytes, context: Any) -> bytes:
            with self._lock:
                self._begun += 1
            try:
                reply = answer(payload, context)
                if len(reply) > LARGE_BYTES:
                    reply = self._counted(reply, context)
                self._open.wait()
                return reply
            finally:
                with self._lock:
                    self._ended += 1

        return gated

    def _counted(self, reply: bytes, context: Any) -> bytes:
        """A large answer, which counts until its call is over; a refusal if there are too many."""
        size = len(reply)
        try:
            self._unsent.add(size)
        except ServingError as error:
            return fail(context, errors.status(error))
        if not context.add_callback(lambda: self._unsent.remove(size)):
            self._unsent.remove(size)
        return reply

    def hold(self) -> None:
        """Keep answers back from now on."""
        self._open.clear()

    def release(self) -> None:
        """Let all through."""
        self._open.set()

    def ended(self) -> bool:
        """Whether every call that Python was given was answered, and every request in a stream."""
        with self._lock:
            return self._begun == self._ended and not self._busy()

    def settle(self, seconds: float) -> None:
        """Hold, and wait until no call has come for a moment, or for ``seconds``."""
        self.hold()
        deadline, begun, pause = time.monotonic() + seconds, -1, threading.Event()
        while self._begun != begun and time.monotonic() < deadline:
            begun = self._begun
            pause.wait(_SETTLED_SECONDS)
