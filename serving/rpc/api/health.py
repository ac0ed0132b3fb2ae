"""The standard health service ``grpc.health.v1.Health``: SERVING from the start until the server drains.

It knows nothing of models: the port opens only when all are available (docs/grpc.md, "gRPC health").
"""

import threading
from collections.abc import Mapping
from typing import Any

import grpc

from serving.errors import Code, ServingError
from serving.inference.context import NO_MODEL, Admit, RequestContext
from serving.protos import HealthCheckRequest, HealthCheckResponse
from serving.rpc.api.tfs import parse
from serving.rpc.handler import Send, request_context

CHECK = "/grpc.health.v1.Health/Check"
_WATCH = "/grpc.health.v1.Health/Watch"

_NAMES = frozenset(("", "ModelService", "PredictionService"))
"""What TensorFlow Serving sets; the full names of the services are unknown to it."""


class Health:
    """Both methods, if ``admit`` lets them; every watcher is told once when ``drain`` is called. Thread-safe."""

    def __init__(self, admit: Admit) -> None:
        self._admit = admit
        self._lock = threading.Lock()
        self._serving = True
        self._watchers: dict[Any, tuple[str, Send]] = {}

    @property
    def busy(self) -> bool:
        """Whether the server has to wait for an answer: these are made at once."""
        return False

    @property
    def streams(self) -> Mapping[str, grpc.RpcMethodHandler]:
        """``Watch``, for a grpcio server."""
        return {_WATCH: grpc.unary_stream_rpc_method_handler(_Watch(self))}

    def check(self, payload: bytes, context: RequestContext) -> bytes:
        """``Check``: the status of a name. Raises ServingError if the name is none of ``_NAMES``."""
        context.right = None  # everybody may: probes have no credentials
        self._admit(context, NO_MODEL, len(payload))
        service = parse(HealthCheckRequest, payload).service
        if service not in _NAMES:
            raise ServingError(Code.NOT_FOUND, "service name unknown")
        return _response(self._status(service))

    def watch(self, payload: bytes, context: Any, send: Send) -> None:
        """``Watch``: the status of a name now, and again when it changes; returns at once."""
        asking = request_context(context)
        asking.right = None
        self._admit(asking, NO_MODEL, len(payload))
        service = parse(HealthCheckRequest, payload).service
        with self._lock:
            if self._serving and context.add_callback(lambda: self._watchers.pop(context, None)):
                self._watchers[context] = (service, send)
            send(_response(self._status(service)))
            if not self._serving:
                _end(context, send)

    def drain(self) -> None:
        """Be NOT_SERVING from now on, tell the watchers and end their streams, for nothing will change any more."""
        with self._lock:
            self._serving = False
            watchers = dict(self._watchers)
        for context, (service, send) in watchers.items():
            if service in _NAMES:
                send(_response(self._status(service)))
            _end(context, send)

    def _status(self, service: str) -> str:
        if service not in _NAMES:
            return "SERVICE_UNKNOWN"
        return "SERVING" if self._serving else "NOT_SERVING"


class _Watch:
    """``watch`` as a grpcio behaviour that gives its thread back: a stream stays open as long as its client likes."""

    experimental_non_blocking = True

    def __init__(self, health: Health) -> None:
        self._health = health

    def __call__(self, payload: bytes, context: Any, send: Send) -> None:
        try:
            self._health.watch(payload, context, send)
        except ServingError as error:
            context.set_code(grpc.StatusCode[error.code.name])
            context.set_details(error.text)
            send(None)


def _end(context: Any, send: Send) -> None:
    context.set_code(grpc.StatusCode.UNAVAILABLE)
    context.set_details("The server is draining")
    send(None)


def _response(status: str) -> bytes:
    return bytes(HealthCheckResponse(status=status).SerializeToString())
