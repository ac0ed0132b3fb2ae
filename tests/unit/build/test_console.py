"""The one line of progress, on a terminal and off it, and the log that has everything."""

import io
from pathlib import Path

import pytest

from build.console import PLAIN_SECONDS, TAIL_LINES, Console, Log


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Clock:
    """Time that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_terminal_rewrites_its_line() -> None:
    """On a terminal the line is written over itself, and stands when a message follows."""
    screen, clock = Terminal(), Clock()
    console = Console(screen, clock)
    console.show(lambda now: "one")
    clock.now = 1
    console.show(lambda now: "two")
    console.say("done")
    assert screen.getvalue() == "\r\x1b[Kone\r\x1b[Ktwo\ndone\n"


def test_terminal_line_is_cut() -> None:
    """A line that would wrap could not be written over."""
    screen = Terminal()
    Console(screen, Clock()).show(lambda now: "x" * 500)
    assert len(screen.getvalue()) < 130


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        pytest.param(PLAIN_SECONDS - 1, "at 0\n", id="too-soon"),
        pytest.param(PLAIN_SECONDS, f"at 0\nat {PLAIN_SECONDS:.0f}\n", id="time"),
    ],
)
def test_plain_stream_gets_few_lines(seconds: float, expected: str) -> None:
    """In CI each line stays, so one comes twice a minute."""
    screen, clock = io.StringIO(), Clock()
    console = Console(screen, clock)
    console.show(lambda now: f"at {now:.0f}")
    clock.now = seconds
    console.show(lambda now: f"at {now:.0f}")
    assert screen.getvalue() == expected


def test_show_now_waits_for_nothing() -> None:
    """What matters each time is shown each time."""
    screen = io.StringIO()
    console = Console(screen, Clock())
    for text in ("one", "two"):
        console.show_now(text)
    assert screen.getvalue() == "one\ntwo\n"


def test_log(tmp_path: Path) -> None:
    """The file has every line at once, the tail the last ones; an older log of the name is replaced."""
    path = tmp_path / "logs" / "a.log"
    path.parent.mkdir()
    path.write_text("old")
    with Log(path) as log:
        for number in range(TAIL_LINES + 5):
            log.write(f"{number}")
        assert len(path.read_text().splitlines()) == TAIL_LINES + 5
    assert (log.tail()[0], len(log.tail())) == ("5", TAIL_LINES)
