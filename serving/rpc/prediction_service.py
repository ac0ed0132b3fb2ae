"""``tensorflow.serving.PredictionService``: serialised requests in, replies out (docs/compatibility.md, "gRPC")."""

from typing import Any

from google.protobuf.message import DecodeError

from serving.codecs import model_spec, predict_response, tensor_proto
from serving.core.manager import Manager
from serving.core.tensor import Tensor
from serving.errors import Code, ServingError, invalid_argument
from serving.inference import metadata, predict
from serving.inference.work import Work
from serving.protos import GetModelMetadataRequest, GetModelMetadataResponse, PredictRequest


class PredictionService:
    """The service's methods, bound to the models and to the settings that change answers."""

    def __init__(self, manager: Manager, *, as_content: bool, check_method_name: bool) -> None:
        self._manager = manager
        self._as_content = as_content
        self._check_method_name = check_method_name

    def predict(self, payload: bytes, timeout_ms: int) -> Work:
        """``Predict``; steps and texts as docs/compatibility.md, "gRPC Predict"."""
        request = parse(PredictRequest, payload)
        spec = model_spec.decode(request)
        model_spec.check_name(spec)
        handle = self._manager.acquire(spec.name, spec.version, spec.label)
        try:
            name = spec.signature
            signature = predict.find_signature(handle.servable, name, check_method_name=self._check_method_name)
            feeds = signature.feeds(tuple(request.inputs))
            given = [_tensor(alias, request.inputs[alias]) for alias in feeds.aliases]
            prediction = predict.bind(handle.servable, signature, feeds, given, tuple(request.output_filter))
        except BaseException:
            handle.release()
            raise
        outputs, servable_id, as_content = prediction.outputs, handle.id, self._as_content

        def encode(tensors: list[Tensor]) -> bytes:
            return predict_response.encode(outputs, tensors, servable_id, name, as_content=as_content)

        return Work(prediction, encode, handle, timeout_ms)

    def get_model_metadata(self, payload: bytes, timeout_ms: int) -> bytes:
        """``GetModelMetadata``: the signatures, packed as SignatureDefMap."""
        request = parse(GetModelMetadataRequest, payload)
        spec = model_spec.decode(request)
        metadata.check_fields(request.metadata_field)
        model_spec.check_name(spec)
        with self._manager.acquire(spec.name, spec.version, spec.label) as handle:
            response = GetModelMetadataResponse()
            response.model_spec.name = handle.id.name
            response.model_spec.version.value = handle.id.version
            response.metadata[metadata.SIGNATURE_DEF].Pack(metadata.signature_def_map(handle.servable))
        return bytes(response.SerializeToString())


def parse(message_class: Any, payload: bytes) -> Any:
    """The request message; INTERNAL, as gRPC's own deserialisation, if the bytes are none."""
    try:
        return message_class.FromString(payload)
    except DecodeError:
        name = message_class.DESCRIPTOR.full_name
        raise ServingError(
            Code.INTERNAL, f"Cannot parse the request of {len(payload)} bytes; expected a {name} message"
        ) from None


def _tensor(alias: str, proto: Any) -> Tensor:
    tensor = tensor_proto.decode(proto)
    if tensor is None:
        raise invalid_argument(f"tensor parsing error: {alias}")
    return tensor
