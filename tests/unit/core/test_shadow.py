"""Shadow requests as values: which of the requests are drawn, and what is known when processes are added up."""

import json

import pytest

from serving.core.shadow import ShadowState, Share


@pytest.mark.parametrize(
    ("share", "requests", "drawn"),
    [
        pytest.param(1.0, 3, [0, 1, 2], id="all"),
        pytest.param(0.5, 5, [0, 2, 4], id="half"),
        pytest.param(0.1, 21, [0, 10, 20], id="a tenth"),
        pytest.param(0.3, 10, [0, 4, 7], id="three of ten"),
    ],
)
def test_a_share_is_even(share: float, requests: int, drawn: list[int]) -> None:
    """The first one is drawn, and then others at even distances."""
    made = Share(share)
    assert [each for each in range(requests) if made.draws()] == drawn


@pytest.mark.parametrize("share", [0.001, 0.1, 1 / 3, 0.7])
def test_a_share_is_kept_in_the_long_run(share: float) -> None:
    """Rounding adds nothing up."""
    made = Share(share)
    assert sum(made.draws() for _ in range(100_000)) == pytest.approx(100_000 * share, abs=1)


NOTHING = ShadowState(version=2, share=0.5)
SOME = ShadowState(
    version=2,
    share=0.5,
    agreed=3,
    differed=1,
    failed=2,
    dropped=5,
    live_seconds=2.0,
    shadow_seconds=1.0,
    largest_difference=0.25,
    top_1_agreed=3,
    top_1_rows=4,
)


def test_states_of_processes_are_added() -> None:
    """Sums are, and of the differences it is the largest."""
    assert NOTHING.plus(NOTHING) == NOTHING
    assert NOTHING.plus(SOME) == SOME.plus(NOTHING) == SOME
    both = SOME.plus(ShadowState(version=2, share=0.5, agreed=1, live_seconds=1.0, largest_difference=0.5))
    assert (both.compared, both.failed, both.dropped, both.live_seconds) == (5, 2, 5, 3.0)
    assert both.largest_difference == 0.5


def test_a_state_is_shown() -> None:
    """As JSON, with means, and null for what there is not."""
    assert json.loads(json.dumps(SOME.shown())) == {
        "version": "2",
        "share": 0.5,
        "compared": 4,
        "agreed": 3,
        "dropped": 5,
        "failed": 2,
        "seconds": {"live": 0.5, "shadow": 0.25},
        "largest_difference": 0.25,
        "top_1_agreement": 0.75,
    }
    shown = NOTHING.shown()
    assert shown["seconds"] == {"live": None, "shadow": None}
    assert shown["top_1_agreement"] is None
