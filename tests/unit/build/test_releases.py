"""Which release of TensorFlow is too old for the options of a compile, by the names that the devel image takes."""

import pytest

from build.plan import Options
from build.preflight import expected
from build.releases import older
from tests.unit.build.test_contract import PINS
from tests.unit.build.values import plan


@pytest.mark.parametrize(
    ("version", "branch", "commit", "options", "expected"),
    [
        pytest.param("2.21.0", "", "", "", "", id="the-pinned"),
        pytest.param("2.22.0rc1", "", "", "", "", id="newer"),
        pytest.param("3.0.0", "", "", "", "", id="a-new-major-version"),
        pytest.param("2.20.0", "", "", "", "2.20.0", id="older"),
        pytest.param("1.15.5", "", "", "", "1.15.5", id="of-another-time"),
        pytest.param("2.21.0", "r2.19", "", "", "r2.19", id="branch"),
        pytest.param("2.21.0", "2.19.1", "", "", "2.19.1", id="release"),
        pytest.param("2.21.0", "v2.9.0", "", "", "v2.9.0", id="tag-by-number-and-not-by-letters"),
        pytest.param("2.20.0", "r2.21", "", "", "", id="the-branch-wins"),
        pytest.param("2.20.0", "master", "HEAD", "", "2.20.0", id="upstreams-defaults-stand-for-the-version"),
        pytest.param("2.20.0", "", "0123abc", "", "", id="nobody-knows-a-commit"),
        pytest.param("2.21.0", "nightly", "", "", "", id="nobody-knows-a-name"),
        pytest.param("2.20.0", "", "", "--config=mkl", "", id="options-of-ones-own"),
        pytest.param("2.20.0", "", "", "--config=release --copt=-O3", "2.20.0", id="beside-the-release"),
    ],
)
def test_older(version: str, branch: str, commit: str, options: str, expected: str) -> None:
    """The name that decides, if it is that of an older release and the options are those of this build."""
    assert older(version, branch, commit, options) == expected


def test_the_pinned_release_is_not_too_old() -> None:
    """What is compiled by default is held by the options."""
    assert older(PINS["tensorflow"]["version"], "", "", "") == ""


def test_the_plan_says_so() -> None:
    """`python -m build plan` runs no checks, so it shows this one among what to expect."""
    old = plan("arm64", options=Options(git_branch="r2.19"))
    assert any("TensorFlow r2.19 is older than 2.21" in line for line in expected(old))
    assert not any("older" in line for line in expected(plan("arm64")))
