"""Request messages bound to a servable: what gRPC calls and replayed warm-up records have in common.

The model a message names is not looked at here; whoever calls has resolved it, or (warm-up) is loading it.
"""

from typing import Any

from serving.codecs.predict import request as predict_request
from serving.codecs.predict.request import PredictRequest
from serving.codecs.protobuf import example_input, model_spec
from serving.core.model_spec import ModelSpec
from serving.core.predict_plan import Prediction
from serving.core.servable import Servable
from serving.core.tensor import Tensor
from serving.errors import invalid_argument
from serving.inference import examples, multi_inference, predict
from serving.inference.examples import Planner
from serving.inference.multi_inference import PlannedRun, Task


def bind_predict(servable: Servable, request: Any, *, check_method_name: bool) -> Prediction:
    """The call of a PredictRequest message; steps and texts as docs/compatibility.md, "gRPC Predict"."""
    return bind_request(servable, predict_request.of_message(request), check_method_name=check_method_name)


def bind_request(servable: Servable, request: PredictRequest, *, check_method_name: bool) -> Prediction:
    """The same for a request that was read."""
    name = (request.spec or ModelSpec("")).signature
    signature = predict.find_signature(servable, name, check_method_name=check_method_name)
    feeds = signature.feeds(request.sent)
    given = [_tensor(alias, request.tensor(alias)) for alias in feeds.aliases]
    return predict.bind(servable, signature, feeds, given, request.output_filter)


def bind_examples(servable: Servable, request: Any, planner: Planner, *, check_method_name: bool) -> Prediction:
    """The call of a ClassificationRequest or RegressionRequest, whose ``planner`` says which."""
    name = model_spec.decode_spec(request.model_spec).signature
    signature = examples.find_signature(servable, name)
    plan = planner(servable, name, signature, check_method_name=check_method_name)
    return examples.bind(servable, plan, example_input.decode(request.input))


def tasks_of(request: Any) -> list[Task]:
    """The tasks of a MultiInferenceRequest."""
    return [Task(model_spec.decode_spec(task.model_spec), task.method_name) for task in request.tasks]


def bind_multi_inference(servable: Servable, request: Any, *, check_method_names: bool) -> PlannedRun:
    """The one call of a MultiInferenceRequest."""
    serialized = example_input.decode(request.input)
    return multi_inference.bind(servable, tasks_of(request), serialized, check_method_names=check_method_names)


def _tensor(alias: str, tensor: Tensor | None) -> Tensor:
    if tensor is None:
        raise invalid_argument(f"tensor parsing error: {alias}")
    return tensor
