"""The Open Inference Protocol, version 2, over REST (docs/dialects.md, "Open Inference Protocol").

What Triton adds to it and this server has nothing of, such as shared memory, is in ``open_inference_fixed``.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import orjson

from serving.codecs.open_inference.infer import address
from serving.core.model_spec import ModelSpec
from serving.errors import Code, ServingError, invalid_argument
from serving.inference import model_description, statistics
from serving.inference.call import Reply
from serving.inference.context import NO_MODEL, RequestContext
from serving.inference.model_description import ModelDescription
from serving.inference.service import Service
from serving.rest import errors
from serving.rest.answer import JSON, Answer
from serving.rest.api import open_inference_fixed as fixed
from serving.rest.api.open_inference_infer import HEADER_LENGTH, answer, form
from serving.rest.api.tfs_paths import decoded
from serving.rest.endpoint import Endpoint

_API = re.compile(r"/v2(?:[/?#](?!.*:(?:predict|classify|regress)$).*)?", re.DOTALL)
"""Not TensorFlow Serving's verbs, which are of no use below another version than /v1: they have its page, as there."""

_MODEL = r"/v2/models/([^/?#]+)(?:/versions/([^/?#]+))?"
_NAMED = re.compile(_MODEL + r"(?:[/?#].*)?", re.DOTALL)

_LONGEST_REMEMBERED = 512
"""Characters of a path and these headers whose endpoint is remembered: clients ask for few, and for short ones."""


class _Asked(NamedTuple):
    """A request as its head says it; ``model`` and ``version`` are empty where the path has none."""

    path: str
    query: str
    model: str
    version: str
    header_length: str | None
    encoding: str

    @property
    def spec(self) -> ModelSpec:
        """Which version is asked for."""
        return address(self.model, self.version)

    @property
    def signature_name(self) -> str:
        """The signature that a query names, as the parameter of requests does; empty without."""
        if not self.query:
            return ""
        found = parse_qs(self.query, max_num_fields=16)
        return (found.get("signature_name") or found.get("signature") or [""])[0]


Find = Callable[[_Asked], Endpoint]
Route = tuple[str, re.Pattern[str], Find]


class OpenInferenceApi:
    """The API. ``routes`` are tried in their order: a method, a pattern of the path without its query, what answers."""

    name = "open_inference"

    def __init__(self, service: Service) -> None:
        self._service = service
        self._remembered = lru_cache(1024)(self._endpoint)
        self.routes: list[Route] = [
            _route("POST", _MODEL + "/infer", self._infer),
            _route("GET", "/v2/health/live", lambda _: Endpoint("", self._live, JSON, takes_body=False, early=True)),
            _route("GET", "/v2/health/ready", lambda _: Endpoint("", self._ready, JSON, takes_body=False)),
            _route("GET", "/v2/?", lambda _: Endpoint("", self._server, JSON, takes_body=False)),
            _route("GET", "/v2/models/stats", lambda _: Endpoint("", self._all_statistics, JSON, takes_body=False)),
            *fixed.routes(service),
            _route("GET", _MODEL + "/ready", self._of_model(self._model_ready)),
            _route("GET", _MODEL + "/stats", self._of_model(self._statistics)),
            _route("GET", _MODEL + "/config", self._of_model(partial(self._description, model_description.config))),
            _route("GET", _MODEL, self._of_model(partial(self._description, model_description.metadata))),
        ]

    def claims(self, path: str) -> bool:
        """As ``RestApi``."""
        return _API.fullmatch(path) is not None

    def model_in(self, method: str, path: str) -> str:
        """As ``RestApi``."""
        found = _NAMED.fullmatch(path)
        return decoded(found[1]) if found else ""

    def endpoint(self, method: str, path: str, headers: Mapping[str, str]) -> Endpoint:
        """As ``RestApi``. NOT_FOUND for a path that there is not, INVALID_ARGUMENT for another method of one."""
        length, encoding = headers.get(HEADER_LENGTH), headers.get("content-encoding", "")
        known = len(path) + len(length or "") + len(encoding) <= _LONGEST_REMEMBERED
        return (self._remembered if known else self._endpoint)(method, path, length, encoding)

    def failure(self, error: Exception) -> Answer | None:
        """As ``RestApi``."""
        return errors.answer(error) if isinstance(error, ServingError) else None

    def _endpoint(self, method: str, target: str, header_length: str | None, encoding: str) -> Endpoint:
        path, _, query = target.partition("#")[0].partition("?")
        others = []
        for verb, pattern, find in self.routes:
            found = pattern.fullmatch(path)
            if found is None:
                continue
            if verb == method:
                names = [decoded(name or "") for name in (*found.groups(), "", "")]
                return find(_Asked(path, query, names[0], names[1], header_length, encoding))
            others.append(verb)
        if others:
            raise invalid_argument(f"{method} {path[:256]} cannot be answered; expected {' or '.join(others)}")
        raise ServingError(
            Code.NOT_FOUND,
            f"There is no {path[:256]} in the Open Inference Protocol as this server has it; docs/dialects.md lists "
            "what there is",
        )

    def _infer(self, asked: _Asked) -> Endpoint:
        call = self._service.inferring(asked.spec, form(asked.header_length, asked.encoding))
        return Endpoint(asked.model, call, JSON, answer=answer)

    def _of_model(self, call: Callable[[_Asked, bytes, RequestContext], Reply]) -> Find:
        return lambda asked: Endpoint(asked.model, partial(call, asked), JSON, takes_body=False)

    def _live(self, body: bytes, context: RequestContext) -> bytes:
        """Whether the process answers: it does."""
        context.right = None
        self._service.admit(context, NO_MODEL, len(body))
        return b'{"live":true}'

    def _ready(self, body: bytes, context: RequestContext) -> bytes:
        if not self._service.server_ready(context):
            raise ServingError(Code.UNAVAILABLE, "The server is not ready: not every model is available")
        return b'{"ready":true}'

    def _server(self, body: bytes, context: RequestContext) -> bytes:
        return orjson.dumps(self._service.server_metadata(context))

    def _model_ready(self, asked: _Asked, body: bytes, context: RequestContext) -> bytes:
        if not self._service.model_ready(asked.spec, context):
            version = f' has no version "{asked.version}" that' if asked.version else " has no version that"
            raise ServingError(Code.NOT_FOUND, f'The model "{asked.model}"{version} is available')
        return _json({"name": asked.model, "ready": True})

    def _description(
        self,
        shown: Callable[[ModelDescription], Mapping[str, Any]],
        asked: _Asked,
        body: bytes,
        context: RequestContext,
    ) -> Reply:
        """The version that would answer, by the signature that the query names or the default one."""
        return self._service.describe(asked.spec, asked.signature_name, lambda model: _json(shown(model)), context)

    def _statistics(self, asked: _Asked, body: bytes, context: RequestContext) -> Reply:
        return self._service.statistics(asked.spec, _statistics_json, context)

    def _all_statistics(self, body: bytes, context: RequestContext) -> Reply:
        return self._service.statistics(NO_MODEL, _statistics_json, context)


def _route(method: str, pattern: str, find: Find) -> Route:
    return method, re.compile(pattern), find


def _statistics_json(versions: Any) -> bytes:
    return _json(statistics.statistics(versions))


def _json(value: Mapping[str, Any]) -> bytes:
    """One line. A model's name may have bytes that are no Unicode, which JSON cannot carry."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        name = str(value.get("name", "")).encode("utf-8", "replace").decode()
        return orjson.dumps({**value, "name": name})
