"""What a start says that it waits for, and when a wait has become long."""

import asyncio
from pathlib import Path

import pytest

from serving.core.servable import State
from serving.loading import waiting
from serving.loading.waiting import Wait, waits_for
from tests.support import FakeServable, Gate, loads
from tests.support.server_process import wait_until
from tests.unit.loading.house import House


def test_base_path_that_is_not_there(house: House, tmp_path: Path) -> None:
    """What is beside it is said: it is often a name typed wrong."""
    house.models.start((house.config("digitz"),))
    assert waits_for(house.models) == f"Waiting for {tmp_path}/digitz, which does not exist; {tmp_path} has a, b, c"


def test_base_path_without_versions(house: House, tmp_path: Path) -> None:
    """What is in it is said, and what was expected; of several models each is."""
    (tmp_path / "flat").mkdir()
    (tmp_path / "flat" / "saved_model.pb").touch()
    (tmp_path / "empty").mkdir()
    house.models.start(
        (
            house.config("b"),
            house.config("flat"),
            house.config("empty"),
        )
    )
    wait_until("b serves", lambda: house.manager.serving.available("b") == (1,))
    expected = "; expected a directory whose name is a number"
    assert waits_for(house.models) == (
        f"Waiting for a version in {tmp_path}/flat, which has saved_model.pb{expected}; "
        f"for a version in {tmp_path}/empty, which has nothing in it{expected}"
    )


def test_version_that_is_being_loaded(house: House) -> None:
    """Its number, and nothing once it serves."""
    gate = house.gates["a"] = Gate(loads(FakeServable("a")))
    house.models.start((house.config("a"),))
    house.watch.wait_for(State.LOADING, 2, "a")
    assert waits_for(house.models) == "Waiting for version 2 of a, which is being loaded"
    gate.open()
    wait_until("it serves", lambda: not waits_for(house.models))


@pytest.mark.parametrize("early", [False, True])
def test_a_wait_is_long_once(early: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time without a change, and a change begins it anew; looking often in between makes no difference."""
    monkeypatch.setattr(waiting, "_PATIENCE_SECONDS", 0.04)
    monkeypatch.setattr(waiting, "_LOOK_SECONDS", 0.01)

    async def judged() -> list[bool]:
        changed = asyncio.Event()
        wait = Wait(changed.wait, early=early)
        found = [await wait.is_long() for _ in range(8 if early else 1)]
        changed.set()
        return [*found, await wait.is_long()]

    *found, after = asyncio.run(judged())
    assert (found.count(True), after) == (1, False)
