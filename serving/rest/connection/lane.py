"""The lane: small plain requests are read where their bytes arrive and answered on the transport.

A connection stays here while all it has sent are such requests; the first thing that is anything else takes it, bytes
and all, to aiohttp's road, for good. Answers are the same on both, and so are limits, metrics and timeouts.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import cast

from serving.inference.context import RequestContext
from serving.inference.unsent import LARGE_BYTES
from serving.rest import errors
from serving.rest.answer import Answer, wire
from serving.rest.app import RestApp
from serving.rest.connection.bounds import Bounds
from serving.rest.connection.half_closed import HalfClosed, can_be_half_closed
from serving.rest.connection.heads import BLANK_LINE, Head, Heads, may_become_plain
from serving.rest.connection.lane_states import BUSY, GATHERING, OWING, TRANSITIONS, Event, State
from serving.rest.connection.road import Road, peer_of, report_unsent
from serving.rest.connection.traffic import LINGER_SECONDS, MOST_DROPPED, Traffic, has_arrived

_BURST = 32
"""Requests of one connection that are answered before others have their turn."""

_MOST_UNSENT = LARGE_BYTES
"""Bytes of answers that are put together before they are written; one that is large is always the last of them."""

_MOST_HELD = 2**18
"""Bytes that may have arrived behind a request that is still to be answered; then the client has to wait."""

_MOST_PIECES = 8
"""How many pieces a head may come in; each is looked at from its beginning."""

# What most requests need; in Python 3.11 it takes an Enum ten times as long to find a member as a module.
_READING, _CLOSED = State.READING, State.CLOSED
_PART_OF_BODY, _MORE, _AWAIT, _SETTLED = Event.PART_OF_BODY, Event.MORE, Event.AWAIT, Event.SETTLED


class Lane(asyncio.Protocol):
    """One connection. ``app`` answers, ``heads`` reads, ``traffic`` counts what is under way across loop turns.

    ``road`` makes what takes over; ``state`` says what is waited for, by the table in ``lane_states``.
    """

    __slots__ = (
        "_app",
        "_awaited",
        "_context",
        "_ended",
        "_expires_at",
        "_half_closed",
        "_head",
        "_heads",
        "_held",
        "_loop",
        "_peer",
        "_pieces",
        "_road",
        "_timer",
        "_traffic",
        "_transport",
        "_unsent",
        "_wanted",
        "state",
    )
    _transport: asyncio.Transport
    _timer: asyncio.TimerHandle
    _context: RequestContext  # of the requests with the head ``_head``

    def __init__(
        self, loop: asyncio.AbstractEventLoop, app: RestApp, heads: Heads, traffic: Traffic, road: Callable[[], Road]
    ) -> None:
        self.state = _READING
        self._loop = loop
        self._app = app
        self._heads = heads
        self._traffic = traffic
        self._road = road
        self._peer: str | None = None
        self._held = bytearray()  # arrived, but not answered yet
        self._wanted = 0  # the size of the request that ``_held`` is the beginning of, once known; dropped in the end
        self._pieces = 0  # of a head
        self._awaited: asyncio.Future[bytes] | None = None
        self._head: Head | None = None
        self._expires_at = 0.0
        self._unsent = 0  # bytes that are counted as such
        self._ended = False  # the client has said all
        self._half_closed: HalfClosed | None = None

    @property
    def peer(self) -> str:
        """The client's address; empty if it has none."""
        if self._peer is None:
            self._peer = peer_of(self._transport)
        return self._peer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to read."""
        self._transport = cast("asyncio.Transport", transport)
        report_unsent(self._transport)
        traffic = self._traffic
        self._expires_at = self._loop.time() + traffic.begin_seconds
        self._timer = self._loop.call_at(self._expires_at, self._expire)
        if not traffic.takes(self, self.peer if traffic.bounds.max_connections_per_peer else ""):
            self._refuse(429)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Give up what is awaited: nobody is there to take it."""
        self.stop()
        self._traffic.left(self)
        self._count_unsent(0)
        if self._half_closed is not None:
            self._half_closed.cancel()

    def eof_received(self) -> bool:
        """The client has said all; whether the connection stays open, for its answers."""
        if self._ended or self.state not in OWING or not can_be_half_closed(self._transport):
            return self._ended
        self._ended = True
        if self.state is State.AWAITING:
            self._half_closed = HalfClosed(self._loop, self._transport)
        return True

    def pause_writing(self) -> None:
        """The client does not take what was written."""
        self.take(Event.PAUSED)
        self._count_unsent(self._transport.get_write_buffer_size())

    def _count_unsent(self, size: int) -> None:
        before, self._unsent = self._unsent, size
        if size:
            self._traffic.unsent.count(size)
        if before:
            self._traffic.unsent.remove(before)

    def resume_writing(self) -> None:
        """The client has taken everything."""
        self._count_unsent(0)
        self._go_on(Event.TAKEN)

    def data_received(self, data: bytes) -> None:
        """Answer the requests in ``data``, as far as they are complete and plain, in their order; hold the rest."""
        if self.state is not _READING:
            self._hold(data)
            return
        app, known, ending = self._app, self._heads.known, self._ended or self._traffic.draining
        answers: list[bytes] = []
        unsent = start = 0
        while start < len(data):
            blank_line = data.find(BLANK_LINE, start)
            if blank_line < 0:
                self._gather_head(answers, data[start:])
                return
            begin = blank_line + len(BLANK_LINE)
            head = known.get(data[start:begin]) or self._heads.read(data[start:begin])
            if head is None:
                self._leave(answers, data[start:])
                return
            end = begin + head.length
            if end > len(data):
                self._wait(_PART_OF_BODY, answers, data[start:])
                self._wanted = end - start
                return
            if head is not self._head:
                self._head, self._context = head, app.context(self.peer, head.headers)
            try:
                if not app.opened:
                    raise app.not_open(head.endpoint.model)
                body = app.begin(head.endpoint.call(data[begin:end], self._context))
                if isinstance(body, asyncio.Future):
                    self._wait(_AWAIT, answers, data[end:])
                    self._awaited = body
                    body.add_done_callback(partial(self._answered, head))
                    return
                answer = Answer(200, body, head.endpoint.content_type, app.headers)
            except Exception as error:  # noqa: BLE001 - the door's net, as for the road
                answer = app.failed(error, "POST", head.path)
            start = end
            keep_alive = head.keep_alive and not (ending and self._is_last(behind=start < len(data)))
            answers.append(wire(answer, keep_alive=keep_alive))
            if not keep_alive:
                self._finish(head, answers)
                return
            unsent += len(answers[-1])
            if len(answers) >= _BURST or unsent >= _MOST_UNSENT:
                self._defer(answers, data[start:])
                return
        self._send(answers)

    def stop(self) -> None:
        """End the connection. Answers that were written still leave; what the client sent behind them is not read."""
        self.take(Event.CLOSE)
        self._timer.cancel()
        self._held.clear()
        if self._awaited is not None:
            self._awaited.cancel()
        self._transport.close()

    def is_late(self, seconds: float, bounds: Bounds) -> bool:
        """Whether the request that it gathers should have come to its end; ``seconds`` ago the part of it began."""
        if self.state is State.HEAD:
            return seconds > bounds.head_seconds()
        return self.state is State.BODY and seconds > bounds.body_seconds(len(self._held))

    def time_out(self) -> None:
        """Say so, and end it."""
        self._refuse(408)

    def _refuse(self, status: int) -> None:
        """Answer with a page, which ends the connection."""
        self._send([wire(errors.page(status), keep_alive=False)])
        self._linger()

    def end_if_idle(self) -> None:
        """End it if it has no request, nor one that has just arrived."""
        if self.state is _READING and not has_arrived(self._transport):
            self._linger()

    def take(self, event: Event) -> State:
        """Move to the next state, and let a drain wait for this connection, or no longer."""
        before = self.state
        self.state = after = TRANSITIONS[before, event]
        if after not in BUSY:
            if before in BUSY:
                self._traffic.ended()
        elif before not in BUSY:
            self._traffic.began()
        return after

    def _send(self, answers: list[bytes]) -> None:
        """Write what was answered; the transport says if the client does not take it all."""
        transport = self._transport
        if answers and not transport.is_closing():
            self._expires_at = self._loop.time() + self._traffic.idle_seconds
            self._pieces = 0
            transport.write(answers[0] if len(answers) == 1 else b"".join(answers))

    def _wait(self, event: Event, answers: list[bytes], rest: bytes) -> State:
        """Write the answers; ``rest`` has to wait, and ``event`` says for what."""
        if answers:
            self._send(answers)
        self._held += rest
        after = self.take(event)
        if after in GATHERING:
            self._traffic.gathers(self)
        return after

    def _gather_head(self, answers: list[bytes], rest: bytes) -> None:
        """``rest`` is a head without its end."""
        if self._pieces < _MOST_PIECES and may_become_plain(rest):
            self._wait(Event.PART_OF_HEAD, answers, rest)
            self._pieces += 1
        else:
            self._leave(answers, rest)

    def _defer(self, answers: list[bytes], rest: bytes) -> None:
        answers[-1] = self._bounded(answers[-1], keep_alive=True)
        if self._wait(Event.DEFER, answers, rest) is State.DEFERRED:
            self._loop.call_soon(self._go_on, Event.TURN)

    def _bounded(self, data: bytes, *, keep_alive: bool) -> bytes:
        """An answer, or an error in place of a large one."""
        refusal = self._traffic.refusal(len(data))
        return data if refusal is None else wire(refusal, keep_alive=keep_alive)

    def _is_last(self, *, behind: bool) -> bool:
        """Whether a request is the last one of a connection that is about to end; not if something is behind it."""
        return not (behind or (not self._ended and has_arrived(self._transport)))

    def _finish(self, head: Head, answers: list[bytes]) -> None:
        """Write the last answers, and end the connection."""
        answers[-1] = self._bounded(answers[-1], keep_alive=False)
        self._send(answers)
        if head.keep_alive and not self._ended:
            self._linger()  # the client does not expect the end
        else:
            self.stop()

    def _linger(self) -> None:
        """End this side, and wait for the client to do so."""
        if not self._transport.can_write_eof() or self._transport.is_closing():
            self.stop()
            return
        self.take(Event.CLOSE)
        self._timer.cancel()
        self._held.clear()
        self._transport.write_eof()
        self._timer = self._loop.call_later(LINGER_SECONDS, self._transport.close)

    def _answered(self, head: Head, reply: "asyncio.Future[bytes]") -> None:
        self._awaited = None
        if reply.cancelled():  # the client has gone, or the threads have been shut down
            self.stop()
            return
        try:
            answer = Answer(200, reply.result(), head.endpoint.content_type, self._app.headers)
        except Exception as error:  # noqa: BLE001 - as above
            answer = self._app.failed(error, "POST", head.path)
        ending = self._ended or self._traffic.draining
        keep_alive = head.keep_alive and not (ending and self._is_last(behind=bool(self._held)))
        data = self._bounded(wire(answer, keep_alive=keep_alive), keep_alive=keep_alive)
        if self._half_closed is not None:
            data = self._half_closed.rest_of(data)
        if keep_alive:
            self._send([data])
            self._go_on(_SETTLED)
        else:
            self._finish(head, [data])

    def _leave(self, answers: list[bytes], rest: bytes) -> None:
        """Take ``rest``, and all that comes, to the road; but not before every answer so far has been sent."""
        self._send(answers)
        if self._transport.is_closing():  # a road cannot be made on a socket that may be gone
            self.stop()
        elif self.take(Event.LEAVE) is State.LEFT:
            self._timer.cancel()
            road = self._road()
            self._traffic.passes(self, road)
            road.take_over(self._transport, rest, self._expires_at, ended=self._ended)
        else:
            self._held += rest

    def _hold(self, data: bytes) -> None:
        """Keep what arrives behind a request that is not complete, or not answered."""
        state, held = self.state, self._held
        if state is _CLOSED:
            self._wanted += len(data)
            if self._wanted > MOST_DROPPED:
                self._transport.abort()
            return
        held += data
        if state in GATHERING:
            if len(held) >= self._wanted:
                self._traffic.has_gathered(self)
                self._go_on(_MORE)
        elif len(held) > _MOST_HELD:
            self._transport.pause_reading()

    def _go_on(self, event: Event) -> None:
        """Look at what is held, unless there is still something to wait for after ``event``."""
        if self.take(event) is _READING:
            held = bytes(self._held)
            self._held.clear()
            self._wanted = 0
            if len(held) > _MOST_HELD:
                self._transport.resume_reading()  # if it was paused
            self.data_received(held)
            if self._ended and self.state not in OWING and self.state is not State.LEFT:
                self.stop()  # what else there is of a request will never be all of it

    def _expire(self) -> None:
        """The time of the answer that was the last one when the timer was set is over."""
        now = self._loop.time()
        if now >= self._expires_at:
            timed = self.state is State.HEAD and self._traffic.begin_seconds < self._traffic.idle_seconds
            if not timed and self.take(Event.EXPIRED) is _CLOSED:
                self.stop()
                return
            self._expires_at = now + self._traffic.idle_seconds
        self._timer = self._loop.call_at(self._expires_at, self._expire)
