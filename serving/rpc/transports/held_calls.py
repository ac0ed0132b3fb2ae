"""Calls of the native front that wait while as many run as may; each waits in its turn, and not for ever."""

import time
from collections.abc import Callable
from typing import NamedTuple

from serving.errors import ServingError
from serving.inference.call import Call
from serving.inference.long_call import LongCall
from serving.rpc.running import RunningCalls, abandoned, refused

Start = Callable[[int, int, Call | LongCall, bool], None]
"""Starts a call of a method; the last says that it is short, and otherwise it has been counted in."""

Fail = Callable[[int, int, ServingError], None]
"""Answers a call of a method with an error."""


class _Held(NamedTuple):
    """A call that waits for its turn, ``until`` when by the monotonic clock."""

    method: int
    reply: Call | LongCall
    until: float


class HeldCalls:
    """``running`` counts those that run. Used by the thread that takes calls alone."""

    def __init__(self, running: RunningCalls, start: Start, fail: Fail) -> None:
        self._running = running
        self._start = start
        self._fail = fail
        self.calls: dict[int, _Held] = {}
        """Those that wait; looked at with every batch of events, so no method."""

    def hold(self, call: int, method: int, reply: Call | LongCall) -> None:
        """Let a call wait behind those that do."""
        self.calls[call] = _Held(method, reply, time.monotonic() + self._running.hold_seconds)

    def give_up(self, call: int) -> None:
        """The client of a call has gone, if it waits here."""
        held = self.calls.pop(call, None)
        if held is not None:
            abandoned(held.reply)

    def look(self, now: float) -> None:
        """Start what is held, in its order and as far as there is room; refuse what was held for long enough."""
        while self.calls:
            call, (method, reply, until) = next(iter(self.calls.items()))
            short = isinstance(reply, Call) and reply.inline
            begun = not short and self._running.has_begun(reply)
            if not short and not begun and now < until:
                return
            del self.calls[call]
            if short or begun:
                self._start(call, method, reply, short)
            else:
                self._fail(call, method, refused(reply))

    def refuse_all(self) -> None:
        """The front is closed: there is nobody to answer, but versions to let go of."""
        for held in self.calls.values():
            refused(held.reply)
        self.calls.clear()
