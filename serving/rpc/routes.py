"""Which handler answers which method; the same table for every transport."""

from collections.abc import Callable, Mapping

from serving.inference.work import Reply
from serving.rpc.model_service import ModelService
from serving.rpc.prediction_service import PredictionService

Handler = Callable[[bytes, int], Reply]
"""Takes the serialised request and the time limit in milliseconds (none if not positive). Raises ServingError."""

_PREDICTION, _MODEL = "/tensorflow.serving.PredictionService/", "/tensorflow.serving.ModelService/"


def routes(prediction: PredictionService, model: ModelService) -> Mapping[str, Handler]:
    """Handlers by full method path. What is not here is UNIMPLEMENTED."""
    return {
        _PREDICTION + "Predict": prediction.predict,
        _PREDICTION + "Classify": prediction.classify,
        _PREDICTION + "Regress": prediction.regress,
        _PREDICTION + "MultiInference": prediction.multi_inference,
        _PREDICTION + "GetModelMetadata": prediction.get_model_metadata,
        _MODEL + "GetModelStatus": model.get_model_status,
    }
