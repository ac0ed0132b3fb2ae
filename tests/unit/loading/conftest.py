"""What the tests of lists of models share: houses of models."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import TIMEOUT_SECONDS
from tests.unit.loading.house import House
from tests.unit.loading.single import Single


@pytest.fixture
def make_house(tmp_path: Path) -> Iterator[Callable[..., House]]:
    """Makes houses, which are closed at the end."""
    houses: list[House] = []

    def make(allow_unavailable_labels: bool = False) -> House:
        houses.append(House(tmp_path, allow_unavailable_labels=allow_unavailable_labels))
        return houses[-1]

    yield make
    for house in houses:
        for gate in house.gates.values():
            gate.open()
        house.models.close(TIMEOUT_SECONDS)


@pytest.fixture
def house(make_house: Callable[..., House]) -> House:
    """One that serves nothing yet; ``a`` has versions 1 and 2, ``b`` and ``c`` one each."""
    house = make_house()
    house.make("a", 1, 2)
    house.make("b", 1)
    house.make("c", 1)
    return house


@pytest.fixture
def single(house: House) -> Single:
    """``a`` is served; ``b`` and ``c`` are beside it."""
    made = Single(house)
    made.start(house.config("a"))
    return made
