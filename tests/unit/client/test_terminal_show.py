"""Tables of 80 columns, and what is measured."""

import threading
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from serving.client.terminal.measuring import Load, Measured
from serving.client.terminal.progress import Progress
from serving.client.terminal.show import table, wrapped

CELLS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=200)


@given(st.lists(st.tuples(CELLS, CELLS, CELLS, CELLS), max_size=5))
def test_tables_fit(rows: list[tuple[str, str, str, str]]) -> None:
    """No line is longer, whatever the cells are, and nothing of them is lost."""
    text = table(("MODEL", "VERSION", "STATE", "MESSAGE"), rows)
    assert max(map(len, text.splitlines()), default=0) <= 80
    assert Counter(text)["~"] == sum(cell.count("~") for row in rows for cell in row)


def test_a_table() -> None:
    """Words to the left, numbers to the right, long cells below themselves, no column without anything."""
    rows = [("a", "7", "", "short"), ("b", "12", "", "long " * 20)]
    assert table(("NAME", "N", "NOTHING", "TEXT"), rows, columns=40).splitlines() == [
        "NAME   N  TEXT",
        "a      7  short",
        "b     12  long long long long long long",
        "          long long long long long long",
        "          long long long long long long",
        "          long long",
    ]


def test_colours() -> None:
    """States that answer are green; nothing else changes."""
    plain = table(("STATE",), [("READY",), ("other",)])
    assert table(("STATE",), [("READY",), ("other",)], colour=True) == plain.replace("READY", "\x1b[32mREADY\x1b[0m")


def test_wrapped() -> None:
    """Lines stay apart."""
    assert wrapped("a b\nc", 3) == "a b\nc"
    assert wrapped("a b\nc", 1) == "a\nb\nc"


def test_percentiles() -> None:
    """Each is a latency that was measured."""
    measured = Measured(milliseconds=[float(each) for each in range(1, 101)], seconds=2.0)
    assert measured.latencies() == {"p50": 50.0, "p90": 90.0, "p99": 99.0, "max": 100.0}
    assert measured.per_second == 50.0
    assert (Measured().latencies(), Measured().per_second) == ({}, 0.0)


def test_load_is_as_many_as_were_asked_for() -> None:
    """On so many threads, and errors are counted by what they say."""
    seen: set[int] = set()
    lock, barrier = threading.Lock(), threading.Barrier(4)
    results = iter(["", "full"] * 20)

    def call() -> str:
        with lock:
            first = threading.get_ident() not in seen
            seen.add(threading.get_ident())
            result = next(results)
        if first:
            barrier.wait(60)
        return result

    with Progress() as progress:
        measured = Load(call, concurrency=4, seconds=None, requests=40).run(progress)
    assert (len(seen), len(measured.milliseconds), measured.errors) == (4, 20, Counter(full=20))
