"""The credentials of the gRPC door in grpcio's form: none, TLS, or Google's ALTS."""

import grpc

from serving.telemetry.log import logger
from serving.tls import Credentials


def server_credentials(tls: Credentials | None, *, alts: bool) -> grpc.ServerCredentials | None:
    """What every listener of the door uses, None for plain text; says so in the log as TensorFlow Serving does."""
    if tls is not None:
        logger.info("Using SSL credentials")
        return grpc.ssl_server_credentials(
            [(tls.key, tls.certificate)],
            root_certificates=tls.roots or None,
            require_client_auth=tls.verify_clients,
        )
    if alts:
        logger.info("Using ALTS credentials")
        return grpc.alts_server_credentials()
    logger.info("Using InsecureServerCredentials")
    return None
