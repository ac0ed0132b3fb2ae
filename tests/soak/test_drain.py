"""Thirty of the stops that ``make soak-drain`` makes a thousand of."""

from pathlib import Path

import pytest

from tests.soak.__main__ import table
from tests.soak.clients import Outcome
from tests.soak.stops import KINDS, stop

STOPS = 30


@pytest.mark.parametrize("kind", KINDS)
def test_no_call_is_lost(models: Path, kind: str) -> None:
    """What was sent whole before the server closed is answered, and each server ends with status 0."""
    numbers = [number for number in range(STOPS) if KINDS[number % len(KINDS)] == kind]
    done = [stop(number, models / "half_plus_three") for number in numbers]
    assert all(each.outcomes[Outcome.ANSWERED.value] > each.clients for each in done)
    assert [each.status for each in done] == [0] * len(done)
    assert sum(each.outcomes.get(Outcome.LOST.value, 0) for each in done) == 0, table(done)
