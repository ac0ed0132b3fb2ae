"""SageMaker's multi-model endpoints: models are loaded, listed, unloaded and invoked one by one.

Everything that is no inference here is for SageMaker itself (docs/dialects.md, "SageMaker").
"""

import re
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from urllib.parse import parse_qs, unquote

import orjson

from serving.core.version_policy import All
from serving.errors import Code, LimitError, ServingError, invalid_argument
from serving.inference.call import Reply
from serving.inference.context import RequestContext
from serving.inference.long_call import Gone, LongCall
from serving.inference.repository import Done, LoadRequest
from serving.inference.service import Service
from serving.rest.answer import JSON, Answer
from serving.rest.api import hosted
from serving.rest.api.hosted import StatusError, method_not_allowed
from serving.rest.api.sagemaker import SageMakerApi
from serving.rest.endpoint import Endpoint

_PATH = re.compile(r"/models(?:/([^/?#]+)(/invoke)?)?(?:\?(.*))?")
_BELOW = re.compile(r"/models(?:[/?].*)?")
_PAGE = 100
"""Models in one answer to a question for all."""

_LARGEST_BODY = 65536
_LONGEST_SHOWN = 64
_WITHOUT_LIMIT = 0
_STATUS: Mapping[Code, int] = MappingProxyType({Code.RESOURCE_EXHAUSTED: 507, Code.FAILED_PRECONDITION: 500})
"""Of a load that fails: with 507 SageMaker unloads others and tries again."""


class SageMakerModelsApi:
    """The API, for --sagemaker_multi_model; ``invoke`` answers what names a model in its path."""

    name = "sagemaker"

    def __init__(self, service: Service, invoke: SageMakerApi) -> None:
        self._service = service
        self._invoke = invoke

    def claims(self, path: str) -> bool:
        """As ``RestApi``."""
        return path.startswith("/models") and _BELOW.fullmatch(path) is not None

    def model_in(self, method: str, path: str) -> str:
        """As ``RestApi``."""
        found = _PATH.fullmatch(path)
        return unquote(found[1] or "") if found else ""

    def endpoint(self, method: str, path: str, headers: Mapping[str, str]) -> Endpoint:
        """As ``RestApi``. NOT_FOUND for a path that there is not, status 405 for another method."""
        found = _PATH.fullmatch(path)
        if found is None:
            raise ServingError(Code.NOT_FOUND, "There is no such path; expected /models, or /models/MODEL and /invoke")
        name = unquote(found[1] or "")
        match method, bool(name), bool(found[2]):
            case "POST", True, True:
                return self._invoke.invocation(name, headers)
            case "POST", False, False:
                return Endpoint("", self._load, JSON)
            case "GET", False, False:
                return Endpoint("", partial(self._list, _token(found[3] or "")), JSON, takes_body=False)
            case "GET", True, False:
                return Endpoint(name, partial(self._describe, name), JSON, takes_body=False)
            case "DELETE", True, False:
                return Endpoint(name, partial(self._unload, name), JSON, takes_body=False)
            case _:
                raise method_not_allowed(method, path[:_LONGEST_SHOWN], _expected(found))

    def failure(self, error: Exception) -> Answer | None:
        """As ``RestApi``."""
        return hosted.failure(error)

    def _load(self, body: bytes, context: RequestContext) -> Reply:
        request = _request(body)
        call = self._service.load_model(request, _done, context, len(body), _WITHOUT_LIMIT)
        return replace(call, do=partial(_loaded, call.do))

    def _unload(self, name: str, body: bytes, context: RequestContext) -> LongCall:
        return self._service.unload_model(name, _done, context, 0, _WITHOUT_LIMIT)

    def _list(self, start: int, body: bytes, context: RequestContext) -> bytes:
        """A page of the models, and where the next one begins."""
        models = [*self._service.listed_models(context).items()]
        answer: dict[str, object] = {"models": [_entry(*each) for each in models[start : start + _PAGE]]}
        if start + _PAGE < len(models):
            answer["nextPageToken"] = str(start + _PAGE)
        return orjson.dumps(answer)

    def _describe(self, name: str, body: bytes, context: RequestContext) -> bytes:
        models = self._service.listed_models(context)
        if name not in models:
            raise ServingError(Code.NOT_FOUND, f"Model {name[:_LONGEST_SHOWN]} is not loaded")
        return orjson.dumps(_entry(name, models[name]))


def _expected(found: re.Match[str]) -> str:
    """The methods of a path."""
    if found[2]:
        return "POST"
    return "GET or DELETE" if found[1] else "GET or POST"


def _request(body: bytes) -> LoadRequest:
    """What a body asks for. INVALID_ARGUMENT for one that is none."""
    try:
        document = orjson.loads(body) if len(body) <= _LARGEST_BODY else None
    except orjson.JSONDecodeError:
        document = None
    given = document if isinstance(document, dict) else {}
    name, url = given.get("model_name"), given.get("url")
    if not (isinstance(name, str) and name and isinstance(url, str) and url):
        raise invalid_argument(
            f"The body of {len(body)} bytes names no model to load; expected "
            '{"model_name": "NAME", "url": "/directory/with/versions"}'
        )
    return LoadRequest(name=name, base_path=url, policy=All(), new=True)


def _loaded(do: Callable[[Gone], bytes | Future[bytes]], gone: Gone) -> bytes | Future[bytes]:
    """What ``do`` gives, with SageMaker's statuses for what it raises."""
    try:
        return do(gone)
    except LimitError:
        raise
    except ServingError as error:
        if error.code in _STATUS:
            raise StatusError(_STATUS[error.code], error.code, error.message) from None
        raise


def _token(query: str) -> int:
    """Where a page begins. INVALID_ARGUMENT for a token that was never given."""
    given = parse_qs(query).get("next_page_token", ["0"])[0]
    if not (given.isascii() and given.isdecimal() and len(given) < 10):
        raise invalid_argument(f"next_page_token is {given[:_LONGEST_SHOWN]}; expected the nextPageToken of an answer")
    return int(given)


def _entry(name: str, path: str) -> Mapping[str, str]:
    return {"modelName": name, "modelUrl": path}


def _done(done: Done) -> bytes:
    return orjson.dumps({"success": f"Model {done.name} is {done.note}"})
