"""Comparisons in the request layer: each version is asked as ever, and there are not too many at a time."""

import json

import pytest

from serving.codecs.json.comparison import written
from serving.core.model_spec import ModelSpec
from serving.errors import Code, ServingError
from serving.inference.comparing import MOST, Comparisons
from serving.inference.context import RequestContext
from serving.inference.long_call import LongCall, client_gone
from serving.inference.principal import Principal, Right
from serving.rest.api.tfs_predict import Writers, json_form
from tests.support import TIMEOUT_SECONDS, loads, settle
from tests.unit.inference.house import House, Model

FORM = json_form(Writers(as_content=False, exact_digits=False))
BOTH = ModelSpec("m", 1), ModelSpec("m", 2)
BODY = b'{"instances": [1.0]}'


@pytest.fixture
def house() -> House:
    """Two versions of a model."""
    made = House()
    made.manager.set_aspired("m", {1: loads(made.model), 2: loads(Model())})
    settle(made.manager)
    return made


def begin(house: House, comparisons: Comparisons | None = None, body: bytes = BODY) -> LongCall:
    """A comparison of both."""
    return (comparisons or Comparisons(house.service, written)).begin(BOTH, FORM, body, RequestContext("REST"))


def test_both_are_asked(house: House) -> None:
    """Each is counted, and logged with its version."""
    house.log.models = {"m": True}
    document = json.loads(begin(house).elsewhere().result(TIMEOUT_SECONDS))
    assert [each["predictions"] for each in document["answers"]] == [[2.0], [2.0]]
    assert house.counts() == {("m", "OK"): 2}
    assert [each.version for each in house.log.asked] == [1, 2]


def test_an_error_of_both_is_the_answer(house: House) -> None:
    """Once."""
    with pytest.raises(ServingError) as raised:
        begin(house, body=b"{").here(lambda: False)
    assert raised.value.code is Code.INVALID_ARGUMENT
    assert raised.value.message.count("JSON Parse error") == 1


def test_too_many(house: House) -> None:
    """Those that were given up, and those that have ended, leave room."""
    comparisons = Comparisons(house.service, written)
    waiting = [begin(house, comparisons) for _ in range(MOST)]
    with pytest.raises(ServingError, match="16 comparisons are under way") as raised:
        begin(house, comparisons)
    assert raised.value.code is Code.RESOURCE_EXHAUSTED
    waiting[0].give_up(client_gone())
    waiting[1].here(lambda: False)
    begin(house, comparisons)
    begin(house, comparisons)
    with pytest.raises(ServingError):
        begin(house, comparisons)


def test_who_asks_is_known() -> None:
    """A policy says so of each version's request; the comparison's own is told."""
    principal = Principal(name="p", rights=frozenset((Right.PREDICT,)))

    def admit(context: RequestContext, address: ModelSpec, size: int) -> None:
        context.principal = principal

    context = RequestContext("REST")
    one = (ModelSpec("m", 1), ModelSpec("m", 1))
    Comparisons(House(admit=admit).service, written).begin(one, FORM, BODY, context).here(lambda: False)
    assert context.principal is principal
    assert context.place is None
