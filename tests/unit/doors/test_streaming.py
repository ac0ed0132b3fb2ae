"""Answers that go on: how pieces are sent, and each way in which that ends."""

import asyncio
from collections.abc import AsyncGenerator
from typing import cast

import pytest

from serving.rest.answer import Answer, wire
from serving.rest.connection import streaming
from serving.rest.connection.streaming import Streams, write

TWO = [b"one", b"eleven chars"]


class Line:
    """A connection that keeps what is written; with ``taken`` unset the client takes nothing."""

    def __init__(self) -> None:
        self.written = bytearray()
        self.writing_paused = False
        self.taken = asyncio.Event()
        self.aborted = False
        self.transport = cast("asyncio.Transport | None", self)

    def write(self, data: bytes) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.aborted

    def get_write_buffer_size(self) -> int:
        return len(self.written)

    def abort(self) -> None:
        self.aborted = True

    async def wait_taken(self, size: int) -> None:
        await self.taken.wait()


class Pieces:
    """Gives pieces and then nothing more, for ever or as the end; ``closed`` once nobody wants any."""

    def __init__(self, pieces: list[bytes], *, ends: bool = False) -> None:
        self._pieces = pieces
        self._ends = ends
        self.closed = False
        self.given = 0
        self.all_given = asyncio.Event()

    async def stream(self) -> AsyncGenerator[bytes, None]:
        try:
            for piece in self._pieces:
                self.given += 1
                yield piece
            self.all_given.set()
            if not self._ends:
                await asyncio.Event().wait()
        finally:
            self.closed = True


@pytest.mark.parametrize(
    ("chunked", "expected"),
    [(True, b"3\r\none\r\nc\r\neleven chars\r\n0\r\n\r\n"), (False, b"oneeleven chars")],
)
def test_pieces(chunked: bool, expected: bytes) -> None:
    """Each is a chunk; HTTP/1.0, which has none, gets them as they are."""

    async def run() -> bytes:
        line = Line()
        await write(Pieces(TWO, ends=True).stream(), line, Streams(), chunked=chunked)
        return bytes(line.written)

    assert asyncio.run(run()) == expected


def test_the_end_of_all() -> None:
    """Those under way end well at once, and what begins later ends before its first wait."""

    async def run() -> None:
        line, pieces, streams = Line(), Pieces(TWO), Streams()
        task = asyncio.create_task(write(pieces.stream(), line, streams, chunked=True))
        await pieces.all_given.wait()
        streams.end()
        await task
        assert bytes(line.written).endswith(b"\r\n0\r\n\r\n")
        assert pieces.closed
        late = Line()
        await write(Pieces([]).stream(), late, streams, chunked=True)
        assert bytes(late.written) == b"0\r\n\r\n"

    asyncio.run(run())


def test_a_client_that_goes() -> None:
    """Its request is cancelled, which closes what makes the pieces."""

    async def run() -> None:
        pieces = Pieces(TWO)
        task = asyncio.create_task(write(pieces.stream(), Line(), Streams(), chunked=True))
        await pieces.all_given.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert pieces.closed

    asyncio.run(run())


def test_a_client_that_takes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """No further piece is made for it, and after a while it is let go."""
    monkeypatch.setattr(streaming, "TAKE_SECONDS", 0.01)

    async def run() -> None:
        line, pieces = Line(), Pieces(TWO)
        line.writing_paused = True
        with pytest.raises(ConnectionResetError):
            await write(pieces.stream(), line, Streams(), chunked=True)
        assert (line.aborted, pieces.given, pieces.closed) == (True, 1, True)

    asyncio.run(run())


def test_an_error_of_what_makes_them() -> None:
    """It is told, one of a time that is over as well."""

    async def fails() -> AsyncGenerator[bytes, None]:
        yield b"one"
        raise TimeoutError("of its own")

    with pytest.raises(TimeoutError, match="of its own"):
        asyncio.run(write(fails(), Line(), Streams(), chunked=True))


@pytest.mark.parametrize("old_protocol", [False, True])
def test_heads(old_protocol: bool) -> None:
    """They say how the body comes, and that the connection ends behind it."""
    answer = Answer(200, b"", b"text/event-stream", extra=b"X: y\r\n", stream=Pieces([]).stream())
    head = wire(answer, keep_alive=False, old_protocol=old_protocol).decode()
    assert head.startswith(f"HTTP/1.{0 if old_protocol else 1} 200 OK\r\nContent-Type: text/event-stream\r\n")
    assert ("Transfer-Encoding: chunked\r\n" in head) is not old_protocol
    assert "Content-Length" not in head
    assert head.endswith("\r\nConnection: close\r\n\r\n")
    assert "\r\nX: y\r\n" in head
