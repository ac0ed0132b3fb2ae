"""A share of the campaigns in the suite: Hypothesis draws for every target, and makes what breaks a promise small."""

from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz import targets
from tests.fuzz.drawing import mutated
from tests.fuzz.target import Target
from tests.fuzz.worker import attempt

TARGETS = targets.every()
DRAWN = 200
EXAMPLES = 25
"""Of each, in CI as elsewhere: `make fuzz`, which CI runs as well, tries thousands for every target."""

pytestmark = [
    # protobuf's own, for escapes that Python does not know
    pytest.mark.filterwarnings("ignore:.*invalid escape sequence:DeprecationWarning"),
]


@pytest.fixture(params=TARGETS, ids=lambda target: target.name)
def target(request: pytest.FixtureRequest) -> Target:
    found: Target = request.param
    return found


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """What is refused is logged, again and again."""
    with caplog.at_level("CRITICAL", "serving"):
        yield


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
@settings(max_examples=EXAMPLES)
@given(random=st.randoms(use_true_random=False))
def test_drawn_inputs(target: Target, random: Random) -> None:
    """The promise holds for what the target's generator draws."""
    attempt(target, target.make(random))


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
@settings(max_examples=EXAMPLES)
@given(random=st.randoms(use_true_random=False), data=st.binary(max_size=64))
def test_changed_inputs(target: Target, random: Random, data: bytes) -> None:
    """It holds for a seed with some bytes changed, and for any bytes."""
    attempt(target, data)
    attempt(target, mutated(random, random.choice((*target.seeds, data))))


def test_most_drawn_inputs_are_valid(target: Target) -> None:
    """A generator that mostly drew what is refused would try little but refusals."""
    random = Random(1)
    valid = sum(attempt(target, target.make(random)) for _ in range(DRAWN))
    assert valid > DRAWN // (2 if target.name.startswith("json_bodies") else 4)


def test_every_target_is_named_after_its_module() -> None:
    """By its name a worker finds a target."""
    assert [targets.named(target.name) for target in TARGETS] == TARGETS
    with pytest.raises(LookupError):
        targets.named("json_bodies.none")
