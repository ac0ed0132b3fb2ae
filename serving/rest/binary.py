"""Predict where the body, the answer or both are not JSON (docs/compatibility.md, "Binary predict").

Not JSON to JSON, which is the handlers' own road. Protobuf is read and written by the code that gRPC uses.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from google.protobuf.message import DecodeError

from serving.codecs.arrays import npy, npz
from serving.codecs.arrays.npy import NpyArray
from serving.codecs.json import request as json_request
from serving.codecs.json import response as json_response
from serving.codecs.predict import response as predict_response
from serving.codecs.predict.request import Reader
from serving.codecs.protobuf.prediction_log import LogType
from serving.core.manager import Manager
from serving.core.model_spec import ModelSpec
from serving.core.predict_plan import Prediction, PredictPlan
from serving.core.servable import Servable, ServableId
from serving.core.signature import DEFAULT_SIGNATURE_NAME, Signature
from serving.core.tensor import Tensor
from serving.errors import invalid_argument
from serving.inference import messages, predict
from serving.inference.work import Work
from serving.request_log.log import Messages, RequestLog
from serving.rest import logged, signatures
from serving.rest.media import Form, Forms
from serving.rest.routes import Route
from serving.telemetry.serving_metrics import Call


class Bound(NamedTuple):
    """A request and the servable it is for. ``signature_name`` is never empty; ``messages`` makes what is logged."""

    prediction: Prediction
    signature_name: str
    messages: Callable[[ServableId], Messages]


Bind = Callable[[Servable, bool], Bound]
"""The second half of reading a request: its servable, and whether method names are checked."""

Read = Callable[[Route, bytes], Bind]
"""The first half, for which no model is needed."""

Encode = Callable[[list[Tensor]], bytes]


class BinaryPredict:
    """Predict in every form but JSON alone.

    ``as_content`` is --enable_serialization_as_tensor_content, ``exact_digits`` --rest_exact_digits.
    """

    def __init__(
        self,
        manager: Manager,
        request_log: RequestLog,
        *,
        timeout_ms: int,
        check_method_name: bool,
        as_content: bool,
        exact_digits: bool,
    ) -> None:
        self._manager = manager
        self._request_log = request_log
        self._timeout_ms = timeout_ms
        self._check_method_name = check_method_name
        self._as_content = as_content
        self._outputs = partial(json_response.outputs, exact_digits=exact_digits)
        self._readers: Mapping[Form, Read] = {
            Form.PROTOBUF: partial(_read_protobuf, Reader()),
            Form.NPY: _read_arrays,
            Form.NPZ: _read_arrays,
            Form.JSON: _read_json,
        }

    def predict(self, route: Route, body: bytes, forms: Forms, call: Call) -> Work:
        """The call of a request in ``forms.request``, whose answer is written in ``forms.answer``."""
        bind = self._readers[forms.request](route, body)
        handle = self._manager.acquire(route.name, route.version, route.label)
        with handle.released_on_error():
            bound = bind(handle.servable, self._check_method_name)
            encode = self._encoder(forms.answer, bound, handle.id)
            work = Work(bound.prediction, encode, handle, self._timeout_ms, call)
            if self._request_log.draws(handle.id):
                logs = bound.messages(handle.id)
                work.log = self._request_log.keeper(LogType.PREDICT, handle.id, bound.signature_name, logs)
            return work

    def _encoder(self, form: Form, bound: Bound, servable_id: ServableId) -> Encode:
        outputs, name = bound.prediction.outputs, bound.signature_name
        if form is Form.PROTOBUF:
            return lambda tensors: predict_response.encode(
                outputs, tensors, servable_id, name, as_content=self._as_content
            )
        if form is Form.JSON:
            return lambda tensors: self._outputs(dict(zip(outputs, tensors, strict=True)))
        if form is Form.NPZ:
            return lambda tensors: npz.write(dict(zip(outputs, tensors, strict=True)))
        if len(outputs) != 1:
            raise invalid_argument(
                f"The answer has {len(outputs)} outputs, {_names(outputs)}, and application/x-npy carries one; "
                "expected Accept: application/x-npz, application/x-protobuf or application/json"
            )
        return lambda tensors: npy.write(outputs[0], tensors[0])


def _read_protobuf(reader: Reader, route: Route, body: bytes) -> Bind:
    """A PredictRequest. INVALID_ARGUMENT if it is none, or if it names another model than the URL does."""
    try:
        request = reader.read(body)
    except DecodeError:
        raise invalid_argument(
            f"Cannot parse the body of {len(body)} bytes; expected a tensorflow.serving.PredictRequest message"
        ) from None
    spec = request.spec or ModelSpec("")
    _check_agrees(spec, route)

    def bind(servable: Servable, check_method_name: bool) -> Bound:
        prediction = messages.bind_request(servable, request, check_method_name=check_method_name)
        logs = partial(logged.predict_message, route, spec.signature_name, body, prediction)
        return Bound(prediction, spec.signature, logs)

    return bind


def _check_agrees(spec: ModelSpec, route: Route) -> None:
    for what, given, addressed in (
        ("name", spec.name or None, route.name),
        ("version", spec.version, route.version),
        ("version_label", spec.label, route.label),
    ):
        if given is not None and given != addressed:
            wanted = "none" if addressed is None else f'"{addressed}"'
            raise invalid_argument(
                f'The model_spec of the request has the {what} "{given}", the URL {wanted}; expected the same, or none '
                "in the model_spec"
            )


def _read_arrays(route: Route, body: bytes) -> Bind:
    """One array for the only input, or an archive of arrays by the names of the inputs; the first bytes say which."""
    array = None if body.startswith(npz.SIGNATURE) else npy.read(memoryview(body))
    archive = npz.read(body) if array is None else {}

    def bind(servable: Servable, check_method_name: bool) -> Bound:
        signature = predict.find_signature(servable, DEFAULT_SIGNATURE_NAME, check_method_name=check_method_name)
        arrays = archive if array is None else {_only_input(signature): array}
        return _bound(route, "", servable, signature, _tensors(signature, arrays))

    return bind


def _only_input(signature: Signature) -> str:
    needed = [alias for alias in signature.inputs if alias not in signature.defaults] or list(signature.inputs)
    if len(needed) != 1:
        raise invalid_argument(
            f"The body is one array, and signature {signature.name} has the inputs {_names(needed)}; expected an .npz "
            "archive with an array for each, by these names"
        )
    return needed[0]


def _tensors(signature: Signature, arrays: Mapping[str, NpyArray]) -> dict[str, Tensor]:
    signature.feeds(tuple(arrays))  # names come before dtypes
    return {alias: array.tensor(alias, signature.inputs[alias].dtype) for alias, array in arrays.items()}


def _read_json(route: Route, body: bytes) -> Bind:
    document = json_request.read(body)

    def bind(servable: Servable, check_method_name: bool) -> Bound:
        signature = signatures.for_json(servable, document.signature_name)
        _, inputs = document.tensors(signature.inputs)
        if check_method_name:
            predict.check(signature)
        return _bound(route, document.signature_name, servable, signature, inputs)

    return bind


def _bound(route: Route, given: str, servable: Servable, signature: Signature, inputs: Mapping[str, Tensor]) -> Bound:
    """``given`` is the signature's name as the request has it."""
    prediction = PredictPlan(servable, signature).bind(inputs)
    logs = partial(logged.predict, route, given, inputs, prediction)
    return Bound(prediction, given or DEFAULT_SIGNATURE_NAME, logs)


def _names(aliases: tuple[str, ...] | list[str]) -> str:
    return "{" + ",".join(sorted(aliases)) + "}"
