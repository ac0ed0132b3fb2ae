"""Bazel's reports, read and summed up; the lines are Bazel's own form, without colours and cursor movements."""

import pytest

from build.progress import WINDOW_SECONDS, Progress, Report, duration, parse


def report(done: int, total: int, action: str = "", seconds: int = 0) -> Report:
    """A report, spelled short."""
    return Report(done=done, total=total, action=action, seconds=seconds)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param(
            "[12,882 / 14,285] Compiling tensorflow/core/kernels/a.cc; 64s local ... (16 actions, 15 running)",
            report(12_882, 14_285, "Compiling tensorflow/core/kernels/a.cc", 64),
            id="usual",
        ),
        pytest.param(
            "[4,425 / 4,540] 302 / 343 tests; Compiling pw/client_test.cc; 9s linux-sandbox ... (16 actions running)",
            report(4_425, 4_540, "Compiling pw/client_test.cc", 9),
            id="with-tests",
        ),
        pytest.param(
            "[5 / 9] 2 actions running; Linking a.so; 120s local", report(5, 9, "Linking a.so", 120), id="count-first"
        ),
        pytest.param(
            "[379 / 848] 3 actions, 2 running; GoCompilePkg a b; 0s disk-cache",
            report(379, 848, "GoCompilePkg a b", 0),
            id="no-time-yet",
        ),
        pytest.param("[0 / 1] [Prepa] BazelWorkspaceStatusAction stable-status.txt", report(0, 1), id="no-seconds"),
        pytest.param("[3 / 7] checking cached actions", report(3, 7), id="cached"),
        pytest.param("[3 / 7]", report(3, 7), id="bare"),
        pytest.param("(10:02:03) [3 / 7] Compiling a.cc; 2s local", report(3, 7, "Compiling a.cc", 2), id="timestamp"),
        pytest.param("INFO: Elapsed time: 3215.803s, Critical Path: 176.77s", None, id="info"),
        pytest.param("Analyzing: target //a:b (12 packages loaded)", None, id="analyzing"),
        pytest.param("a.cc:[1 / 2] no report", None, id="not-at-the-start"),
        pytest.param("", None, id="empty"),
    ],
)
def test_parse(line: str, expected: Report | None) -> None:
    """A report's numbers and its longest action are read; any other line is none."""
    assert parse(line) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        pytest.param(0, "0 s", id="none"),
        pytest.param(59, "59 s", id="seconds"),
        pytest.param(60, "1 min", id="a-minute"),
        pytest.param(3540, "59 min", id="minutes"),
        pytest.param(3600, "1 h 00 min", id="an-hour"),
        pytest.param(11_100, "3 h 05 min", id="hours"),
    ],
)
def test_duration(seconds: float, expected: str) -> None:
    """Times are given as coarse as they are known."""
    assert duration(seconds) == expected


def test_nothing_yet() -> None:
    """Before the first report it says that it starts, and promises no end."""
    progress = Progress(100)
    assert progress.text(105) == "starting, 5 s so far"
    assert progress.seconds_left() is None


def test_one_line() -> None:
    """Done and total, the time so far and to come, and the action that has run longest."""
    progress = Progress(0)
    progress.feed("[100 / 1,000] Compiling a.cc; 1s local", 100)
    progress.feed("[200 / 1,000] Compiling b.cc; 90s local", 200)
    assert progress.text(200) == "200/1,000 (20 %), 3 min so far, about 13 min left, longest now: Compiling b.cc, 2 min"


def test_time_left_forgets_the_quick_beginning() -> None:
    """What came from the cache in the first minute says nothing about the rest: only the last ten minutes count."""
    progress = Progress(0)
    progress.feed("[5,000 / 10,000] checking cached actions", 1)
    for step in range(1, 11):
        progress.feed(f"[{5_000 + 60 * step:,} / 10,000] Compiling a.cc; 1s local", 1 + WINDOW_SECONDS / 10 * step)
    progress.feed("[5,660 / 10,000] Compiling a.cc; 1s local", 1 + WINDOW_SECONDS * 1.1)
    assert progress.seconds_left() == pytest.approx((10_000 - 5_660) * 1.0)


def test_no_time_left_while_nothing_gets_done() -> None:
    """A rate of nothing gives no promise."""
    progress = Progress(0)
    progress.feed("[5 / 10] Compiling a.cc; 1s local", 1)
    progress.feed("[5 / 10] Compiling a.cc; 61s local", 61)
    assert progress.seconds_left() is None


def test_slowest_is_remembered() -> None:
    """The longest action of all is still known when others run."""
    progress = Progress(0)
    progress.feed("[1 / 3] Compiling slow.cc; 300s local", 300)
    progress.feed("[2 / 3] Compiling quick.cc; 2s local", 305)
    assert progress.slowest == ("Compiling slow.cc", 300)


def test_other_lines_are_no_reports() -> None:
    """A compiler's message changes nothing."""
    progress = Progress(0)
    assert not progress.feed("a.cc:1:2: warning: unused", 1)
    assert progress.text(1) == "starting, 1 s so far"
