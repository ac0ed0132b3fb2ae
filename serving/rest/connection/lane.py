"""The lane: small plain requests are read where their bytes arrive and answered on the transport.

A connection stays here while all it has sent are such requests; the first thing that is anything else takes it, bytes
and all, to aiohttp's road, for good. Answers are the same on both, and so are limits, metrics and timeouts.
"""

import asyncio
from functools import partial
from typing import Any

from serving.rest.answer import Answer, wire
from serving.rest.app import RestApp
from serving.rest.connection.heads import BLANK_LINE, Head, Heads, may_become_plain
from serving.rest.connection.road import Road
from serving.rest.connection.traffic import Traffic

_BURST = 32
"""Requests of one connection that are answered before others have their turn."""

_MOST_UNSENT = 2**16
"""Bytes of answers that are put together before they are written."""

_MOST_HELD = 2**18
"""Bytes that may have arrived behind a request that is still to be answered; then the client has to wait."""

_MOST_PIECES = 8
"""How many pieces a head may come in; each is looked at from its beginning."""


class Lane(Road):
    """One connection. ``app`` answers, ``heads`` reads, ``traffic`` counts what is under way across loop turns."""

    __slots__ = (
        "_app",
        "_awaited",
        "_busy",
        "_deferred",
        "_free",
        "_heads",
        "_held",
        "_left",
        "_pieces",
        "_stopped",
        "_traffic",
        "_wanted",
    )

    def __init__(self, server: Any, app: RestApp, heads: Heads, traffic: Traffic, **options: Any) -> None:
        super().__init__(server, **options)
        self._app = app
        self._heads = heads
        self._traffic = traffic
        self._free = True  # on the lane, with nothing held, awaited or unsent
        self._left = False  # for the road
        self._busy = False  # counted by ``traffic``
        self._held = bytearray()  # arrived, but not answered yet
        self._wanted = 0  # the size of the request that ``_held`` is the beginning of, once that is known
        self._pieces = 0  # of a head
        self._awaited: asyncio.Future[bytes] | None = None
        self._deferred = False  # until others had their turn
        self._stopped = False  # reading, for too much is held

    def data_received(self, data: bytes) -> None:
        """Answer what can be answered at once, keep or hand over the rest."""
        if self._left:
            super().data_received(data)
        elif self._close or self._force_close:
            return
        elif self._free:
            self._serve(data)
        else:
            self._hold(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Give up what is awaited: nobody is there to take it."""
        awaited, self._awaited = self._awaited, None
        if awaited is not None:
            awaited.cancel()
        self._free = False
        self._held.clear()
        super().connection_lost(exc)
        self._count(busy=False)

    def resume_writing(self) -> None:
        """The client has taken everything."""
        super().resume_writing()
        if not self._left:
            self._go_on()

    def _process_keepalive(self) -> None:
        if self._busy:  # the time begins when the answer has been given
            self._keepalive_handle = self._loop.call_later(self._keepalive_timeout, self._process_keepalive)
        else:
            super()._process_keepalive()

    def _serve(self, data: bytes) -> None:
        """Answer the requests in ``data``, as far as they are complete and plain, in their order."""
        app, known, draining = self._app, self._heads.known, self._traffic.draining
        answers: list[bytes] = []
        unsent = start = 0
        while start < len(data):
            blank_line = data.find(BLANK_LINE, start)
            if blank_line < 0:
                self._gather_head(answers, data[start:])
                return
            body = blank_line + len(BLANK_LINE)
            head = known.get(data[start:body]) or self._heads.read(data[start:body])
            if head is None:
                self._leave(answers, data[start:])
                return
            end = body + head.length
            if end > len(data):
                self._gather_body(answers, data[start:], end - start)
                return
            reply = app.small(head.path, head.route, data[body:end])
            start = end
            if not isinstance(reply, Answer):
                self._await(answers, data[start:], reply, head)
                return
            keep_alive = head.keep_alive and not draining
            answers.append(wire(reply, keep_alive=keep_alive))
            if not keep_alive:
                self._finish(answers)
                return
            unsent += len(answers[-1])
            if len(answers) >= _BURST or unsent >= _MOST_UNSENT:
                self._defer(answers, data[start:])
                return
        self._send(answers)

    def _send(self, answers: list[bytes]) -> None:
        """Write what was answered; while the client does not take it all, nothing more is answered."""
        transport = self.transport
        if not answers or transport is None or transport.is_closing():
            return
        transport.write(answers[0] if len(answers) == 1 else b"".join(answers))
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        self._pieces = 0
        if self._paused:
            self._hold_back(b"", busy=True)

    def _finish(self, answers: list[bytes]) -> None:
        """Write the last answers and close; what the client sent behind them is not read."""
        self._send(answers)
        self._free = False
        self._held.clear()
        self.force_close()

    def _gather_head(self, answers: list[bytes], rest: bytes) -> None:
        """``rest`` is a head without its end."""
        if self._pieces < _MOST_PIECES and may_become_plain(rest):
            self._send(answers)
            self._pieces += 1
            self._hold_back(rest, busy=self._paused)
        else:
            self._leave(answers, rest)

    def _gather_body(self, answers: list[bytes], rest: bytes, wanted: int) -> None:
        """``rest`` is a plain head and the beginning of its body; the request is ``wanted`` bytes long."""
        self._send(answers)
        self._wanted = wanted
        self._hold_back(rest, busy=True)

    def _defer(self, answers: list[bytes], rest: bytes) -> None:
        """Go on with ``rest`` when other connections have had their turn."""
        self._send(answers)
        self._deferred = True
        self._hold_back(rest, busy=True)
        self._loop.call_soon(self._undefer)

    def _undefer(self) -> None:
        self._deferred = False
        self._go_on()

    def _await(self, answers: list[bytes], rest: bytes, reply: "asyncio.Future[bytes]", head: Head) -> None:
        """Go on with ``rest`` when ``reply`` is there."""
        self._send(answers)
        self._awaited = reply
        self._hold_back(rest, busy=True)
        reply.add_done_callback(partial(self._answered, head))

    def _answered(self, head: Head, reply: "asyncio.Future[bytes]") -> None:
        self._awaited = None
        if reply.cancelled():  # the client has gone, or the threads have been shut down
            self.force_close()
            return
        answer = self._app.settled(head.path, reply)
        if head.keep_alive and not self._traffic.draining:
            self._send([wire(answer, keep_alive=True)])
            self._go_on()
        else:
            self._finish([wire(answer, keep_alive=False)])

    def _leave(self, answers: list[bytes], rest: bytes) -> None:
        """Take ``rest``, and all that comes, to the road; but not before every answer so far has been sent."""
        self._send(answers)
        if self._paused:
            self._hold_back(rest, busy=True)
            return
        self._left = True
        self._hold_back(b"", busy=False)
        super().data_received(rest)

    def _hold_back(self, rest: bytes, *, busy: bool) -> None:
        self._free = False
        self._held += rest
        self._count(busy=busy)

    def _hold(self, data: bytes) -> None:
        """Keep what arrives behind a request that is not complete, or not answered."""
        self._held += data
        if self._awaited is None and not self._deferred and not self._paused:
            if len(self._held) >= self._wanted:
                self._go_on()
        elif len(self._held) > _MOST_HELD and self.transport is not None and not self._stopped:
            self._stopped = True
            self.transport.pause_reading()

    def _go_on(self) -> None:
        """Go on with what is held, unless there is something left to wait for."""
        if self._awaited is not None or self._deferred or self._paused or self.transport is None:
            return
        if self._stopped:
            self._stopped = False
            self.transport.resume_reading()
        held = bytes(self._held)
        self._held.clear()
        self._wanted = 0
        self._free = True
        self._serve(held)
        if self._free:
            self._count(busy=False)

    def _count(self, *, busy: bool) -> None:
        """Let a drain wait for this connection, or no longer."""
        if busy and not self._busy:
            self._traffic.began()
        elif self._busy and not busy:
            self._traffic.ended()
        self._busy = busy
