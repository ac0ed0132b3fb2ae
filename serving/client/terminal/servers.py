"""The server that the arguments name: a client that speaks its protocol, and its list of models."""

from argparse import Namespace
from pathlib import Path

import grpc

from serving.client.client import Client
from serving.client.connection import ProtocolName
from serving.client.errors import ServingError
from serving.client.retrying import RETRIES
from serving.client.terminal.errors import ProblemError, UsageError
from serving.client.terminal.rest_list import names, with_port
from serving.client.values import ModelState

GRPC_PORT = 8500


def client_of(arguments: Namespace, model: str = "", *, retries: int = RETRIES) -> Client:
    """A client of the arguments' server. ProblemError if it speaks neither protocol, ServingError if nobody answers."""
    if arguments.protocol != "auto":
        return _client(arguments, arguments.protocol, retries)
    client = _client(arguments, "tfs", retries)
    try:
        if _speaks_tfs(client, model):
            return client
        live = client.live()
    except ServingError as error:
        client.close()
        if error.code is not grpc.StatusCode.UNIMPLEMENTED:
            raise
        raise ProblemError(
            f"What answers at {client.address} speaks gRPC, and neither TensorFlow Serving's API nor v2: "
            f"{error.message or error.code.name}"
        ) from None
    client.close()
    if not live:
        raise ProblemError(f"The server at {client.address} says that it is not alive.")
    return _client(arguments, "v2", retries)


def _speaks_tfs(client: Client, model: str) -> bool:
    """Whether GetModelStatus is known there; that the model is not, or not to this caller, is an answer too."""
    try:
        client.status(model or "-")
    except ServingError as error:
        if error.code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
            raise
        return error.code is not grpc.StatusCode.UNIMPLEMENTED
    return True


def _client(arguments: Namespace, protocol: ProtocolName, retries: int) -> Client:
    addresses = [with_port(each.strip(), GRPC_PORT) for each in arguments.server.split(",") if each.strip()]
    try:
        return Client(
            addresses,
            credentials=_credentials(arguments),
            metadata=[("authorization", f"Bearer {arguments.api_key}")] if arguments.api_key else [],
            timeout_seconds=arguments.timeout,
            protocol=protocol,
            retries=retries,
        )
    except ValueError as error:
        raise UsageError(f"--server: {error}") from None


def _credentials(arguments: Namespace) -> grpc.ChannelCredentials | None:
    if not _wants_tls(arguments):
        return None
    return grpc.ssl_channel_credentials(
        root_certificates=_read(arguments.ca),
        private_key=_read(arguments.key_file),
        certificate_chain=_read(arguments.cert),
    )


def _wants_tls(arguments: Namespace) -> bool:
    if bool(arguments.cert) != bool(arguments.key_file):
        raise UsageError("--cert and --key-file go together: a certificate and its private key, both as PEM files.")
    return bool(arguments.tls or arguments.ca or arguments.cert)


def _read(path: str | None) -> bytes | None:
    if not path:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ProblemError(f"{path} cannot be read: {error.strerror}.") from None


def model_states(arguments: Namespace) -> list[ModelState]:
    """The server's models: from its REST API if its address is given, else by v2's RepositoryIndex.

    ProblemError if the server has no such list.
    """
    with client_of(arguments) as client:
        if arguments.rest:
            return [state for name in names(arguments) for state in _states(client, name)]
        try:
            return client.models()
        except ServingError as error:
            if error.code is not grpc.StatusCode.UNIMPLEMENTED:
                raise
    raise ProblemError(
        "This server's gRPC API has no list of models (RepositoryIndex). If its REST API has one, say where with "
        "--rest HOST:PORT; or ask for a model by its name: serving-client status MODEL."
    )


def _states(client: Client, name: str) -> list[ModelState]:
    return [
        ModelState(model=name, version=each.version, state=each.state, message=each.message)
        for each in client.status(name)
    ]
