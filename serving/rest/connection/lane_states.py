"""What a connection on the lane waits for: its states, what happens to it, and the table of transitions. No I/O."""

# Theory of operation
# ===================
#
# A connection answers requests in their order, so it waits for one thing at a time, and that is its state. While it
# waits for nothing (READING), what arrives is looked at, and a plain request that is answered at once is no event at
# all: most connections never leave READING. Whatever else a look ends with is an event that says what the rest has to
# wait for: for its own end (HEAD, BODY), for an answer that is made elsewhere (AWAITING), for the turn of other
# connections (DEFERRED). What arrives meanwhile is held behind it. When the event comes that was waited for, the
# connection is READING again, and what is held is looked at from its beginning, as if it had just arrived. So nothing
# has to be remembered of a look.
#
# The other direction is a machine of its own with two states, "the client has taken everything" and "answers are
# unsent", which the transport moves between (PAUSED, TAKEN). It is coupled to the first in one way: while answers are
# unsent, nothing is looked at. Two machines would be two variables and a rule for each of their pairs. The pairs are
# few, so they are states of one: UNSENT, AWAITING_UNSENT and DEFERRED_UNSENT. A look may end with UNSENT and some other
# event; what would have been waited for can then be found again by the next look, so the state stays UNSENT, but for an
# answer that is being made.
#
# Three things follow from the table alone, and nobody has to take care of them:
#
# - A connection leaves for aiohttp's road (LEFT) from READING only: nothing is awaited or unsent then, so the road
#   begins with a transport that may be written to and read from.
# - A drain waits for the BUSY states, and for no others.
# - Time runs out (EXPIRED) for a connection that owes nothing; for one that is busy it begins anew.
#
# Reading, too, can be paused, which is no state but a size: it is when more is held than may be. LEFT and CLOSED are
# final; a transport may still report to a connection that was closed, never to one that has left.

from collections.abc import Mapping
from enum import Enum, auto

from serving.errors import Code, ServingError


class State(Enum):
    """What is waited for."""

    __hash__ = object.__hash__  # Enum's own hashes the name, in Python, for each lookup

    READING = auto()
    """Nothing: what arrives is looked at."""
    HEAD = auto()
    """The end of a head."""
    BODY = auto()
    """The end of a body, whose head is plain."""
    AWAITING = auto()
    """An answer that is made elsewhere."""
    AWAITING_UNSENT = auto()
    """The same, and the client."""
    DEFERRED = auto()
    """The turn of other connections."""
    DEFERRED_UNSENT = auto()
    """The same, and the client."""
    UNSENT = auto()
    """The client, which has not taken every answer."""
    LEFT = auto()
    """Nothing: aiohttp's road has the connection."""
    CLOSED = auto()
    """Nothing: what arrives is dropped."""


class Event(Enum):
    """What happens to a connection."""

    __hash__ = object.__hash__

    PART_OF_HEAD = auto()
    PART_OF_BODY = auto()
    MORE = auto()
    """Of a head, or all of a body."""
    AWAIT = auto()
    SETTLED = auto()
    """What was awaited is there."""
    DEFER = auto()
    TURN = auto()
    """The others have had theirs."""
    PAUSED = auto()
    """The client does not take what is written."""
    TAKEN = auto()
    """It has taken everything."""
    LEAVE = auto()
    """What comes next is no plain request."""
    EXPIRED = auto()
    """The last answer was given too long ago."""
    CLOSE = auto()
    """An answer was the last one, the client has gone, or the server stops."""


BUSY = frozenset(State) - {State.READING, State.HEAD, State.LEFT, State.CLOSED}
"""A request is under way, or an answer has not left the process."""

OWING = BUSY - {State.BODY}
"""An answer is being made, or has not left the process."""

GATHERING = frozenset((State.HEAD, State.BODY))
"""What arrives may be what is waited for."""


class _Table(dict[tuple[State, Event], State]):
    def __missing__(self, row: tuple[State, Event]) -> State:
        state, event = row
        raise ServingError(Code.INTERNAL, f"A connection in state {state.name} cannot take the event {event.name}")


TRANSITIONS: Mapping[tuple[State, Event], State] = _Table(
    {
        (State.READING, Event.PART_OF_HEAD): State.HEAD,
        (State.READING, Event.PART_OF_BODY): State.BODY,
        (State.READING, Event.AWAIT): State.AWAITING,
        (State.READING, Event.DEFER): State.DEFERRED,
        (State.READING, Event.PAUSED): State.UNSENT,
        (State.READING, Event.LEAVE): State.LEFT,
        (State.READING, Event.EXPIRED): State.CLOSED,
        (State.HEAD, Event.MORE): State.READING,
        (State.HEAD, Event.PAUSED): State.UNSENT,
        (State.HEAD, Event.EXPIRED): State.CLOSED,
        (State.BODY, Event.MORE): State.READING,
        (State.BODY, Event.PAUSED): State.UNSENT,
        (State.AWAITING, Event.SETTLED): State.READING,
        (State.AWAITING, Event.PAUSED): State.AWAITING_UNSENT,
        (State.AWAITING_UNSENT, Event.SETTLED): State.UNSENT,
        (State.AWAITING_UNSENT, Event.TAKEN): State.AWAITING,
        (State.DEFERRED, Event.TURN): State.READING,
        (State.DEFERRED, Event.PAUSED): State.DEFERRED_UNSENT,
        (State.DEFERRED_UNSENT, Event.TURN): State.UNSENT,
        (State.DEFERRED_UNSENT, Event.TAKEN): State.DEFERRED,
        (State.UNSENT, Event.TAKEN): State.READING,
        (State.UNSENT, Event.AWAIT): State.AWAITING_UNSENT,
    }
    | {
        (State.UNSENT, event): State.UNSENT
        for event in (Event.PART_OF_HEAD, Event.PART_OF_BODY, Event.DEFER, Event.LEAVE)
    }
    | {(state, Event.EXPIRED): state for state in BUSY}
    | {(state, Event.CLOSE): State.CLOSED for state in State if state is not State.LEFT}
    | {(State.CLOSED, event): State.CLOSED for event in (Event.SETTLED, Event.TURN, Event.PAUSED, Event.TAKEN)}
)
"""Every transition there is. To look up what is not in it is an error: INTERNAL."""
