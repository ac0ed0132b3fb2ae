"""What Triton's clients ask for beside the protocol, and this server has one answer to: traces, logs, shared memory."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import orjson

from serving.errors import Code, ServingError
from serving.inference.context import NO_MODEL, RequestContext
from serving.inference.fixed_settings import LOG_SETTINGS, NO_LOGGING, NO_MEMORY, NO_TRACES, TRACE_SETTINGS
from serving.inference.principal import Right
from serving.inference.service import Service
from serving.rest.answer import JSON
from serving.rest.endpoint import Endpoint

_MODEL = r"/v2/models/[^/?#]+"
_MEMORY = r"/v2/(?:system|cuda)sharedmemory"
_REGION = r"(?:/region/[^/?#]+)?"


def routes(service: Service) -> list[tuple[str, re.Pattern[str], Callable[[Any], Endpoint]]]:
    """Rows for the table of the API; that none of these has an effect is said by refusing what would need one."""
    told, refused = partial(_told, service), partial(_refused, service)
    return [
        (method, re.compile(pattern), partial(_endpoint, call, method))
        for method, pattern, call in (
            ("GET", "/v2/trace/setting", partial(told, dict(TRACE_SETTINGS))),
            ("GET", f"{_MODEL}/trace/setting", partial(told, dict(TRACE_SETTINGS))),
            ("POST", "/v2/trace/setting", partial(refused, NO_TRACES)),
            ("POST", f"{_MODEL}/trace/setting", partial(refused, NO_TRACES)),
            ("GET", "/v2/logging", partial(told, dict(LOG_SETTINGS))),
            ("POST", "/v2/logging", partial(refused, NO_LOGGING)),
            ("GET", f"{_MEMORY}{_REGION}/status", partial(told, [])),
            ("POST", f"{_MEMORY}/region/[^/?#]+/register", partial(refused, NO_MEMORY)),
            ("POST", f"{_MEMORY}{_REGION}/unregister", partial(told, {})),
        )
    ]


def _endpoint(call: Callable[[bytes, RequestContext], bytes], method: str, _: Any) -> Endpoint:
    return Endpoint("", call, JSON, takes_body=method == "POST")


def _told(service: Service, value: Any, body: bytes, context: RequestContext) -> bytes:
    """The same for everybody who may read; to forget regions, none of which is known, is done with that."""
    _admit(service, body, context)
    return orjson.dumps(value)


def _refused(service: Service, text: str, body: bytes, context: RequestContext) -> bytes:
    _admit(service, body, context)
    raise ServingError(Code.UNIMPLEMENTED, text)


def _admit(service: Service, body: bytes, context: RequestContext) -> None:
    context.right = Right.READ
    service.admit(context, NO_MODEL, len(body))
