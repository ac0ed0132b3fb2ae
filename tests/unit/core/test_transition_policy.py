"""What the transition policy decides, as a table of snapshots."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.core.lifecycle import HarnessState
from serving.core.transition_policy import Decision, Snapshot, Step, availability_preserving

NEW, LOADING, WAITING, READY = (
    HarnessState.NEW,
    HarnessState.LOADING,
    HarnessState.WAITING,
    HarnessState.READY,
)
QUIESCING, ERROR = HarnessState.QUIESCING, HarnessState.ERROR


def aspired(version: int, state: HarnessState) -> Snapshot:
    return Snapshot(version=version, state=state, aspired=True)


def superseded(version: int, state: HarnessState = READY) -> Snapshot:
    return Snapshot(version=version, state=state, aspired=False)


def load(version: int) -> Decision:
    return Decision(step=Step.LOAD, version=version)


def unload(version: int) -> Decision:
    return Decision(step=Step.UNLOAD, version=version)


AVAILABILITY = [
    pytest.param([], None, id="nothing"),
    pytest.param([aspired(1, NEW), aspired(2, NEW)], load(2), id="highest-new-first"),
    pytest.param([aspired(1, NEW), aspired(2, LOADING)], load(1), id="the-other-one-while-it-loads"),
    pytest.param([aspired(2, ERROR), aspired(1, NEW)], load(1), id="one-that-failed-was-tried"),
    pytest.param([aspired(2, NEW), superseded(1)], load(2), id="new-before-old"),
    pytest.param([aspired(2, LOADING), superseded(1)], None, id="old-stays-while-new-loads"),
    pytest.param([aspired(2, WAITING), superseded(1)], None, id="old-stays-between-attempts"),
    pytest.param([aspired(2, ERROR), superseded(1)], None, id="old-stays-when-new-failed"),
    pytest.param([aspired(2, QUIESCING), superseded(1)], None, id="old-stays-while-new-is-on-its-way-out"),
    pytest.param([aspired(2, READY), superseded(1)], unload(1), id="old-goes-when-new-is-ready"),
    pytest.param([aspired(3, READY), aspired(4, NEW), superseded(1)], unload(1), id="unload-before-load"),
    pytest.param([aspired(3, LOADING), superseded(2), superseded(1)], unload(1), id="all-old-but-one-go"),
    pytest.param([superseded(2), superseded(1)], unload(1), id="lowest-first-when-nothing-is-aspired"),
    pytest.param([superseded(1)], unload(1), id="the-last-when-nothing-is-aspired"),
    pytest.param([superseded(1, LOADING)], None, id="loading-cannot-be-unloaded"),
    pytest.param([superseded(1, QUIESCING)], None, id="on-its-way-out"),
    pytest.param([aspired(1, READY)], None, id="settled"),
]


@pytest.mark.parametrize(("versions", "decision"), AVAILABILITY)
def test_availability_preserving(versions: list[Snapshot], decision: Decision | None) -> None:
    """The old version is unloaded only when it is not needed."""
    assert availability_preserving(versions) == decision


SNAPSHOTS = st.lists(
    st.builds(Snapshot, version=st.integers(1, 9), state=st.sampled_from(HarnessState), aspired=st.booleans()),
    unique_by=lambda each: each.version,
)


@given(versions=SNAPSHOTS)
def test_availability_rule(versions: list[Snapshot]) -> None:
    """A version is unloaded only if nothing is aspired, an aspired one is ready, or another old one stays ready."""
    decision = availability_preserving(versions)
    wanted = [each for each in versions if each.aspired]
    old = [each.version for each in versions if not each.aspired and each.state is READY]
    if decision is not None and decision.step is Step.UNLOAD:
        assert decision.version == min(old)
        assert not wanted or any(each.state is READY for each in wanted) or len(old) > 1


@given(versions=SNAPSHOTS)
def test_decisions_can_be_carried_out(versions: list[Snapshot]) -> None:
    """Only new aspired versions are loaded, only ready superseded ones unloaded."""
    decision = availability_preserving(versions)
    if decision is not None:
        (chosen,) = [each for each in versions if each.version == decision.version]
        expected = (NEW, True) if decision.step is Step.LOAD else (READY, False)
        assert (chosen.state, chosen.aspired) == expected
