"""Events of the page: what is sent when, to whom, and that a right that was taken back ends them."""

import asyncio
from collections.abc import AsyncGenerator
from typing import cast

import pytest

from serving.core.servable import ServableId, ServableState, State
from serving.errors import Code, ServingError
from serving.inference.context import RequestContext
from serving.inference.principal import Principal
from serving.rest.api import ui_events
from serving.rest.api.ui_events import Events
from serving.rest.api.ui_written import Written
from serving.ui.values import StateView

CONTEXT = RequestContext("REST")
CHANGE = ServableState(id=ServableId(name="m", version=1), state=State.AVAILABLE)


class Server:
    """What there is to see, in place of a real one: ``number`` is its state."""

    def __init__(self) -> None:
        self.number = 0
        self._views: dict[int, object] = {}

    def state(self, principal: Principal | None) -> tuple[StateView, bytes]:
        view = self._views.setdefault(self.number, object())
        return cast("StateView", view), b"%d" % self.number

    def sample(self, principal: Principal | None) -> bytes:
        return b"{}"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    """One that changes at once; samples come only if there is a change."""
    monkeypatch.setattr(ui_events, "SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(ui_events, "SAMPLE_SECONDS", 60.0)
    return Server()


def events_of(server: Server) -> Events:
    return Events(cast("Written", server))


async def first(stream: AsyncGenerator[bytes, None], count: int) -> list[bytes]:
    return [await anext(stream) for _ in range(count)]


def test_a_change_is_told(server: Server) -> None:
    """At the notice of it, long before the next sample is due."""

    async def run() -> list[bytes]:
        events = events_of(server)
        stream = events.stream(CONTEXT, lambda: None)
        await first(stream, 2)
        server.number = 1
        events.notice(CHANGE)
        found = await first(stream, 2)
        await stream.aclose()
        return found

    assert asyncio.run(run()) == [b"event: state\ndata: 1\n\n", b"event: sample\ndata: {}\n\n"]


def test_a_notice_without_a_change(server: Server) -> None:
    """It brings a sample, and not the state once more."""

    async def run() -> list[bytes]:
        events = events_of(server)
        stream = events.stream(CONTEXT, lambda: None)
        await first(stream, 2)
        events.notice(CHANGE)
        found = await first(stream, 1)
        await stream.aclose()
        return found

    assert asyncio.run(run()) == [b"event: sample\ndata: {}\n\n"]


def test_a_right_that_is_taken_back(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends the stream at its next beat; until then there are beats, as comments."""
    monkeypatch.setattr(ui_events, "BEAT_SECONDS", 0.0)
    refused = [False]

    def admit() -> None:
        if refused[0]:
            raise ServingError(Code.UNAUTHENTICATED, "The key of the request is unknown")

    async def run() -> list[bytes]:
        events = events_of(server)
        stream = events.stream(CONTEXT, admit)
        begin = await first(stream, 3)
        refused[0] = True
        events.notice(CHANGE)
        return [*begin[2:], *[piece async for piece in stream]]

    assert asyncio.run(run()) == [b":\n\n", b"event: sample\ndata: {}\n\n"]


def test_places(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as may be; whoever goes leaves one."""
    monkeypatch.setattr(ui_events, "MOST_STREAMS", 1)

    async def run() -> None:
        events = events_of(server)
        stream = events.stream(CONTEXT, lambda: None)
        await first(stream, 1)
        with pytest.raises(ServingError, match="1 pages are told of events"):
            events.stream(CONTEXT, lambda: None)
        await stream.aclose()
        await events.stream(CONTEXT, lambda: None).aclose()

    asyncio.run(run())


def test_a_notice_after_the_end(server: Server) -> None:
    """Threads that load models may outlive the event loop."""
    events = events_of(server)

    async def run() -> AsyncGenerator[bytes, None]:
        stream = events.stream(CONTEXT, lambda: None)
        await first(stream, 1)
        return stream

    asyncio.run(run())
    events.notice(CHANGE)
