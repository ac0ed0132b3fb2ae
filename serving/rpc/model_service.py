"""``tensorflow.serving.ModelService``: the states of models, and another list of them in place of the present one."""

from serving.codecs.protobuf import model_spec
from serving.core.manager import Manager
from serving.inference import status
from serving.inference.errand import Errand, Gone
from serving.inference.reload import Apply, MetricValue, reload, unknown_metric
from serving.protos import GetModelStatusRequest, GetModelStatusResponse, ReloadConfigRequest
from serving.rpc.prediction_service import parse


class ModelService:
    """The service's methods, bound to the models."""

    def __init__(self, manager: Manager, apply: Apply, metric_value: MetricValue = unknown_metric) -> None:
        self._manager = manager
        self._apply = apply
        self._metric_value = metric_value

    def get_model_status(self, payload: bytes, timeout_ms: int) -> bytes:
        """``GetModelStatus``; a label is ignored, as TensorFlow Serving does."""
        spec = model_spec.decode(parse(GetModelStatusRequest, payload))
        response = GetModelStatusResponse()
        status.fill(response, status.model_status(self._manager, spec.name, spec.version))
        return bytes(response.SerializeToString())

    def handle_reload_config_request(self, payload: bytes, timeout_ms: int) -> Errand:
        """``HandleReloadConfigRequest``; waits for the new models (docs/compatibility.md, "Reload")."""
        request = parse(ReloadConfigRequest, payload)

        def do(gone: Gone) -> bytes:
            response = reload(request, self._apply, self._metric_value, timeout_ms=timeout_ms, gone=gone)
            return bytes(response.SerializeToString())

        return Errand(do)
