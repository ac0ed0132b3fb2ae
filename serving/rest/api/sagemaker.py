"""SageMaker's API for containers, as the TensorFlow Serving container of AWS has it (docs/dialects.md, "SageMaker").

Loading and unloading models one by one is in sagemaker_models.py.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from serving.codecs.protobuf.prediction_log import LogType
from serving.core.model_spec import ModelSpec
from serving.errors import invalid_argument
from serving.inference.call import Reply
from serving.inference.operations import ExamplesForm
from serving.inference.service import Service
from serving.rest.answer import JSON, Answer
from serving.rest.api import hosted
from serving.rest.api.hosted import Models, health, method_not_allowed
from serving.rest.api.sagemaker_forms import Body, body_of, predict_form, wanted
from serving.rest.api.tfs import examples_form
from serving.rest.api.tfs_predict import Writers
from serving.rest.encoding import as_encoded
from serving.rest.endpoint import Endpoint
from serving.settings import Settings

_PING, _INVOCATIONS = "/ping", "/invocations"
_ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
_HEADERS = ("content-type", "accept", _ATTRIBUTES, "content-encoding")
_ATTRIBUTE = re.compile(r"(tfs-[a-z-]+)=([^,]+)")
_NAME, _VERSION, _METHOD = "tfs-model-name", "tfs-model-version", "tfs-method"
_METHODS = ("predict", "classify", "regress")
_DIGITS = re.compile(r"[0-9]{1,18}", re.ASCII)
_LARGEST_SHOWN = 64
_LONGEST_REMEMBERED = 512
"""Characters of a model and these headers whose endpoint is remembered: clients ask for few, and for short ones."""


class SageMakerApi:
    """The API, for --sagemaker; ``ready`` says whether every model serves."""

    name = "sagemaker"

    def __init__(
        self, service: Service, settings: Settings, ready: Callable[[], bool], models: Callable[[], Sequence[str]]
    ) -> None:
        self._models = Models(service, models, settings.default_model, f"{_NAME}=… in {_ATTRIBUTES}")
        self._ping = health(service, ready)
        self._writers = Writers(
            as_content=settings.enable_serialization_as_tensor_content, exact_digits=settings.rest_exact_digits
        )
        self._examples: Mapping[str, tuple[Callable[..., Reply], ExamplesForm]] = {
            "classify": (service.classify, examples_form(LogType.CLASSIFY)),
            "regress": (service.regress, examples_form(LogType.REGRESS)),
        }
        self._remembered = lru_cache(256)(self._invoke)

    def claims(self, path: str) -> bool:
        """As ``RestApi``."""
        return _without_query(path) in (_PING, _INVOCATIONS)

    def model_in(self, method: str, path: str) -> str:
        """As ``RestApi``; headers name the models."""
        return ""

    def endpoint(self, method: str, path: str, headers: Mapping[str, str]) -> Endpoint:
        """As ``RestApi``. Status 405 for another method, 415 for a body of a type that is not read."""
        if _without_query(path) == _PING:
            if method != "GET":
                raise method_not_allowed(method, _PING, "GET")
            return self._ping
        if method != "POST":
            raise method_not_allowed(method, _INVOCATIONS, "POST")
        return self.invocation("", headers)

    def invocation(self, model: str, headers: Mapping[str, str]) -> Endpoint:
        """What answers an invocation of ``model``; if that is empty, of what headers name. Raises ServingError."""
        asked = [model, *(headers.get(name, "") for name in _HEADERS)]
        known = sum(map(len, asked)) <= _LONGEST_REMEMBERED
        return (self._remembered if known else self._invoke)(*asked)

    def failure(self, error: Exception) -> Answer | None:
        """As ``RestApi``."""
        return hosted.failure(error)

    def _invoke(self, model: str, content_type: str, accept: str, attributes: str, encoding: str) -> Endpoint:
        """What answers an invocation; ``model`` is that of the path, if it has one."""
        given = dict(_ATTRIBUTE.findall(attributes))
        spec = ModelSpec(model or given.get(_NAME, ""), _version(given.get(_VERSION)))
        method = given.get(_METHOD, "predict")
        if method not in _METHODS:
            raise invalid_argument(f"{_METHOD} is {method[:_LARGEST_SHOWN]}; expected one of {', '.join(_METHODS)}")
        body, answer = body_of(content_type), wanted(accept)
        if method == "predict":
            form = as_encoded(predict_form(self._writers, body, answer), encoding)
            return Endpoint(spec.name, self._models.predicting(spec, form), answer.content_type)
        if body is not Body.JSON or encoding:
            raise invalid_argument(f"{_METHOD}={method} takes examples in application/json, not compressed")
        return Endpoint(spec.name, self._models.examining(spec, *self._examples[method]), JSON)


def _version(text: str | None) -> int | None:
    if text is None:
        return None
    if _DIGITS.fullmatch(text) is None:
        raise invalid_argument(f"{_VERSION} is {text[:_LARGEST_SHOWN]}; expected the number of a version")
    return int(text)


def _without_query(path: str) -> str:
    return path.partition("?")[0]
