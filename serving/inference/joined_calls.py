"""What a door has at one time: calls that share a run are made together, at once. It has no thread and no clock.

Which calls may go together, and how, is the run's business; whatever has to wait for others goes back to the door.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

from serving.core.batch_run import BatchRun
from serving.core.servable import Fed, JoiningRun, Outcome
from serving.inference.call import Call

Settle = Callable[[bytes | Call | Exception], None]
"""Takes the body, or the error, or the call itself if it has to be done ``elsewhere``; called once, never raises."""


class _Place(NamedTuple):
    """One caller; ``began`` is the time of its call."""

    call: Call
    settle: Settle
    began: float


class JoinedCalls:
    """The calls of one turn of an event loop, or of one batch of events. It belongs to one thread."""

    __slots__ = ("_places",)

    def __init__(self) -> None:
        self._places: dict[JoiningRun, list[_Place]] = {}

    def add(self, call: Call, settle: Settle) -> None:
        """Take a call that ``joins`` and is ``inline``; ``flush`` settles it."""
        run = cast("JoiningRun", call.plan.run)
        place = _Place(call, settle, call.series.clock())
        places = self._places.get(run)
        if places is None:
            self._places[run] = [place]
        else:
            places.append(place)

    def flush(self) -> None:
        """Make every call that was added, those of one run in the order in which they came."""
        added, self._places = self._places, {}
        for run, places in added.items():
            _run(run, places)


def _run(run: JoiningRun, places: Sequence[_Place]) -> None:
    calls = [Fed(place.call.tensors, place.call.timeout_ms) for place in places]
    first = 0
    while first < len(calls):
        began = _now_if_traced(places[first].call)
        outcomes = _outcomes(run, calls[first:])
        if began is not None and len(outcomes) > 1:
            _note(places[first : first + len(outcomes)], began)
        for outcome in outcomes:
            _settle(places[first], outcome)
            first += 1


def _now_if_traced(call: Call) -> float | None:
    record = None if call.context is None else call.context.record
    return None if record is None or record.trace is None else call.series.clock()


def _note(places: Sequence[_Place], began: float) -> None:
    """The records of calls that were made together since ``began`` know it."""
    contexts = [context for place in places if (context := place.call.context) is not None]
    records = [record for context in contexts if (record := context.record) is not None]
    rows = sum([sum(tensors[0].array.shape[:1]) for place in places if (tensors := place.call.tensors)])
    first = records[0]
    batch = BatchRun(len(places), rows, first.arrived + began - first.began)
    batch.ended = batch.began + places[0].call.series.clock() - began
    for record in records:
        record.batches += (batch,)


def _outcomes(run: JoiningRun, calls: Sequence[Fed]) -> Sequence[Outcome | None]:
    """What the first of ``calls`` come to, at least one; None if it has to wait."""
    try:
        return run.together(calls) or (None,)
    except Exception as error:  # noqa: BLE001 - a defect, which must not leave anybody waiting
        return (error,) * len(calls)


def _settle(place: _Place, outcome: Outcome | None) -> None:
    call, settle, began = place
    if outcome is None:
        settle(call)
        return
    try:
        body = call.finish(outcome, began)
    except Exception as error:  # noqa: BLE001 - whatever running or encoding raises is this caller's answer
        settle(error)
    else:
        settle(call if body is None else body)
