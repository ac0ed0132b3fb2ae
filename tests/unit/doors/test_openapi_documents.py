"""Making documents: a version is tried once while it is loaded, and what goes wrong takes no place for good."""

import json

import pytest

from serving.codecs.openapi import tfs
from serving.codecs.openapi.document import Describing, Terms
from serving.codecs.openapi.parts import Examples
from serving.core.model_spec import ModelSpec
from serving.inference.context import RequestContext
from serving.inference.long_call import LongCall
from serving.inference.trials import Trials
from serving.rest.api.openapi_documents import Documents
from tests.unit.inference.house import House

PROTOCOLS = (Describing(tfs.of_server, tfs.of_version),)
MORE_THAN_WAIT = 40


class Trying:
    """Makes no examples, and counts how often; it fails so many times first."""

    def __init__(self, failing: int = 0) -> None:
        self.times = 0
        self._failing = failing

    def __call__(self, trials: Trials) -> Examples:
        self.times += 1
        if self.times <= self._failing:
            raise ZeroDivisionError
        return Examples()


def made(house: House, documents: Documents, path: str = "m") -> bytes:
    call = house.service.trials(
        ModelSpec("m"),
        lambda trials: documents.of_version(path, trials, by_label=False),
        RequestContext("REST"),
    )
    assert isinstance(call, LongCall)
    return call.here(lambda: False)


def test_a_version_is_tried_once() -> None:
    """By whatever address it is asked for; another that is loaded in its place is tried anew."""
    trying = Trying()
    documents = Documents(PROTOCOLS, trying, Terms(False, "1"))
    house = House()
    paths = [json.loads(made(house, documents, path))["paths"] for path in ("m", "m/versions/1")]
    assert "/v1/models/m:predict" in paths[0]
    assert "/v1/models/m/versions/1:predict" in paths[1]
    assert trying.times == 1
    made(House(), documents)
    assert trying.times == 2


def test_what_failed_is_tried_again() -> None:
    """A defect takes no place from others, and the version is let go."""
    trying = Trying(MORE_THAN_WAIT)
    documents = Documents(PROTOCOLS, trying, Terms(False, "1"))
    house = House()
    for _ in range(MORE_THAN_WAIT):
        with pytest.raises(ZeroDivisionError):
            made(house, documents)
    assert made(house, documents)
    assert house.is_released()
