"""Vertex AI's API for custom containers: two paths that it chooses itself (docs/dialects.md, "Vertex AI")."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from serving.codecs.json import parameters
from serving.codecs.json.request import PredictDocument
from serving.core.model_spec import ModelSpec
from serving.errors import ServingError, invalid_configuration
from serving.inference.placement import check_inline
from serving.inference.service import Service
from serving.rest.answer import JSON, Answer
from serving.rest.api import hosted, tfs_paths
from serving.rest.api.hosted import Models, health, method_not_allowed
from serving.rest.api.tfs_predict import Writers, json_form, read_json
from serving.rest.encoding import as_encoded
from serving.rest.endpoint import Endpoint
from serving.settings import Settings

_PLAIN_BYTE_SECONDS, _BYTE_SECONDS = 4e-9, 6e-8
"""To read a byte of a body, and of one that has parameters somewhere."""


class VertexAiApi:
    """The API, for --vertex_ai_predict_route and --vertex_ai_health_route; ``ready`` says whether every model serves.

    Raises ConfigurationError for routes that are no paths.
    """

    name = "vertex_ai"

    def __init__(
        self, service: Service, settings: Settings, ready: Callable[[], bool], models: Callable[[], Sequence[str]]
    ) -> None:
        self._predict_route = _route("vertex_ai_predict_route", settings.vertex_ai_predict_route)
        self._health_route = _route("vertex_ai_health_route", settings.vertex_ai_health_route)
        self._models = Models(
            service, models, settings.default_model, "a predict route that names one, /v1/models/MODEL:predict"
        )
        self._health = health(service, ready)
        self._spec = _addressed(self._predict_route)
        writers = Writers(
            as_content=settings.enable_serialization_as_tensor_content, exact_digits=settings.rest_exact_digits
        )
        form = replace(json_form(writers), read=_read)
        self._predict, self._predict_compressed = (
            Endpoint(self._spec.name, self._models.predicting(self._spec, as_encoded(form, encoding)), JSON)
            for encoding in ("", "gzip")
        )

    def claims(self, path: str) -> bool:
        """As ``RestApi``; Vertex AI asks for nothing else."""
        return path in (self._predict_route, self._health_route)

    def model_in(self, method: str, path: str) -> str:
        """As ``RestApi``."""
        return self._spec.name if path == self._predict_route else ""

    def endpoint(self, method: str, path: str, headers: Mapping[str, str]) -> Endpoint:
        """As ``RestApi``. Status 405 for another method."""
        if method == "GET" and path == self._health_route:
            return self._health
        if method == "POST" and path == self._predict_route:
            return self._predict_compressed if "gzip" in headers.get("content-encoding", "") else self._predict
        raise method_not_allowed(method, path, "POST" if path == self._predict_route else "GET")

    def failure(self, error: Exception) -> Answer | None:
        """As ``RestApi``."""
        return hosted.failure(error)


def _read(payload: bytes, limited: bool) -> PredictDocument:
    check_inline(len(payload) * _PLAIN_BYTE_SECONDS, limited=limited)  # before all of it is searched
    if not parameters.has_parameters(payload):
        return read_json(payload, limited)
    check_inline(len(payload) * _BYTE_SECONDS, limited=limited)
    return read_json(parameters.with_signature(payload), limited)


def _route(flag: str, path: str) -> str:
    if path and (not path.startswith("/") or "?" in path or "#" in path):
        raise invalid_configuration(f"--{flag} is {path}; expected a path, such as /predict, without a query")
    return path


def _addressed(route: str) -> ModelSpec:
    """What a route of TensorFlow Serving's form names; nothing for any other."""
    try:
        found = tfs_paths.match("POST", route)
    except ServingError:
        return ModelSpec("")
    return ModelSpec(found.name, found.version, found.label)
