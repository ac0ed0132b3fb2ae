"""The credentials of the gRPC door in grpcio's form: none, TLS, or Google's ALTS."""

from collections.abc import Callable

import grpc

from serving.telemetry.log import logger
from serving.tls import Credentials, CredentialsFile

MakeCredentials = Callable[[], grpc.ServerCredentials]
"""Each listener needs its own: grpcio asks for new certificates by listener, and is told of a change once."""


def server_credentials(tls: CredentialsFile | None, *, alts: bool) -> MakeCredentials | None:
    """What makes those of a listener, None for plain text; says so in the log as TensorFlow Serving does."""
    if tls is not None:
        logger.info("Using SSL credentials")
        return lambda: _followed(tls)
    if alts:
        logger.info("Using ALTS credentials")
        return grpc.alts_server_credentials  # type: ignore[no-any-return]
    logger.info("Using InsecureServerCredentials")
    return None


def _followed(tls: CredentialsFile) -> grpc.ServerCredentials:
    """Credentials that are those of the file at each handshake; connections that are open go on."""
    given = tls.credentials

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        nonlocal given
        if tls.credentials is given:
            return None
        given = tls.credentials
        return _configuration(given)

    return grpc.dynamic_ssl_server_credentials(_configuration(given), fetch, given.verify_clients)


def _configuration(credentials: Credentials) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(credentials.key, credentials.certificate)], root_certificates=credentials.roots or None
    )
