"""The limits of runs inside TensorFlow: how long they are, and that no two runs share a pool."""

import pytest

from serving.protos import ConfigProto
from serving.servables.run_limits import run_limits


@pytest.mark.parametrize(
    ("max_run_seconds", "timeout_ms", "expected"),
    [
        pytest.param(0, 5, 5, id="the caller's"),
        pytest.param(2, 0, 2000, id="the flag's"),
        pytest.param(2, 5000, 2000, id="the flag's, smaller"),
        pytest.param(2, 5, 5, id="the caller's, smaller"),
        pytest.param(-1, 5, 5, id="a negative flag is none"),
        pytest.param(1e-9, 0, 1, id="never rounded to none"),
        pytest.param(float("inf"), 0, 10**15, id="endless"),
        pytest.param(0, 2**70, 2**63 - 1, id="what TensorFlow can count"),
    ],
)
def test_limit_of_a_run(max_run_seconds: float, timeout_ms: int, expected: int) -> None:
    """The smaller of the two that there are."""
    assert run_limits(ConfigProto(), max_run_seconds)[1].milliseconds(timeout_ms) == expected


def test_calls_without_a_limit_have_one_with_the_flag() -> None:
    """And none without it."""
    unlimited = [run_limits(ConfigProto(), seconds)[1].unlimited for seconds in (0, 2)]
    assert [each >= 0 for each in unlimited] == [True, False]


def test_no_two_runs_share_a_pool() -> None:
    """As long as there are enough; the widest come first, and what is given back is taken again."""
    config, limits = run_limits(ConfigProto(inter_op_parallelism_threads=3))
    threads = [pool.num_threads for pool in config.session_inter_op_thread_pool]
    taken = [limits.take_pool() for _ in range(len(threads) - 1)]
    assert len({0, *taken}) == len(threads)
    assert [threads[pool] for pool in taken] == sorted([threads[pool] for pool in taken], reverse=True)
    assert (threads[taken[0]], threads[taken[-1]], threads[0]) == (3, 1, 3)
    assert [limits.take_pool() for _ in range(2)] == [0, 0]
    for pool in (0, taken[-1], taken[0]):
        limits.give_pool(pool)
    assert [limits.take_pool() for _ in range(3)] == [taken[0], taken[-1], 0]


@pytest.mark.parametrize("given", ["use_per_session_threads: true", "session_inter_op_thread_pool { num_threads: 2 }"])
def test_pools_of_a_configuration_stay(given: str) -> None:
    """Who configures them knows why; runs go where TensorFlow puts them."""
    from google.protobuf import text_format

    config = text_format.Parse(given, ConfigProto())
    made, limits = run_limits(config)
    assert (made, limits.take_pool()) == (config, 0)
