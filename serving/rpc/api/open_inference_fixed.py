"""The methods of Triton's that this server has one answer to: settings of traces and logs, shared memory."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from serving.errors import Code, ServingError
from serving.inference.context import NO_MODEL, RequestContext
from serving.inference.fixed_settings import LOG_SETTINGS, NO_LOGGING, NO_MEMORY, NO_TRACES, TRACE_SETTINGS
from serving.inference.principal import Right
from serving.inference.service import Service
from serving.rpc.api.open_inference_messages import answer, parsed

_KINDS = {str: "string_param", bool: "bool_param", int: "uint32_param"}
_TRACES = {name: {"value": [value] if isinstance(value, str) else value} for name, value in TRACE_SETTINGS.items()}
_LOGS = {name: {_KINDS[type(value)]: value} for name, value in LOG_SETTINGS.items()}

Method = Callable[[Service, bytes, RequestContext], bytes]


def methods() -> Mapping[str, Method]:
    """What answers each of them, by its name."""
    found: dict[str, Method] = {
        "TraceSetting": partial(_settings, "TraceSetting", _TRACES, NO_TRACES),
        "LogSettings": partial(_settings, "LogSettings", _LOGS, NO_LOGGING),
    }
    for kind in ("SystemSharedMemory", "CudaSharedMemory"):
        found[f"{kind}Status"] = partial(_nothing, f"{kind}Status")
        found[f"{kind}Unregister"] = partial(_nothing, f"{kind}Unregister")
        found[f"{kind}Register"] = partial(_no_memory, f"{kind}Register")
    return found


def _settings(
    method: str, settings: Mapping[str, Any], refusal: str, service: Service, payload: bytes, context: RequestContext
) -> bytes:
    """The settings; a request that has some would change them."""
    if _admitted(method, service, payload, context).settings:
        raise ServingError(Code.UNIMPLEMENTED, refusal)
    return answer(method, {"settings": settings})


def _nothing(method: str, service: Service, payload: bytes, context: RequestContext) -> bytes:
    """No regions; to forget them, none of which is known, is done with that."""
    _admitted(method, service, payload, context)
    return b""


def _no_memory(method: str, service: Service, payload: bytes, context: RequestContext) -> bytes:
    _admitted(method, service, payload, context)
    raise ServingError(Code.UNIMPLEMENTED, NO_MEMORY)


def _admitted(method: str, service: Service, payload: bytes, context: RequestContext) -> Any:
    context.right = Right.READ
    service.admit(context, NO_MODEL, len(payload))
    return parsed(method, payload)
