"""Campaigns themselves: they count, they end with the first broken promise, and what broke it can be tried again."""

from pathlib import Path

import pytest

from tests.fuzz import campaign, engines, targets
from tests.fuzz.campaign import Plan, Row
from tests.fuzz.target import Target
from tests.fuzz.worker import attempt

ENGINES = [
    "own",
    pytest.param("guided", marks=pytest.mark.skipif(not engines.has_guide(), reason="no atheris for this machine")),
]


def plan(folder: Path, *names: str, inputs: int = 0, seconds: float = 0, engine: str = "own") -> Plan:
    return Plan(
        targets=[targets.named(f"_broken.{name}") for name in names],
        inputs=inputs,
        seconds=seconds,
        processes=1,
        engine=engine,
        seed=1,
        found=folder / "found",
    )


def rows(plan: Plan) -> list[Row]:
    return [row for row, _ in campaign.run(plan)]


@pytest.mark.parametrize("engine", ENGINES)
def test_inputs_are_counted(tmp_path: Path, engine: str) -> None:
    """All of them, and apart from them the valid ones."""
    (row,) = rows(plan(tmp_path, "keeps", inputs=1000, engine=engine))
    assert (row.target, row.broken) == ("_broken.keeps", None)
    assert 1000 <= row.tried <= 1010  # atheris tries the seeds, and the empty input, beside
    assert row.tried / 5 < row.valid < row.tried


@pytest.mark.parametrize("name", ["raises", "aborts"])
@pytest.mark.parametrize("engine", ENGINES)
def test_input_that_breaks_a_promise_is_kept(tmp_path: Path, engine: str, name: str) -> None:
    """The campaign ends, also where the process did, and the file has the input."""
    first, *others = rows(plan(tmp_path, name, "keeps", inputs=100_000, engine=engine))
    assert others == []
    assert first.broken is not None
    assert first.broken.read_bytes() == b"bad"


def test_kept_input_breaks_it_again() -> None:
    """As it does alone, with its own message."""
    target = targets.named("_broken.raises")
    assert attempt(target, b"good")
    with pytest.raises(AssertionError, match="it is bad"):
        attempt(target, b"bad")


def test_time_ends_a_campaign(tmp_path: Path) -> None:
    """Without a number of inputs it ends by itself."""
    (row,) = rows(plan(tmp_path, "keeps", seconds=0.2))
    assert row.tried > 0


def test_seed_decides_what_is_tried() -> None:
    """The same one draws the same inputs, another one others."""

    def tried(seed: int) -> list[bytes]:
        found: list[bytes] = []

        def trying(target: Target) -> engines.Try:
            return found.append

        engines.own("http.path", trying, seed=seed, inputs=50, seconds=0)
        return found

    assert tried(1) == tried(1) != tried(2)


def test_dear_targets_get_fewer_inputs(tmp_path: Path) -> None:
    """A tenth; in all there are as many as asked for, or a few more."""
    every = targets.every()
    made = Plan(targets=every, inputs=10**7, seconds=120, processes=2, engine="own", seed=1, found=tmp_path)
    shares = {target.name: made.share(target) for target in every}
    assert 10**7 <= sum(inputs for inputs, _ in shares.values()) <= 10**7 + len(every)
    assert shares["configuration.models"][0] * 9 < shares["json_bodies.predict"][0]
    assert sum(seconds for _, seconds in shares.values()) == pytest.approx(240)
