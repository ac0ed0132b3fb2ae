"""Models that change in other processes too, of which one comes to something else."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serving.errors import Code, ServingError
from serving.inference.long_call import Gone
from serving.inference.repository import LoadRequest
from serving.loading.everywhere import Here
from serving.loading.models import never
from tests.support import TIMEOUT_SECONDS
from tests.unit.loading.house import House
from tests.unit.loading.single import Single

FAILED = ServingError(Code.FAILED_PRECONDITION, "it cannot be loaded in the other process")


class Other(Here):
    """Waits here, and then says what has become of it in the other process."""

    says: ServingError | None = None

    def wait(self, what: str, value: Any, timeout: float | None, gone: Gone) -> None:
        """As ``Everywhere``."""
        super().wait(what, value, timeout, gone)
        if self.says is not None:
            raise self.says


@pytest.fixture
def other(tmp_path: Path) -> Iterator[tuple[Single, Other]]:
    """One model serves; there is another one beside it."""
    single = Single(House(tmp_path))
    models = single.house.models
    models.everywhere = other = Other(models.put, models.waits)
    single.house.make("a", 1)
    single.house.make("b", 1)
    single.start(single.house.config("a"))
    yield single, other
    models.close(TIMEOUT_SECONDS)


def test_load_that_fails_in_another_process(other: tuple[Single, Other]) -> None:
    """The model is taken out of the list again, though it serves here."""
    single, elsewhere = other
    elsewhere.says = FAILED
    with pytest.raises(ServingError, match="in the other process"):
        single.models.load(LoadRequest(name="b"), TIMEOUT_SECONDS, never, anywhere=False)
    assert single.house.models.names == ("a",)


def test_load_that_goes_on_in_another_process(other: tuple[Single, Other]) -> None:
    """The wait is over, and the model stays."""
    single, elsewhere = other
    elsewhere.says = ServingError(Code.DEADLINE_EXCEEDED, "in time")
    with pytest.raises(ServingError, match="in time"):
        single.models.load(LoadRequest(name="b"), TIMEOUT_SECONDS, never, anywhere=False)
    assert single.house.models.names == ("a", "b")
