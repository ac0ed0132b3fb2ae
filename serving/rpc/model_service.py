"""``tensorflow.serving.ModelService``: the states of models (docs/compatibility.md, "Status")."""

from serving.codecs import model_spec
from serving.core.manager import Manager
from serving.inference import status
from serving.protos import GetModelStatusRequest, GetModelStatusResponse
from serving.rpc.prediction_service import parse


class ModelService:
    """The service's methods, bound to the models."""

    def __init__(self, manager: Manager) -> None:
        self._manager = manager

    def get_model_status(self, payload: bytes, timeout_ms: int) -> bytes:
        """``GetModelStatus``; a label is ignored, as TensorFlow Serving does."""
        spec = model_spec.decode(parse(GetModelStatusRequest, payload))
        response = GetModelStatusResponse()
        status.fill(response, status.model_status(self._manager, spec.name, spec.version))
        return bytes(response.SerializeToString())
