"""The grpcio transport: everything gRPC has, one thread per running call."""

from collections.abc import Callable, Mapping
from concurrent import futures
from typing import Any

import grpc

from serving.errors import Code, ConfigurationError, ServingError
from serving.inference.work import Work
from serving.rpc import errors
from serving.rpc.errors import Status
from serving.rpc.routes import Handler
from serving.telemetry.log import logger

_CODES = {code.value[0]: code for code in grpc.StatusCode}


class GrpcioTransport:
    """A grpcio server on ``address``. ``arguments`` are channel arguments, ``max_threads`` bounds running calls."""

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        address: str,
        *,
        max_threads: int,
        max_request_bytes: int,
        arguments: Mapping[str, str | int],
    ) -> None:
        options: dict[str, str | int] = {
            "grpc.max_receive_message_length": min(max_request_bytes, 2**31 - 1),
            "grpc.max_send_message_length": -1,
            "grpc.so_reuseport": 0,  # a second server on the port is a mistake; gRPC's default lets it pass
            **arguments,
        }
        self._server = grpc.server(
            futures.ThreadPoolExecutor(max_threads, thread_name_prefix="grpc"),
            handlers=(_Handlers(handlers),),
            options=tuple(options.items()),
        )
        try:
            self.port: int = self._server.add_insecure_port(address)
        except RuntimeError:
            self.port = 0
        if not self.port:
            raise ConfigurationError(
                Code.INVALID_ARGUMENT,
                f"Failed to BuildAndStart gRPC server: cannot listen on {address}. Is the port in use? See --port.",
            )

    def start(self) -> None:
        """Answer calls."""
        self._server.start()

    def drain(self, grace_seconds: float) -> None:
        """Take no new calls, let running ones finish, cut them off after ``grace_seconds``; then close."""
        self._server.stop(grace_seconds).wait()


class _Handlers(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Every method as bytes in, bytes out."""

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._known = {
            path: grpc.unary_unary_rpc_method_handler(_behaviour(handler, path)) for path, handler in handlers.items()
        }
        self._unknown = grpc.unary_unary_rpc_method_handler(_refuse)

    def service(self, details: Any) -> Any:
        return self._known.get(details.method, self._unknown)


def _behaviour(handler: Handler, path: str) -> Callable[[bytes, Any], bytes]:
    def answer(payload: bytes, context: Any) -> bytes:
        remaining = context.time_remaining()
        try:
            reply = handler(payload, 0 if remaining is None else int(remaining * 1000))
            return reply.here() if isinstance(reply, Work) else reply
        except ServingError as error:
            failed = errors.status(error)
        except Exception:  # noqa: BLE001 - grpcio would send the exception's text to the client
            logger.exception("Answering %s failed", path)
            failed = errors.INTERNAL
        return _fail(context, failed)

    return answer


def _refuse(payload: bytes, context: Any) -> bytes:
    return _fail(context, errors.UNKNOWN_METHOD)


def _fail(context: Any, failed: Status) -> bytes:
    context.set_code(_CODES[failed.code])
    context.set_details(failed.details)
    return b""
