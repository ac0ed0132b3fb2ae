"""What the page is told as it happens: server-sent events with the state, whenever it has changed, and with samples."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from serving.core.servable import ServableState
from serving.errors import Code, ServingError
from serving.inference.context import RequestContext
from serving.rest.api.ui_written import Written
from serving.ui.values import StateView

MOST_STREAMS = 32
SAMPLE_SECONDS, BEAT_SECONDS = 2.0, 15.0
SETTLE_SECONDS = 0.25
"""Between a change and the look at it: changes come in flocks. More than the age at which a look is new enough."""

_BEAT = b":\n\n"


class Events:
    """Belongs to the event loop. One thread looks for all streams, so that a slow file system costs no other."""

    def __init__(self, written: Written) -> None:
        self._written = written
        self._executor = ThreadPoolExecutor(1, "page")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changed = asyncio.Event()
        self._open = 0

    def stream(self, context: RequestContext, admit: Callable[[], None]) -> AsyncGenerator[bytes, None]:
        """Events until who asks has gone, or ``admit`` refuses; UNAVAILABLE if there are too many of these.

        It counts from its first piece on, which is asked for in the same turn of the event loop.
        """
        if self._open >= MOST_STREAMS:
            raise ServingError(
                Code.UNAVAILABLE, f"{MOST_STREAMS} pages are told of events, as many as may be; close one, or try again"
            )
        self._loop = asyncio.get_running_loop()
        return self._events(context, admit)

    def notice(self, _: ServableState) -> None:
        """A version's state has changed; from any thread, and quick."""
        loop = self._loop
        if loop is not None and self._open:
            with suppress(RuntimeError):  # it is closed: the process ends
                loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def _events(self, context: RequestContext, admit: Callable[[], None]) -> AsyncGenerator[bytes, None]:
        loop, look = asyncio.get_running_loop(), self._written
        sent: StateView | None = None
        beat_at = loop.time() + BEAT_SECONDS
        self._open += 1
        try:
            while True:
                changed, sample_at = self._changed, loop.time() + SAMPLE_SECONDS
                seen, state = await loop.run_in_executor(self._executor, look.state, context.principal)
                if seen is not sent:
                    sent = seen
                    yield b"event: state\ndata: %b\n\n" % state
                sample = await loop.run_in_executor(self._executor, look.sample, context.principal)
                yield b"event: sample\ndata: %b\n\n" % sample
                if loop.time() >= beat_at:
                    admit()
                    beat_at = loop.time() + BEAT_SECONDS
                    yield _BEAT
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(sample_at):
                        await changed.wait()
                        await asyncio.sleep(SETTLE_SECONDS)
        except ServingError:  # the key was taken back, or is over: who comes again is told
            return
        finally:
            self._open -= 1
