"""OpenAPI documents: where they are, and who may read them. What is in them, ``openapi_documents`` says."""

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from serving.core.model_spec import ModelSpec
from serving.errors import Code, ServingError, invalid_argument
from serving.inference.call import Reply
from serving.inference.context import RequestContext
from serving.inference.long_call import LongCall
from serving.inference.service import Service
from serving.inference.trials import Trials
from serving.rest import errors
from serving.rest.answer import JSON, Answer
from serving.rest.endpoint import Endpoint

if TYPE_CHECKING:
    from serving.rest.api.openapi_documents import Documents

_OF_SERVER = re.compile(r"/openapi\.json(?:[?#].*)?")
_VERSIONS = "/openapi/models/"
_OF_VERSION = re.compile(
    rf"{_VERSIONS}([^/?#]+?)(?:/versions/(\d{{1,19}})|/labels/([^/?#]+?))?\.json(?:[?#].*)?", re.ASCII
)
_METHODS = ("GET", "HEAD")


class OpenApi:
    """The API. ``load`` gives what makes the documents, always the same; the first time it imports that."""

    name = "openapi"

    def __init__(self, service: Service, load: "Callable[[], Documents]") -> None:
        self._service = service
        self._documents = load

    def claims(self, path: str) -> bool:
        """As ``RestApi``."""
        return path.startswith(_VERSIONS) or _OF_SERVER.fullmatch(path) is not None

    def model_in(self, method: str, path: str) -> str:
        """As ``RestApi``."""
        return _address(path).name

    def endpoint(self, method: str, path: str, headers: Mapping[str, str]) -> Endpoint:
        """As ``RestApi``. INVALID_ARGUMENT for a method that asks for no document, NOT_FOUND for a path of none."""
        if method not in _METHODS:
            raise invalid_argument(f"Malformed request: {method} {path}; expected {' or '.join(_METHODS)}")
        if _OF_SERVER.fullmatch(path):
            return Endpoint("", self._server, JSON, takes_body=False)
        address = _address(path)
        if not address.name:
            raise ServingError(
                Code.NOT_FOUND,
                f"There is no document at {path}; expected {_VERSIONS}MODEL.json, {_VERSIONS}MODEL/versions/N.json or "
                f"{_VERSIONS}MODEL/labels/LABEL.json",
            )
        return Endpoint(address.name, partial(self._version, address), JSON, takes_body=False)

    def failure(self, error: Exception) -> Answer | None:
        """As ``RestApi``."""
        return errors.answer(error) if isinstance(error, ServingError) else None

    def _server(self, body: bytes, context: RequestContext) -> Reply:
        models = tuple(self._service.models(context))
        return LongCall(lambda _: self._documents().of_server(models))

    def _version(self, address: ModelSpec, body: bytes, context: RequestContext) -> Reply:
        def write(trials: Trials) -> bytes:
            return self._documents().of_version(_path(address), trials, by_label=address.label is not None)

        return self._service.trials(address, write, context)


def _address(path: str) -> ModelSpec:
    """The version that a path asks for the document of; without a name if it asks for none."""
    found = _OF_VERSION.fullmatch(path)
    if found is None:
        return ModelSpec("")
    name, version, label = found.groups()
    return ModelSpec(_decoded(name), int(version) if version else None, _decoded(label) if label is not None else None)


def _path(address: ModelSpec) -> str:
    """The version as paths of APIs name it."""
    if address.label is not None:
        return f"{_encoded(address.name)}/labels/{_encoded(address.label)}"
    return _encoded(address.name) + (f"/versions/{address.version}" if address.version is not None else "")


def _decoded(text: str) -> str:
    return unquote(text, errors="surrogateescape")


def _encoded(text: str) -> str:
    return quote(text, safe="", errors="surrogateescape")
