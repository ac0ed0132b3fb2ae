"""Infer: named tensors bound to a version, and the time that a request gives its run."""

import pytest

from serving.codecs.open_inference.infer import InferInput, InferRequest, WantedOutput
from serving.codecs.protobuf.prediction_log import LogType
from serving.core.model_spec import ModelSpec
from serving.core.tensor import DataType
from serving.errors import Code, ServingError
from serving.inference import infer
from serving.inference.call import Call
from serving.inference.context import RequestContext
from serving.inference.operations import InferForm
from tests.support.models import floats
from tests.unit.inference.house import House


def asked(house: House, request: InferRequest, timeout_ms: int = 0) -> Call:
    """The call that a request comes to."""
    form = InferForm(
        api="infer",
        log_type=LogType.PREDICT,
        read=lambda payload, limited: request,
        missing=infer.missing,
        bind=lambda request, plans, signature, _: (
            *infer.bind(request, plans, signature),
            lambda outputs: ",".join(outputs).encode(),
        ),
    )
    reply = house.service.inferring(ModelSpec("m"), form)(b"", RequestContext("REST", timeout_ms=timeout_ms))
    assert isinstance(reply, Call)
    return reply


def given(*names: str) -> dict[str, InferInput]:
    """Inputs of one float each."""
    return {name: InferInput(name, DataType.FLOAT, (1,), lambda: floats(1)) for name in names}


@pytest.mark.parametrize(
    ("own", "wanted", "expected"), [(0, 0, 0), (0, 20, 20), (50, 20, 20), (10, 20, 10), (10, 0, 10)]
)
def test_time_limits(own: int, wanted: int, expected: int) -> None:
    """The shorter one counts: that of the server, or of the call, and that of the request."""
    call = asked(House(), InferRequest(given("x"), timeout_ms=wanted), own)
    assert call.timeout_ms == expected
    call.here()


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (InferRequest(given("a", "b"), signature_name="two"), b"y,z"),
        (InferRequest(given("b", "a"), signature_name="two"), b"y,z"),
        (InferRequest(given("a"), signature_name="two"), b"y,z"),
        (InferRequest(given("a"), (WantedOutput("z"),), signature_name="two"), b"z"),
    ],
)
def test_signatures_and_outputs(request_: InferRequest, expected: bytes) -> None:
    """Inputs in any order, those with defaults left out; outputs as they are asked for."""
    assert asked(House(), request_).here() == expected


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (InferRequest(given("x"), signature_name="other"), 'no signature "other"'),
        (InferRequest(given("y")), "invalid name|Missing but required|not found"),
        (InferRequest(given("x"), (WantedOutput("w"),)), "w"),
        (InferRequest({"x": InferInput("x", DataType.INT32, (1,), lambda: floats(1))}), "expected FP32"),
    ],
)
def test_refused(request_: InferRequest, expected: str) -> None:
    with pytest.raises(ServingError, match=expected) as caught:
        asked(House(), request_)
    assert caught.value.code is Code.INVALID_ARGUMENT
