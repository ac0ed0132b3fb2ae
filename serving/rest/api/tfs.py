"""TensorFlow Serving's REST API (docs/compatibility.md, "REST predict", "REST classify and regress", "Status")."""

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING, Any

from serving.codecs.json import example as json_example
from serving.codecs.json import proto as json_proto
from serving.codecs.json import results as json_results
from serving.codecs.json.example import ExampleDocument
from serving.codecs.predict.request import Reader
from serving.codecs.protobuf.prediction_log import LogType
from serving.core.model_spec import ModelSpec
from serving.core.results import Classification
from serving.core.servable import ServableId, ServableState, State
from serving.errors import ServingError, invalid_argument
from serving.inference import status
from serving.inference.call import Reply
from serving.inference.context import RequestContext
from serving.inference.operations import ExamplesForm, Result
from serving.inference.placement import check_inline
from serving.inference.service import Service
from serving.protos import GetModelStatusResponse
from serving.protos import ModelSpec as ModelSpecMessage
from serving.rest import errors, media
from serving.rest.answer import JSON, Answer
from serving.rest.api import tfs_paths
from serving.rest.api.tfs_paths import Route, VersionTooLargeError
from serving.rest.api.tfs_predict import Writers, arrays_form, json_form, protobuf_form
from serving.rest.encoding import as_encoded
from serving.rest.endpoint import Endpoint
from serving.rest.media import Form, Forms

if TYPE_CHECKING:
    from serving.rest.api.versions import Versions

_BYTE_SECONDS = 2e-7
"""To read a body of many small Examples."""


_HEADERS = ("content-type", "accept", "content-encoding")
"""Headers that say how a request is read and answered."""

_LONGEST_REMEMBERED = 512
"""Characters of a path and these headers whose endpoint is remembered: clients ask for few, and for short ones."""

Prepare = Callable[[ModelSpec, Any], Callable[[bytes, RequestContext], Reply]]
"""A method of the service, for an address and a form."""


class TfsApi:
    """The API; ``as_content`` is --enable_serialization_as_tensor_content, ``exact_digits`` --rest_exact_digits."""

    name = "tfs"

    def __init__(self, service: Service, *, as_content: bool, exact_digits: bool) -> None:
        self._service = service
        self._reader = Reader()
        self._remembered = lru_cache(1024)(self._endpoint)
        self._writers = Writers(as_content=as_content, exact_digits=exact_digits)
        self._forms: Mapping[str, tuple[Prepare, Any]] = {
            "predict": (service.predicting, json_form(self._writers)),
            "classify": (partial(partial, service.classify), examples_form(LogType.CLASSIFY)),
            "regress": (partial(partial, service.regress), examples_form(LogType.REGRESS)),
        }

    def claims(self, path: str) -> bool:
        """As ``RestApi``."""
        return tfs_paths.is_api(path)

    def model_in(self, method: str, path: str) -> str:
        """As ``RestApi``."""
        return tfs_paths.name_in(method, path)

    def endpoint(self, method: str, path: str, headers: Mapping[str, str]) -> Endpoint:
        """As ``RestApi``. INVALID_ARGUMENT if the path fits neither grammar."""
        asked = [headers.get(name, "") for name in _HEADERS]
        known = len(path) + sum(map(len, asked)) <= _LONGEST_REMEMBERED
        return (self._remembered if known else self._endpoint)(method, path, *asked)

    def _endpoint(self, method: str, path: str, content_type: str, accept: str, encoding: str) -> Endpoint:
        if method == "GET" and path.lower() == "/v1/models":
            return Endpoint("", self._models, JSON, takes_body=False)
        if method == "POST" and tfs_paths.OWN.fullmatch(path):
            return self._versions.endpoint(path, encoding)
        route = tfs_paths.match(method, path)
        spec = ModelSpec(route.name, route.version, route.label)
        if method == "GET":
            if not route.name:
                raise invalid_argument("Missing model name in request.")
            answer = self._metadata if route.method == "metadata" else self._status
            return Endpoint(route.name, partial(answer, spec), JSON, takes_body=False)
        forms = media.JSON_ONLY
        if route.method == "predict":
            forms = media.forms(content_type, accept)
        prepare, form = self._forms[route.method] if forms is media.JSON_ONLY else self._binary(route, forms)
        return Endpoint(route.name, prepare(spec, as_encoded(form, encoding)), forms.answer.value)

    def failure(self, error: Exception) -> Answer | None:
        """As ``RestApi``."""
        if isinstance(error, VersionTooLargeError):
            return Answer(400, b"", JSON)
        return errors.answer(error) if isinstance(error, ServingError) else None

    @cached_property
    def _versions(self) -> "Versions":
        from serving.rest.api.versions import Versions  # who asks for neither does without

        return Versions(self._service, json_form(self._writers))

    def _binary(self, route: Route, forms: Forms) -> tuple[Prepare, Any]:
        """What answers Predict where the body or the answer is not JSON."""
        if forms.request is Form.JSON:
            return self._service.predicting, json_form(self._writers, forms.answer)
        if forms.request is Form.PROTOBUF:
            return self._service.predicting, protobuf_form(self._writers, forms.answer, self._reader, route)
        return self._service.predicting, arrays_form(self._writers, forms.answer)

    def _status(self, spec: ModelSpec, body: bytes, context: RequestContext) -> bytes:
        """The versions of a model; a label is ignored, as TensorFlow Serving does."""
        return _encoded(_status_json(self._service.status(spec, context)))

    def _metadata(self, spec: ModelSpec, body: bytes, context: RequestContext) -> Reply:
        """The signatures of the version that would answer."""
        return self._service.metadata(spec, _metadata_json, context)

    def _models(self, body: bytes, context: RequestContext) -> bytes:
        """The names of the models that are there, as KServe reads it; of every model the states of its versions."""
        models = self._service.models(context)
        names = [json_proto.quote(name) for name, states in models.items() if not all(map(_is_gone, states))]
        members = [f" {json_proto.quote(name)}: {_status_json(states)}" for name, states in models.items()]
        return _encoded(f'{{\n"models": [{", ".join(names)}],\n"states": {{\n' + ",\n".join(members) + "}\n}\n")


def _read_examples(payload: bytes, limited: bool) -> ExampleDocument:
    check_inline(len(payload) * _BYTE_SECONDS, limited=limited)
    return json_example.read(payload)


def _results(results: Iterable[tuple[str, Result]], servable_id: ServableId) -> bytes:
    ((_, result),) = results
    if isinstance(result, Classification):
        return json_results.classifications(result)
    return json_results.regressions(result)


def examples_form(log_type: LogType) -> ExamplesForm:
    """JSON with a list of examples, for Classify or Regress."""
    return ExamplesForm(api=log_type.name.lower(), log_type=log_type, read=_read_examples, encode=_results)


def _metadata_json(servable_id: ServableId, signatures: Any) -> bytes:
    answered = ModelSpecMessage(name=servable_id.name, version={"value": servable_id.version})
    return _encoded(
        f'{{\n"model_spec":{json_proto.dumps(answered)},\n'
        f'"metadata": {{"signature_def": {json_proto.dumps(signatures)}}}\n}}\n'
    )


def _is_gone(state: ServableState) -> bool:
    return state.state is State.END


def _status_json(states: tuple[ServableState, ...]) -> str:
    response = GetModelStatusResponse()
    status.fill(response, states)
    return json_proto.dumps(response)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
