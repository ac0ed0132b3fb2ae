"""Server reflection: tools such as grpcurl ask it for services and message definitions, and need no .proto files.

Both names of the service, the older one and the present one; their messages are the same on the wire.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.message import DecodeError

from serving.errors import Code, ServingError
from serving.inference.context import NO_MODEL, Admit
from serving.inference.principal import Right
from serving.protos import POOL, message
from serving.rpc import errors
from serving.rpc.handler import request_context

NAMES = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")
_METHOD = "ServerReflectionInfo"
_log = logging.getLogger("serving")

_MOST_STREAMS = 4
"""Streams answered at a time; a stream holds a thread while it is open, and these are not the models' threads."""


class Reflection:
    """Tells of ``services``, full names, and of everything else that ``protos`` knows, if ``admit`` lets it."""

    def __init__(self, services: Iterable[str], admit: Admit) -> None:
        self._admit = admit
        self._services = sorted({*services, *NAMES})
        self._threads = ThreadPoolExecutor(_MOST_STREAMS, thread_name_prefix="grpc-reflection")
        self._open: set[Any] = set()

    @property
    def busy(self) -> bool:
        """Whether the server has to wait for an answer: these are made at once."""
        return False

    @property
    def streams(self) -> Mapping[str, grpc.RpcMethodHandler]:
        """The one method under both names, for a grpcio server."""
        return {
            f"/{name}/{_METHOD}": grpc.stream_stream_rpc_method_handler(_Behaviour(self, name, self._threads))
            for name in NAMES
        }

    def drain(self) -> None:
        """End the open streams."""
        for context in list(self._open):
            context.cancel()

    def answer_all(self, name: str, payloads: Iterable[bytes], context: Any) -> Iterator[bytes]:
        """The answers to one stream of requests, in their order."""
        package = name.rpartition(".")[0]
        self._open.add(context)
        try:
            for payload in payloads:
                yield self._answer_or_abort(package, payload, context)
        finally:
            self._open.discard(context)

    def _answer_or_abort(self, package: str, payload: bytes, context: Any) -> bytes:
        try:
            asking = request_context(context)
            asking.right = Right.READ
            self._admit(asking, NO_MODEL, len(payload))
            return self.answer(package, payload)
        except ServingError as error:
            code, details = grpc.StatusCode[error.code.name], error.text
        except DecodeError:
            code, details = grpc.StatusCode.INTERNAL, f"Expected a {package}.ServerReflectionRequest message"
        except Exception:  # noqa: BLE001 - grpcio would send the exception's text to the client
            _log.exception("Answering %s failed", package)
            code, details = grpc.StatusCode.INTERNAL, errors.INTERNAL.details
        context.abort(code, details)
        raise AssertionError("abort raises")

    def answer(self, package: str, payload: bytes) -> bytes:
        """The answer to one request, both serialised messages of ``package``."""
        request = message(f"{package}.ServerReflectionRequest").FromString(payload)
        response = message(f"{package}.ServerReflectionResponse")(valid_host=request.host, original_request=request)
        try:
            self._fill(request, response)
        except KeyError as error:
            _fail(response, Code.NOT_FOUND, str(error.args[0]))
        return bytes(response.SerializeToString())

    def _fill(self, request: Any, response: Any) -> None:
        match request.WhichOneof("message_request"):
            case "list_services":
                for name in self._services:
                    response.list_services_response.service.add(name=name)
            case "file_by_filename":
                _give(response, _found("File", POOL.FindFileByName, request.file_by_filename))
            case "file_containing_symbol":
                _give(response, _file_of_symbol(request.file_containing_symbol))
            case "file_containing_extension":
                _found("Type", POOL.FindMessageTypeByName, request.file_containing_extension.containing_type)
                raise KeyError("Extension not found.")  # the wire has no extensions
            case "all_extension_numbers_of_type":
                kind = _found("Type", POOL.FindMessageTypeByName, request.all_extension_numbers_of_type)
                response.all_extension_numbers_response.base_type_name = kind.full_name
            case _:
                _fail(response, Code.UNIMPLEMENTED, "")


class _Behaviour:
    """``answer_all`` under one of its names, on threads of its own."""

    def __init__(self, reflection: Reflection, name: str, threads: ThreadPoolExecutor) -> None:
        self._reflection = reflection
        self._name = name
        self.experimental_thread_pool = threads

    def __call__(self, payloads: Iterable[bytes], context: Any) -> Iterator[bytes]:
        return self._reflection.answer_all(self._name, payloads, context)


def _found(what: str, find: Callable[[str], Any], name: str) -> Any:
    """What ``find`` finds. KeyError, in the words of gRPC's C++ servers, if there is no such thing."""
    try:
        return find(name)
    except KeyError:
        raise KeyError(f"{what} not found.") from None


def _file_of_symbol(name: str) -> FileDescriptor:
    """The file of a message, field, enum, service or method; the pool itself does not find methods."""
    service, _, method = name.rpartition(".")
    try:
        if method in POOL.FindServiceByName(service).methods_by_name:
            name = service
    except KeyError:
        pass
    file: FileDescriptor = _found("Symbol", POOL.FindFileContainingSymbol, name)
    return file


def _give(response: Any, file: FileDescriptor) -> None:
    """Put a file and all it depends on into the response, itself first."""
    files: dict[str, FileDescriptor] = {}
    waiting = [file]
    while waiting:
        each = waiting.pop()
        if each.name not in files:
            files[each.name] = each
            waiting += each.dependencies
    for each in files.values():
        proto = FileDescriptorProto()
        each.CopyToProto(proto)
        response.file_descriptor_response.file_descriptor_proto.append(proto.SerializeToString())


def _fail(response: Any, code: Code, text: str) -> None:
    response.error_response.error_code = int(code)
    response.error_response.error_message = text
