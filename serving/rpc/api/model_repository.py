"""The model repository extension over gRPC (docs/dialects.md, "Model repository")."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from serving.errors import invalid_argument
from serving.inference.call import Reply
from serving.inference.context import RequestContext
from serving.inference.repository import Done, IndexEntry, load_request
from serving.inference.service import Service
from serving.rpc.api.open_inference_messages import answer, parsed

Method = Callable[[Service, bytes, RequestContext], Reply]


def methods() -> Mapping[str, Method]:
    """What answers each method, by its name."""
    return {"RepositoryIndex": _index, "RepositoryModelLoad": _load, "RepositoryModelUnload": _unload}


def _index(service: Service, payload: bytes, context: RequestContext) -> Reply:
    ready = parsed("RepositoryIndex", payload).ready
    return service.repository_index(_entries, context, len(payload), ready=ready)


def _load(service: Service, payload: bytes, context: RequestContext) -> Reply:
    """``context.timeout_ms`` bounds the wait, not the load."""
    request = parsed("RepositoryModelLoad", payload)
    asked = load_request(_name(request), _values(request.parameters))
    return service.load_model(asked, _done, context, len(payload), context.timeout_ms)


def _unload(service: Service, payload: bytes, context: RequestContext) -> Reply:
    request = parsed("RepositoryModelUnload", payload)
    return service.unload_model(_name(request), _done, context, len(payload), context.timeout_ms)


def _name(request: Any) -> str:
    """The model; KServe's messages have its name where Triton's have that of a repository, which nothing is called."""
    name: str = request.model_name or request.repository_name
    if not name:
        raise invalid_argument("The request has no model_name; expected the name of a model")
    return name


def _values(parameters: Any) -> Mapping[str, Any]:
    found = {}
    for name, parameter in parameters.items():
        choice = parameter.WhichOneof("parameter_choice")
        found[name] = None if choice is None else getattr(parameter, choice)
    return found


def _entries(entries: Sequence[IndexEntry]) -> bytes:
    return answer("RepositoryIndex", {"models": [_entry(entry) for entry in entries]})


def _entry(entry: IndexEntry) -> Mapping[str, str]:
    version = "" if entry.version is None else str(entry.version)
    return {"name": _shown(entry.name), "version": version, "state": entry.state.value, "reason": _shown(entry.reason)}


def _shown(text: str) -> str:
    """Valid Unicode: names of directories may be other bytes."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _done(done: Done) -> bytes:
    """Nothing, which is what Triton's message has."""
    return b""
