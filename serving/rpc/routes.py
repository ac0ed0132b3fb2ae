"""Which handler answers which method; the same table for every transport."""

import math
from collections.abc import Callable, Mapping

from serving.inference.errand import Errand
from serving.inference.work import Reply
from serving.rpc.model_service import ModelService
from serving.rpc.prediction_service import PredictionService

Handler = Callable[[bytes, int], Reply | Errand]
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
        _MODEL + "HandleReloadConfigRequest": model.handle_reload_config_request,
    }


def time_limit_ms(remaining_seconds: float | None) -> int:
    """The time limit of a call whose deadline is that far away, in milliseconds; 0 is none, without a deadline.

    Never 0 with one: a call that waited for a thread until its deadline must not become a call without a limit.
    """
    return 0 if remaining_seconds is None else max(1, math.ceil(remaining_seconds * 1000))
