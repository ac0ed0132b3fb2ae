"""Which versions the policies choose out of those there are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.core.version_policy import All, Latest, Specific, VersionPolicy, choose, missing

CASES = [
    pytest.param(Latest(), [1, 3, 2], (3,), id="latest"),
    pytest.param(Latest(num_versions=2), [1, 3, 2], (3, 2), id="latest-2"),
    pytest.param(Latest(num_versions=0), [1, 2], (2,), id="latest-0-counts-as-1"),
    pytest.param(Latest(num_versions=9), [1, 2], (2, 1), id="latest-more-than-there-are"),
    pytest.param(Latest(), [], (), id="latest-of-nothing"),
    pytest.param(Latest(), [-1, -2], (-1,), id="negative-numbers"),
    pytest.param(All(), [1, 3, 3, 2], (3, 2, 1), id="all-once-each"),
    pytest.param(Specific(versions=frozenset({1, 7})), [1, 2, 3], (1,), id="specific-as-far-as-there"),
    pytest.param(Specific(versions=frozenset()), [1], (), id="specific-nothing"),
]


@pytest.mark.parametrize(("policy", "versions", "chosen"), CASES)
def test_choose(policy: VersionPolicy, versions: list[int], chosen: tuple[int, ...]) -> None:
    """Each policy gives its versions, highest first."""
    assert choose(policy, versions) == chosen


@pytest.mark.parametrize(
    ("policy", "versions", "absent"),
    [
        pytest.param(Specific(versions=frozenset({7, 1, 5})), [1, 2], (5, 7), id="specific"),
        pytest.param(Specific(versions=frozenset({1})), [1], (), id="nothing-missing"),
        pytest.param(Latest(num_versions=3), [1], (), id="latest-names-none"),
        pytest.param(All(), [], (), id="all-names-none"),
    ],
)
def test_missing(policy: VersionPolicy, versions: list[int], absent: tuple[int, ...]) -> None:
    """Only a specific policy can miss versions."""
    assert missing(policy, versions) == absent


@given(versions=st.lists(st.integers()), count=st.integers(min_value=1, max_value=5))
def test_latest_leaves_out_only_lower(versions: list[int], count: int) -> None:
    """Latest gives as many as it can, and nothing it leaves out is higher than what it gives."""
    chosen = choose(Latest(num_versions=count), versions)
    left = set(versions) - set(chosen)
    assert len(chosen) == min(count, len(set(versions)))
    assert all(each < min(chosen) for each in left)
