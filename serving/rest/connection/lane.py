"""The lane: small plain requests are read where their bytes arrive and answered on the transport.

A connection stays here while all it has sent are such requests; the first thing that is anything else takes it, bytes
and all, to aiohttp's road, for good. Answers are the same on both, and so are limits, metrics and timeouts.
"""

import asyncio
from collections.abc import Callable
from functools import partial

from serving.inference.context import RequestContext, of_event_thread
from serving.inference.unsent import LARGE_BYTES
from serving.rest.answer import Answer, kept_alive, wire
from serving.rest.app import RestApp
from serving.rest.connection.heads import BLANK_LINE, Again, Head, Heads, may_become_plain
from serving.rest.connection.lane_connection import LaneConnection
from serving.rest.connection.lane_states import GATHERING, OWING, Event, State
from serving.rest.connection.road import Road
from serving.rest.connection.traffic import MOST_DROPPED, Traffic

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


class Lane(LaneConnection):
    """One connection. ``app`` answers, ``heads`` reads, ``road`` makes what takes over."""

    __slots__ = ("_again", "_app", "_context", "_head", "_heads", "_road", "_wanted")
    _context: RequestContext  # of the requests with the head ``_head``

    def __init__(
        self, loop: asyncio.AbstractEventLoop, app: RestApp, heads: Heads, traffic: Traffic, road: Callable[[], Road]
    ) -> None:
        # `super()` takes some 900 instructions more in Python 3.11, and proxies make a connection for each request.
        LaneConnection.__init__(self, loop, traffic)
        self._app, self._heads, self._road = app, heads, road
        self._wanted = 0  # the size of the request that ``_held`` is the beginning of, once known; dropped in the end
        self._head: Head | None = None
        self._again: Again | None = None  # how requests with this head are answered, if others may follow each

    def resume_writing(self) -> None:
        """The client has taken everything."""
        self._count_unsent(0)
        self._go_on(Event.TAKEN)

    def data_received(self, data: bytes) -> None:
        """Answer the requests in ``data``, as far as they are complete and plain, in their order; hold the rest."""
        again, ending = self._again, self._ended or self._traffic.draining
        if self.state is not _READING:
            self._hold(data)
        elif again is None or len(data) != again[1] or ending or not data.startswith(again[0]):
            self._look(data, ending=ending)
        else:
            self._answer_again(data[len(again[0]) :], again)

    def _answer_again(self, body: bytes, again: Again) -> None:
        """Answer one request, whose head is that of the request before; nothing is behind it. Most come so."""
        app, (_, _, call, content_type, lines, head) = self._app, again
        try:
            reply = call(body, self._context)
            given = reply if isinstance(reply, bytes) else app.begin(reply)
            if not isinstance(given, bytes):
                self._await(given, head, [], b"")
                return
            answer = kept_alive(given, content_type, lines)
        except Exception as error:  # noqa: BLE001 - the door's net, as for the road
            answer = wire(app.failed(error, "POST", head.path, lines), keep_alive=True)
        if len(answer) >= _MOST_UNSENT:
            self._defer([answer], b"", head)
            return
        transport = self._transport
        if not transport.is_closing():
            self._expires_at = self._loop.time() + self._traffic.idle_seconds
            self._pieces = 0
            transport.write(answer)

    def _look(self, data: bytes, *, ending: bool) -> None:
        app, known = self._app, self._heads.known
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
            try:
                if head is not self._head:
                    self._begin(head)
                body = app.begin(head.endpoint.call(data[begin:end], self._context))
                if isinstance(body, asyncio.Future):
                    self._await(body, head, answers, data[end:])
                    return
                answer = Answer(200, body, head.endpoint.content_type, head.lines)
            except Exception as error:  # noqa: BLE001 - the door's net, as for the road
                answer = app.failed(error, "POST", head.path, head.lines, self._context)
            start = end
            if app.own_contexts:
                answer = app.told(self._context, answer)
            keep_alive = head.keep_alive and not (ending and self._is_last(behind=start < len(data)))
            answers.append(wire(answer, keep_alive=keep_alive, old_protocol=head.old_protocol))
            if not keep_alive:
                self._finish(head, answers)
                return
            unsent += len(answers[-1])
            if len(answers) >= _BURST or unsent >= _MOST_UNSENT:
                self._defer(answers, data[start:], head)
                return
        self._send(answers)

    def _begin(self, head: Head) -> None:
        """Requests with this head follow. Raises ServingError before there are any models."""
        app = self._app
        shown = self.shown if self._traffic.secured else None  # it refers to this connection, and so would keep it
        if app.own_contexts:
            self._context = app.begin_request(self.peer, head.headers, "POST", head.path, head.length, shown)
        else:
            self._context = of_event_thread("REST", self.peer, head.headers, app.timeout_ms, shown)
        if not app.opened:
            raise app.not_open(head.endpoint.model)
        if not app.own_contexts:
            self._head, self._again = head, head.again

    def _await(self, body: "asyncio.Future[bytes]", head: Head, answers: list[bytes], rest: bytes) -> None:
        """Send the answers; that of ``head`` is made elsewhere, and ``rest`` is behind it."""
        self._wait(_AWAIT, answers, rest)
        self._awaited = body
        body.add_done_callback(partial(self._answered, head, self._context))

    def _wait(self, event: Event, answers: list[bytes], rest: bytes) -> State:
        """Write the answers; ``rest`` has to wait, and ``event`` says for what."""
        if answers:
            self._send(answers)
        self._held.add(rest)
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

    def _defer(self, answers: list[bytes], rest: bytes, head: Head) -> None:
        answers[-1] = self._bounded(answers[-1], head, keep_alive=True)
        if self._wait(Event.DEFER, answers, rest) is State.DEFERRED:
            self._loop.call_soon(self._go_on, Event.TURN)

    def _answered(self, head: Head, context: RequestContext, reply: "asyncio.Future[bytes]") -> None:
        self._awaited = None
        if reply.cancelled():  # the client has gone, or the threads have been shut down
            self._app.gone(context)
            self.stop()
            return
        try:
            answer = Answer(200, reply.result(), head.endpoint.content_type, head.lines)
        except Exception as error:  # noqa: BLE001 - as above
            answer = self._app.failed(error, "POST", head.path, head.lines, context)
        if self._app.own_contexts:
            answer = self._app.told(context, answer)
        ending = self._ended or self._traffic.draining
        keep_alive = head.keep_alive and not (ending and self._is_last(behind=self._held.size > 0))
        data = wire(answer, keep_alive=keep_alive, old_protocol=head.old_protocol)
        data = self._bounded(data, head, keep_alive=keep_alive)
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
            self._held.add(rest)

    def _hold(self, data: bytes) -> None:
        """Keep what arrives behind a request that is not complete, or not answered."""
        state, held = self.state, self._held
        if state is _CLOSED:
            self._wanted += len(data)
            if self._wanted > MOST_DROPPED:
                self._transport.abort()
            return
        held.add(data)
        if state in GATHERING:
            if held.size >= self._wanted:
                self._traffic.has_gathered(self)
                self._go_on(_MORE)
        elif held.size > _MOST_HELD:
            self._transport.pause_reading()

    def _go_on(self, event: Event) -> None:
        """Look at what is held, unless there is still something to wait for after ``event``."""
        if self.take(event) is _READING:
            held, again, self._wanted = self._held, self._again, 0
            if held.size > _MOST_HELD:
                self._transport.resume_reading()  # if it was paused
            ending = self._ended or self._traffic.draining
            if again is None or held.size != again[1] or ending or not held.starts_with(again[0]):
                self._look(held.take(), ending=ending)
            else:
                self._answer_again(held.take(skip=len(again[0])), again)
            if self._ended and self.state not in OWING and self.state is not State.LEFT:
                self.stop()  # what else there is of a request will never be all of it
