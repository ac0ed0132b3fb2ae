"""Which version is set aside after crashes."""

import signal

import pytest

from serving.processes.blaming import CRASHES, WITHIN_SECONDS, Crash, to_blame
from serving.processes.shared import Running

BAD, BUSY = "{name: bad version: 1}", "{name: busy version: 7}"
ABORT = -signal.SIGABRT


def running(version: str, *, ended: int = 0, loading: bool = False) -> Running:
    return Running(version, 0 if loading else 1, ended, loading)


def crashes(*each: list[Running], status: int = ABORT, apart: float = 1.0) -> list[Crash]:
    return [Crash(at * apart, status, running) for at, running in enumerate(each)]


def test_what_ran_each_time_is_set_aside() -> None:
    """After the last of so many crashes, not before."""
    seen = crashes(*[[running(BAD)]] * CRASHES)
    assert to_blame(seen[:-1]) is None
    assert to_blame(seen) == BAD


def test_a_healthy_version_with_many_calls_is_not_taken_for_it() -> None:
    """It is under way in every crash, too, and thousands of its calls have ended well."""
    both = [running(BUSY, ended=10_000), running(BAD, ended=3)]
    assert to_blame(crashes(*[both] * CRASHES)) == BAD


def test_what_is_being_loaded_comes_before_what_runs() -> None:
    """A version that ends its worker whenever it is loaded has no calls of its own."""
    both = [running(BAD, loading=True), running(BUSY)]
    assert to_blame(crashes(*[both] * CRASHES)) == BAD


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param(crashes([running(BAD)], [running(BUSY)], [running(BAD)]), id="another one each time"),
        pytest.param(crashes([], [running(BAD)], [running(BAD)]), id="nothing was under way once"),
        pytest.param(crashes(*[[running(BAD)]] * CRASHES, status=-signal.SIGKILL), id="killed by somebody"),
        pytest.param(crashes(*[[running(BAD)]] * CRASHES, status=-signal.SIGTERM), id="told to end"),
        pytest.param(crashes(*[[running(BAD)]] * CRASHES, status=0), id="ended by itself"),
        pytest.param(crashes(*[[running(BAD)]] * CRASHES, apart=WITHIN_SECONDS), id="long ago"),
    ],
)
def test_nothing_is_set_aside(seen: list[Crash]) -> None:
    """Where it is not one version again and again, or no crash of its own making."""
    assert to_blame(seen) is None


def test_of_several_that_load_none_is_blamed_until_one_loads_alone() -> None:
    """Workers that begin after such a crash load one at a time."""
    both = [running(BAD, loading=True), running(BUSY, loading=True)]
    assert to_blame(crashes(*[both] * CRASHES)) is None
    assert to_blame(crashes(both, both, [running(BAD, loading=True)])) == BAD


def test_a_load_that_is_killed_is_to_blame() -> None:
    """As by the kernel, for want of memory."""
    assert to_blame(crashes(*[[running(BAD, loading=True)]] * CRASHES, status=-signal.SIGKILL)) == BAD
