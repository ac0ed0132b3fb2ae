"""A whole document: the parts of every protocol, errors, and who may ask."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from serving.codecs.openapi.parts import Json, Part, Server, Version
from serving.codecs.openapi.schemas import ref

_SAID: Mapping[int, str] = {
    400: "The request is wrong, or the model refuses it.",
    401: "There is no key, or it is unknown.",
    403: "It may not be done.",
    404: "There is no such model, version or label, or none that is available.",
    409: "It is there already, or was aborted.",
    413: "The body is larger than --max_request_bytes.",
    429: "Too much at a time; Retry-After says when to come again.",
    499: "The client has gone.",
    500: "Something failed in the model or the server.",
    501: "The model or the server does not do that.",
    503: "Not now: models are being loaded, or the server is full.",
    504: "It has not ended within its time limit.",
}
_FIRST_ERROR = 400
_SCHEMES: Json = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key of --api_keys_file."},
    "api_key": {"type": "apiKey", "in": "header", "name": "X-Api-Key", "description": "The same key."},
}
_ERROR: Json = {
    "type": "object",
    "properties": {"error": {"type": "string"}},
    "required": ["error"],
    "additionalProperties": False,
}
_METHODS = ("get", "put", "post", "delete", "options", "head", "patch")


class Terms(NamedTuple):
    """What holds for all requests: whether they need ``keys``, and the ``server_version``."""

    keys: bool
    server_version: str


class Describing(NamedTuple):
    """What a protocol adds to the document of the server, and to that of a version if it has paths for one."""

    of_server: Callable[[Server], Part]
    of_version: Callable[[Version], Part] | None = None


def of_server(server: Server, protocols: Sequence[Describing], terms: Terms) -> Json:
    """The document at ``/openapi.json``."""
    names = ", ".join(f"`{name}`" for name in server.models)
    served = f"It serves {names}. " if names else ""
    info = {
        "title": "Model server",
        "version": terms.server_version,
        "description": f"{served}Each model has a document of its own at `/openapi/models/{{model}}.json`, which says "
        "what it takes and answers.",
    }
    return _whole(info, ".", [each.of_server(server) for each in protocols], terms)


def of_version(version: Version, protocols: Sequence[Describing], terms: Terms) -> Json:
    """The document of one version."""
    info = {
        "title": version.id.name,
        "version": str(version.id.version),
        "description": "What this version of the model takes and answers, by its signatures. Sizes that are open have "
        "to fit each other, and lists have to be regular, which no schema says. Numbers that are not finite are "
        "`NaN`, `Infinity` and `-Infinity`.",
    }
    up = "/".join([".."] * (version.path.count("/") + 2))
    return _whole(info, up, [each.of_version(version) for each in protocols if each.of_version is not None], terms)


def _whole(info: Json, server_url: str, parts: Sequence[Part], terms: Terms) -> Json:
    """``server_url`` leads from the document's own address to the root of the server."""
    paths: Json = {}
    for part in parts:
        paths |= part.paths
    operations = [each for item in paths.values() for name, each in item.items() if name in _METHODS]
    for each in operations:
        _secure(each, terms)
    schemas = {name: each for part in parts for name, each in part.schemas.items()}
    components: Json = {
        "schemas": {"Error": _ERROR, **_used(paths, schemas)},
        "responses": _errors({status for each in operations for status in each["responses"]}),
    }
    if terms.keys:
        components["securitySchemes"] = _SCHEMES
    return {
        "openapi": "3.1.0",
        "info": {**info, "x-server-version": terms.server_version},
        "servers": [{"url": server_url}],
        "tags": _tags(part.tags for part in parts),
        "paths": paths,
        "components": components,
    }


def _secure(operation: Json, terms: Terms) -> None:
    """Say which right an operation needs, and how it may be refused for want of it."""
    right = operation.pop("x-right")
    if not terms.keys:
        return
    operation["security"] = [] if right is None else [{"bearer": [right]}, {"api_key": [right]}]
    if right is not None:
        refused = {str(status): {"$ref": f"#/components/responses/Error{status}"} for status in (401, 403)}
        operation["responses"] = {**operation["responses"], **refused}


def _errors(statuses: Iterable[str]) -> Json:
    """The component responses of these statuses, as far as they are errors."""
    return {
        f"Error{status}": {
            "description": _SAID[int(status)],
            "content": {"application/json": {"schema": ref("Error")}},
        }
        for status in sorted(statuses)
        if int(status) >= _FIRST_ERROR
    }


def _used(paths: Json, schemas: Json) -> Json:
    """The component schemas that paths lead to, by themselves or by way of others."""
    waiting, found = [*_references(paths)], set[str]()
    while waiting:
        name = waiting.pop()
        if name in schemas and name not in found:
            found.add(name)
            waiting += _references(schemas[name])
    return {name: each for name, each in schemas.items() if name in found}


def _references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(target := value.get("$ref"), str):
            yield target.rpartition("/")[2]
        for member in value.values():
            yield from _references(member)
    elif isinstance(value, list):
        for member in value:
            yield from _references(member)


def _tags(several: Iterable[Mapping[str, str]]) -> list[Json]:
    return [{"name": name, "description": text} for tags in several for name, text in tags.items()]
