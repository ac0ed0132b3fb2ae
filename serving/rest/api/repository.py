"""The model repository extension of the Open Inference Protocol over REST (docs/dialects.md, "Model repository")."""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import unquote

import orjson

from serving.errors import Code, ServingError, invalid_argument
from serving.inference.call import Reply
from serving.inference.context import RequestContext
from serving.inference.repository import Done, IndexEntry, load_request
from serving.inference.service import Service
from serving.rest import errors
from serving.rest.answer import JSON, Answer
from serving.rest.endpoint import Endpoint

_API = re.compile(r"/v2/repository(?:[/?#].*)?", re.DOTALL)
_INDEX = "/v2/repository/index"
_MODEL = re.compile(r"/v2/repository/models/([^/?#]+)/(load|unload)")
_NAMED = re.compile(r"/v2/repository/models/([^/?#]+)(?:[/?#].*)?", re.DOTALL)

_LARGEST_BODY = 256 * 1024
"""A body of this size is read within a millisecond or two; only files of a model would be larger."""


class RepositoryApi:
    """The API: the index, and models by name. Nothing of a request has a time limit: a load takes what it takes."""

    name = "open_inference"

    def __init__(self, service: Service) -> None:
        self._service = service

    def claims(self, path: str) -> bool:
        """As ``RestApi``."""
        return _API.fullmatch(path) is not None

    def model_in(self, method: str, path: str) -> str:
        """As ``RestApi``."""
        found = _NAMED.fullmatch(path)
        return _decoded(found[1]) if found else ""

    def endpoint(self, method: str, path: str, headers: Mapping[str, str]) -> Endpoint:
        """As ``RestApi``. NOT_FOUND for a path that there is not, INVALID_ARGUMENT for another method than POST."""
        path = path.partition("#")[0].partition("?")[0]
        found = _MODEL.fullmatch(path)
        if path != _INDEX and found is None:
            raise ServingError(
                Code.NOT_FOUND,
                f"There is no {path[:256]}; expected {_INDEX} or /v2/repository/models/{{name}}/load or /unload",
            )
        if method != "POST":
            raise invalid_argument(f"{method} {path[:256]} cannot be answered; expected POST")
        if found is None:
            return Endpoint("", self._index, JSON)
        name = _decoded(found[1])
        return Endpoint(name, partial(self._load if found[2] == "load" else self._unload, name), JSON)

    def failure(self, error: Exception) -> Answer | None:
        """As ``RestApi``."""
        return errors.answer(error) if isinstance(error, ServingError) else None

    def _index(self, body: bytes, context: RequestContext) -> Reply:
        ready = _read(body).get("ready", False)
        if not isinstance(ready, bool):
            raise invalid_argument(f"ready is {str(ready)[:256]}; expected true or false")
        return self._service.repository_index(_index, context, len(body), ready=ready)

    def _load(self, name: str, body: bytes, context: RequestContext) -> Reply:
        request = load_request(name, _parameters(_read(body)))
        return self._service.load_model(request, partial(_done, "load"), context, len(body), 0)

    def _unload(self, name: str, body: bytes, context: RequestContext) -> Reply:
        _parameters(_read(body))
        return self._service.unload_model(name, partial(_done, "unload"), context, len(body), 0)


def _read(body: bytes) -> Mapping[str, Any]:
    """The members of a body; none of an empty one."""
    if len(body) > _LARGEST_BODY:
        raise invalid_argument(
            f"The request has {len(body)} bytes; expected {_LARGEST_BODY} at most. Files of a model are not taken: the "
            "parameter base_path names a directory of this machine"
        )
    if not body.strip():
        return {}
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise invalid_argument(f"The request is no JSON: {error}") from None
    if not isinstance(document, dict):
        raise invalid_argument("The request is no JSON object")
    return document


def _parameters(document: Mapping[str, Any]) -> Mapping[str, Any]:
    parameters = document.get("parameters", {})
    if not isinstance(parameters, dict):
        raise invalid_argument(f"parameters is {str(parameters)[:256]}; expected a JSON object")
    return parameters


def _index(entries: Sequence[IndexEntry]) -> bytes:
    return orjson.dumps([_entry(entry) for entry in entries])


def _entry(entry: IndexEntry) -> dict[str, str]:
    version = {} if entry.version is None else {"version": str(entry.version)}
    return {"name": _shown(entry.name), **version, "state": entry.state.value, "reason": _shown(entry.reason)}


def _done(what: str, done: Done) -> bytes:
    return orjson.dumps({"name": _shown(done.name), what: True, "note": _shown(done.note)})


def _decoded(text: str) -> str:
    return unquote(text, errors="surrogateescape")


def _shown(text: str) -> str:
    """Valid Unicode: names of directories, and of models in a URL, may be other bytes."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
