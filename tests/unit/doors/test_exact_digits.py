"""--rest_exact_digits at the REST API: which digits long answers have, and that short ones have TensorFlow's."""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import Future

import numpy as np
import pytest

from serving.codecs.json.decimals import MOST_EXACT
from serving.core.manager import Manager
from serving.core.servable import Run
from serving.core.signature import Signature, TensorInfo
from serving.core.tensor import DataType, Tensor
from serving.inference.call import Call
from serving.rest.api.tfs import TfsApi
from tests.support import FakeServable, loads, settle
from tests.support.request_layer import REST, request_layer

SHORTEST, EXACT = b"0.33333334", b"0.333333343"


class Thirds(FakeServable):
    """A servable that answers with as many thirds as the number it is given says, in one row."""

    @property
    def signatures(self) -> Mapping[str, Signature]:
        given = {"count": TensorInfo(name="count:0", dtype=DataType.INT32)}
        name = "serving_default"
        return {name: Signature(name=name, inputs=given, outputs={"y": TensorInfo(name="y:0", dtype=DataType.FLOAT)})}

    def resolve(self, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> Run:
        return _Run()


class _Run:
    inline = True

    def inline_for(self, tensors: Sequence[Tensor]) -> bool:
        return self.inline

    def __call__(self, tensors: Sequence[Tensor], timeout_ms: int) -> list[Tensor]:
        return [Tensor(DataType.FLOAT, np.full((1, int(tensors[0].array.sum())), 1 / 3, np.float32))]

    def submit(self, tensors: Sequence[Tensor], timeout_ms: int) -> "Future[list[Tensor]]":
        raise NotImplementedError


@pytest.mark.parametrize("layout", ["instances", "inputs"])
@pytest.mark.parametrize(
    ("exact_digits", "count", "digits"),
    [
        pytest.param(False, MOST_EXACT + 1, SHORTEST, id="long"),
        pytest.param(True, MOST_EXACT + 1, EXACT, id="long-with-the-flag"),
        pytest.param(False, MOST_EXACT, EXACT, id="short"),
    ],
)
def test_the_flag_and_the_length_decide_the_digits(layout: str, exact_digits: bool, count: int, digits: bytes) -> None:
    """Long answers have the shortest digits, unless the flag is given; others have TensorFlow Serving's."""
    manager = Manager()
    manager.set_aspired("m", {1: loads(Thirds())})
    settle(manager)
    api = TfsApi(request_layer(manager), as_content=False, exact_digits=exact_digits)
    call = api.endpoint("POST", "/v1/models/m:predict", {}).call(json.dumps({layout: [count]}).encode(), REST)
    assert isinstance(call, Call)
    body = call.here()
    assert body.count(digits) == count
    assert (EXACT in body) is (digits == EXACT)
