"""A connection on the lane as it begins, stands and ends: its state, its timer, its side of the transport.

Nothing here reads what arrives, nor knows what is answered; ``lane.py`` does.
"""

import asyncio
from typing import cast

from serving.rest import errors
from serving.rest.answer import wire
from serving.rest.connection.bounds import Bounds
from serving.rest.connection.half_closed import HalfClosed, can_be_half_closed
from serving.rest.connection.heads import Head
from serving.rest.connection.held import Held
from serving.rest.connection.lane_states import BUSY, OWING, TRANSITIONS, Event, State
from serving.rest.connection.traffic import LINGER_SECONDS, Traffic, has_arrived
from serving.rest.connection.transport import names_of, peer_of, report_unsent

_READING, _CLOSED = State.READING, State.CLOSED  # as in ``lane.py``


class LaneConnection(asyncio.Protocol):
    """What ``Lane`` is whatever arrives; ``traffic`` counts what is under way across loop turns.

    ``state`` says what is waited for, by the table in ``lane_states``.
    """

    # A base of ``Lane`` alone, and not an object that it has: that would cost every answer one more call.
    __slots__ = (
        "_awaited",
        "_ended",
        "_expires_at",
        "_half_closed",
        "_held",
        "_loop",
        "_peer",
        "_pieces",
        "_timer",
        "_traffic",
        "_transport",
        "_unsent",
        "state",
    )
    _transport: asyncio.Transport
    _timer: asyncio.TimerHandle

    def __init__(self, loop: asyncio.AbstractEventLoop, traffic: Traffic) -> None:
        self.state = _READING
        self._loop, self._traffic = loop, traffic
        self._peer: str | None = None
        self._held = Held()  # arrived, but not answered yet
        self._pieces = 0  # of the head that is awaited
        self._awaited: asyncio.Future[bytes] | None = None
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

    def shown(self) -> tuple[str, ...]:
        """The names in the client's certificate."""
        return names_of(self._transport)

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
        self._traffic.unsent.replace(before, size)

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
        return self.state is State.BODY and seconds > bounds.body_seconds(self._held.size)

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

    def _bounded(self, data: bytes, head: Head, *, keep_alive: bool) -> bytes:
        """An answer to ``head``, or an error in place of a large one."""
        refusal = self._traffic.refusal(len(data))
        return data if refusal is None else wire(refusal, keep_alive=keep_alive, old_protocol=head.old_protocol)

    def _is_last(self, *, behind: bool) -> bool:
        """Whether a request is the last one of a connection that is about to end; not if something is behind it."""
        return not (behind or (not self._ended and has_arrived(self._transport)))

    def _finish(self, head: Head, answers: list[bytes]) -> None:
        """Write the last answers, and end the connection."""
        answers[-1] = self._bounded(answers[-1], head, keep_alive=False)
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
