"""Lines on their way to a descriptor: in order, never waited for, counted when they are lost."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import pytest

from serving.telemetry import line_writer
from serving.telemetry.line_writer import LineWriter, Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipe:
    """Its ends; ``flags`` of the writing one are its own."""

    reading: int
    writing: int

    def fill(self) -> int:
        """Write until it takes no more; how many bytes that were."""
        os.set_blocking(self.writing, False)
        count = 0
        with suppress(BlockingIOError):
            while True:
                count += os.write(self.writing, b"x" * 512)
        os.set_blocking(self.writing, True)
        return count

    def read(self, count: int) -> bytes:
        """As many bytes, once they are there."""
        data = b""
        while len(data) < count:
            data += os.read(self.reading, count - len(data))
        return data


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    reading, writing = os.pipe()
    yield Pipe(reading=reading, writing=writing)
    for descriptor in (reading, writing):
        with suppress(OSError):
            os.close(descriptor)


@pytest.fixture
def writer(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> LineWriter:
    """What it tells of lost lines goes to the pipe, too."""
    monkeypatch.setattr(line_writer, "STANDARD_ERROR", pipe.writing)
    return LineWriter(lambda lost: f"{lost} lost\n")


def test_order(pipe: Pipe, writer: LineWriter) -> None:
    """What is said first is written first, whoever says it."""
    expected = "".join(f"line {number}\n" for number in range(1000))
    for line in expected.splitlines(keepends=True):
        writer.write(pipe.writing, line)
    assert writer.flush(30)
    assert pipe.read(len(expected)).decode() == expected


def test_nobody_reads(pipe: Pipe, writer: LineWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is waited for; the oldest lines are kept, and once somebody reads the others are counted."""
    monkeypatch.setattr(line_writer, "_MOST_WAITING", 10)
    filled = pipe.fill()
    for number in range(50):
        writer.write(pipe.writing, f"{number}\n")
    pipe.read(filled)
    assert writer.flush(30)
    lines = os.read(pipe.reading, 65536).decode().splitlines()
    kept = [line for line in lines if line.isdigit()]
    assert kept == [str(number) for number in range(len(kept))]
    assert 10 <= len(kept) < 50
    assert [line for line in lines if not line.isdigit()] == [f"{50 - len(kept)} lost"]


def test_flush_does_not_wait_for_ever(pipe: Pipe, writer: LineWriter) -> None:
    """At the end what nobody reads is given up, and what others read is still written."""
    pipe.fill()
    reading, writing = os.pipe()
    writer.write(pipe.writing, "not read\n")
    writer.write(writing, "read\n")
    assert writer.flush(0.1)
    assert os.read(reading, 100) == b"read\n"
    os.close(reading)
    os.close(writing)


def test_nobody_is_there(pipe: Pipe, writer: LineWriter) -> None:
    """A line that cannot be written fails nobody, and others are written."""
    gone, writing = os.pipe()
    os.close(gone)
    writer.write(writing, "1\n2\n")
    writer.write(pipe.writing, "3\n")
    assert writer.flush(30)
    assert os.read(pipe.reading, 100) == b"3\n2 lost\n"
    os.close(writing)


def test_half_a_line(pipe: Pipe, writer: LineWriter) -> None:
    """After a line that was written in part the next one begins a line of its own."""
    filled = pipe.fill()
    rest = pipe.read(4096)
    writer.write(pipe.writing, "a" * 10_000 + "\n")
    assert writer.flush(0.1)
    rest += pipe.read(filled - 4096)
    half = os.read(pipe.reading, 65536)
    assert set(half) == {ord("a")}
    writer.write(pipe.writing, "b\n")
    assert writer.flush(30)
    assert os.read(pipe.reading, 100) == b"\nb\n1 lost\n"


def test_stream_writes_whole_lines(pipe: Pipe, writer: LineWriter) -> None:
    """What several threads print stays apart, line by line; the beginning of a line is written when flushed."""
    stream = Stream(writer, pipe.writing)
    print("one", 2, file=stream)
    print("surrogate \udcff", file=stream)
    print("begun", end="", file=stream)
    assert writer.flush(30)
    expected = b"one 2\nsurrogate \\udcff\n"
    assert os.read(pipe.reading, 100) == expected
    print(end="", flush=True, file=stream)
    assert writer.flush(30)
    assert os.read(pipe.reading, 100) == b"begun"


@pytest.mark.parametrize("call", [lambda writer: writer.flush(30), lambda writer: writer.write(1, "")])
def test_from_a_signal(writer: LineWriter, call: Callable[[LineWriter], object]) -> None:
    """A handler that runs while its own thread counts lost lines does not wait for itself."""
    ended = threading.Event()

    def run() -> None:
        with writer._lock:
            call(writer)
        ended.set()

    threading.Thread(target=run, daemon=True).start()
    assert ended.wait(30)
