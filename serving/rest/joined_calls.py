"""Requests of several connections that come in one turn of the event loop: what joins is run together at its end."""

import asyncio
from functools import partial

from serving.errors import without_frames
from serving.inference.call import Call
from serving.inference.joined_calls import JoinedCalls


class LoopJoinedCalls:
    """``JoinedCalls`` of each turn of the running event loop; used from its thread alone.

    The first request of a turn is not kept waiting for others unless there were some in the turn before.
    """

    def __init__(self) -> None:
        self._calls = JoinedCalls()
        self._size = 0
        self._crowded = False
        self._loop: asyncio.AbstractEventLoop | None = None

    def begin(self, call: Call) -> "bytes | asyncio.Future[bytes]":
        """Make a call that ``joins`` and is ``inline``, at once or in this turn. Raises ServingError.

        If it has to wait for others it does so on their threads. Cancelling the future harms nobody else.
        """
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        self._size += 1
        if self._size == 1:
            self._loop.call_soon(self._end)
            if not self._crowded:
                body = call.at_once()
                return asyncio.wrap_future(call.elsewhere()) if body is None else body
        answer: asyncio.Future[bytes] = self._loop.create_future()
        self._calls.add(call, partial(_settle, answer))
        return answer

    def _end(self) -> None:
        self._crowded = self._size > 1
        self._size = 0
        self._calls.flush()


def _settle(answer: "asyncio.Future[bytes]", outcome: bytes | Call | Exception) -> None:
    if isinstance(outcome, Call):
        _wait(answer, outcome)
    elif answer.cancelled():
        return
    elif isinstance(outcome, bytes):
        answer.set_result(outcome)
    else:
        answer.set_exception(without_frames(outcome))


def _wait(answer: "asyncio.Future[bytes]", call: Call) -> None:
    """Let ``answer`` follow the call made elsewhere, and cancel that with it."""
    try:
        waiting = asyncio.wrap_future(call.elsewhere(), loop=answer.get_loop())
    except Exception as error:  # noqa: BLE001 - what cannot be queued is this request's answer
        _settle(answer, error)
        return
    waiting.add_done_callback(partial(_follow, answer))
    answer.add_done_callback(lambda given: given.cancelled() and waiting.cancel())


def _follow(answer: "asyncio.Future[bytes]", done: "asyncio.Future[bytes]") -> None:
    if done.cancelled():
        answer.cancel()
        return
    error = done.exception()
    if answer.cancelled():
        return
    if error is None:
        answer.set_result(done.result())
    else:
        answer.set_exception(without_frames(error))
