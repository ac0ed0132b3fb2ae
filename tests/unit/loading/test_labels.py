"""One label moved by request: what it is checked for, what else stays, how long it lasts."""

import pytest

from serving.core.servable import State
from serving.errors import Code, ServingError
from tests.support import TIMEOUT_SECONDS
from tests.unit.loading.single import Single


@pytest.fixture
def single(single: Single) -> Single:
    """Both versions of ``a`` answer."""
    for version in (1, 2):
        single.house.watch.wait_for(State.AVAILABLE, version, "a")
    return single


def labels(single: Single, name: str = "a") -> dict[str, int]:
    """The labels of a model, as requests find them."""
    return dict(single.house.manager.serving.labels.get(name, {}))


def refusal(single: Single, name: str, label: str, version: int) -> Code:
    """The code with which a move ends."""
    with pytest.raises(ServingError) as raised:
        single.models.move_label(name, label, version)
    return raised.value.code


def test_labels_come_and_move(single: Single) -> None:
    """One at a time; the others stay."""
    single.models.move_label("a", "x", 1)
    single.models.move_label("a", "y", 1)
    done = single.models.move_label("a", "x", 2)
    assert labels(single) == {"x": 2, "y": 1}
    assert done.note == "the label is for version 2, until a list comes by HandleReloadConfigRequest or the server ends"


def test_versions_that_do_not_answer(single: Single) -> None:
    """They are refused, as in a list, and so are models that are not in it; nothing changes."""
    single.models.move_label("a", "x", 1)
    assert refusal(single, "a", "x", 7) is Code.FAILED_PRECONDITION
    assert refusal(single, "b", "x", 1) is Code.NOT_FOUND
    assert labels(single) == {"x": 1}


def test_a_label_whose_version_has_gone_keeps_no_other(single: Single) -> None:
    """Only the label that is moved is looked at."""
    house = single.house
    single.models.move_label("a", "old", 2)
    (house.directory / "a" / "2").rename(house.directory / "a" / "was 2")
    house.models.wait(lambda: house.manager.answerable("a") == (1,), TIMEOUT_SECONDS)
    single.models.move_label("a", "new", 1)
    assert labels(single) == {"old": 2, "new": 1}


def test_a_list_wins(single: Single) -> None:
    """The next whole one says what the labels are; where it says the same, the answer says so."""
    single.models.move_label("a", "x", 1)
    single.house.reload(single.house.config("a", labels={"y": 2}))
    assert labels(single) == {"y": 2}
    assert single.models.move_label("a", "y", 2).note == "the label is for version 2, as the list of models says"
