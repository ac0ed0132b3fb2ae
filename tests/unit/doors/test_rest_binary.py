"""What the REST API does beside the answer when bodies are binary: counting, logging, protobuf as gRPC has it."""

import io
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serving.core.manager import Manager
from serving.core.request_logging import RequestLogging
from serving.core.servable import Run
from serving.core.signature import Signature, TensorInfo
from serving.core.tensor import DataType, Tensor
from serving.errors import Code, ServingError
from serving.inference.call import Call
from serving.protos import PredictionLog, PredictRequest, PredictResponse
from serving.request_log.log import RequestLog
from serving.request_log.writer import RecordWriter
from serving.rest.api.tfs import TfsApi
from serving.rest.media import Form
from serving.telemetry.serving_metrics import ServingMetrics
from tests.support import TIMEOUT_SECONDS, FakeServable, ManualClock, loads, settle
from tests.support.request_layer import REST, request_layer
from tests.unit.request_log.disk import MOMENT, Disk

PATH = "/v1/models/m/versions/1:predict"


class Doubling(FakeServable):
    """A servable whose signature ``serving_default`` has one float input and gives its double; also under ``again``."""

    @property
    def signatures(self) -> Mapping[str, Signature]:
        info = TensorInfo(name="x:0", dtype=DataType.FLOAT)
        output = TensorInfo(name="y:0", dtype=DataType.FLOAT)
        names = ("serving_default", "again", "other")
        return {
            name: Signature(
                name=name,
                inputs={"x": info},
                outputs={"y": output},
                method_name="other" if name == "other" else "tensorflow/serving/predict",
            )
            for name in names
        }

    def resolve(self, feeds: tuple[str, ...], fetches: tuple[str, ...]) -> Run:
        return _Run()


class _Run:
    inline = True

    def inline_for(self, tensors: Sequence[Tensor]) -> bool:
        return self.inline

    def __call__(self, tensors: Sequence[Tensor], timeout_ms: int) -> list[Tensor]:
        return [Tensor(tensor.dtype, tensor.array * 2) for tensor in tensors]

    def submit(self, tensors: Sequence[Tensor], timeout_ms: int) -> "Future[list[Tensor]]":
        raise NotImplementedError


def manager() -> Manager:
    """A manager that serves version 1 of ``m``."""
    made = Manager()
    made.set_aspired("m", {1: loads(Doubling())})
    settle(made)
    return made


def npy(*values: float) -> bytes:
    """What numpy.save writes of floats."""
    file = io.BytesIO()
    np.save(file, np.array(values, np.float32))
    return file.getvalue()


def protobuf(signature_name: str = "") -> bytes:
    """A serialised PredictRequest with one 1.0, which names no model."""
    request = PredictRequest(model_spec={"signature_name": signature_name}, output_filter=["y"])
    request.inputs["x"].dtype = DataType.FLOAT
    request.inputs["x"].float_val.append(1.0)
    request.inputs["x"].tensor_shape.dim.add(size=1)
    return bytes(request.SerializeToString())


def answer(made: TfsApi, body: bytes, request: Form, reply: Form | None = None) -> bytes:
    """The body that answers a request."""
    types = {"content-type": request.value.decode(), "accept": (reply or request).value.decode()}
    endpoint = made.endpoint("POST", PATH, types)
    assert endpoint.content_type == (reply or request).value
    call = endpoint.call(body, REST)
    assert isinstance(call, Call)
    return call.here()


def api(*, as_content: bool = False, **more: Any) -> TfsApi:
    """The API on that manager; ``more`` is for the request layer."""
    return TfsApi(request_layer(manager(), **more), as_content=as_content, exact_digits=False)


@pytest.mark.parametrize(
    ("as_content", "form"), [pytest.param(False, "float_val", id="fields"), pytest.param(True, "content", id="content")]
)
def test_protobuf_answers_are_those_of_grpc(as_content: bool, form: str) -> None:
    """--enable_serialization_as_tensor_content decides where the numbers are, as in answers over gRPC."""
    body = answer(api(as_content=as_content), protobuf(), Form.PROTOBUF)
    tensor = PredictResponse.FromString(body).outputs["y"]
    given = tensor.float_val if form == "float_val" else np.frombuffer(tensor.tensor_content, np.float32)
    assert list(given) == [2.0]


@pytest.mark.parametrize(
    ("make", "form"), [pytest.param(npy, Form.NPY, id="npy"), pytest.param(protobuf, Form.PROTOBUF, id="protobuf")]
)
def test_requests_are_counted_as_those_in_json(make: Callable[[], bytes], form: Form) -> None:
    """Answers and refusals go into the same series, whatever their form."""
    metrics = ServingMetrics()
    made = api(metrics=metrics)
    answer(made, make(), form)
    with pytest.raises(ServingError):
        answer(made, b"no", form)
    page = metrics.page().decode()
    assert ':tensorflow:serving:request_count{model_name="m",status="OK"} 1' in page
    assert ':tensorflow:serving:request_count{model_name="m",status="INVALID_ARGUMENT"} 1' in page
    assert ':tensorflow:serving:request_latency_count{model_name="m",API="predict",entrypoint="REST"} 1' in page


def logged(body: bytes, form: Form, reply: Form) -> Any:
    """The record of a request that is answered and logged."""
    disk = Disk()
    writer = RecordWriter(Path("/logs"), max_file_bytes=1 << 20, max_queued_bytes=1 << 20, create=disk.create)
    log = RequestLog(writer, clock=ManualClock(MOMENT))
    log.follow({"m": RequestLogging(filename_prefix="m", rate=1.0)})
    answer(api(request_log=log), body, form, reply)
    log.close(TIMEOUT_SECONDS)
    ((record,),) = disk.records.values()
    return PredictionLog.FromString(record).predict_log


@pytest.mark.parametrize("reply", Form)
@pytest.mark.parametrize(
    ("body", "form"),
    [
        pytest.param(npy(1.0), Form.NPY, id="npy"),
        pytest.param(protobuf(), Form.PROTOBUF, id="protobuf"),
        pytest.param(b'{"instances": [1]}', Form.JSON, id="JSON"),
    ],
)
def test_log_has_the_messages(body: bytes, form: Form, reply: Form) -> None:
    """What is logged are the messages gRPC would have carried; the request names the model as the URL does."""
    record = logged(body, form, reply)
    spec = record.request.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("m", 1, "")
    assert list(record.request.inputs) == ["x"]
    assert list(record.response.outputs["y"].float_val) == [2.0]
    assert record.response.model_spec.signature_name == "serving_default"


def test_log_keeps_what_a_message_asked_for() -> None:
    """Signature and filter of a PredictRequest are in its record."""
    record = logged(protobuf("again"), Form.PROTOBUF, Form.NPY)
    assert (record.request.model_spec.signature_name, list(record.request.output_filter)) == ("again", ["y"])
    assert record.response.model_spec.signature_name == "again"


@pytest.mark.parametrize(
    ("body", "form", "code"),
    [
        pytest.param(protobuf("other"), Form.PROTOBUF, Code.INTERNAL, id="protobuf"),
        pytest.param(b'{"signature_name": "other", "inputs": [1]}', Form.JSON, Code.INTERNAL, id="JSON"),
        pytest.param(protobuf("none"), Form.PROTOBUF, Code.FAILED_PRECONDITION, id="unknown"),
        pytest.param(b'{"signature_name": "none"}', Form.JSON, Code.INVALID_ARGUMENT, id="unknown in JSON"),
    ],
)
def test_signatures_are_checked(body: bytes, form: Form, code: Code) -> None:
    """--enable_signature_method_name_check holds, and each form has the errors it has elsewhere."""
    with pytest.raises(ServingError) as caught:
        answer(api(check_method_names=True), body, form, Form.NPY)
    assert caught.value.code is code


def test_a_refused_request_holds_no_lease() -> None:
    """A version whose request was refused can be unloaded at once."""
    servable = Doubling()
    made = Manager()
    made.set_aspired("m", {1: loads(servable)})
    settle(made)
    with pytest.raises(ServingError):
        answer(TfsApi(request_layer(made), as_content=False, exact_digits=False), protobuf("none"), Form.PROTOBUF)
    made.set_aspired("m", {})
    settle(made)
    assert servable.closed == 1
