"""The REST door that the flags ask for: bound early, listening later, and what a taken port means."""

import ssl

from serving.core.concurrency import Elsewhere
from serving.errors import invalid_configuration
from serving.host.addresses import for_rest
from serving.inference.unsent import UnsentBytes
from serving.rest.app import RestApp
from serving.rest.connection.bounds import Bounds
from serving.rest.server import RestDoor
from serving.settings import Settings
from serving.telemetry.log import logger


def _door(
    settings: Settings, app: RestApp, tls: ssl.SSLContext | None, unsent: UnsentBytes, elsewhere: Elsewhere | None
) -> RestDoor:
    """The door for --rest_api_port, where negative is a free one, at --rest_api_bind_address.

    ``unsent`` is the count that it shares with others. Raises ConfigurationError for an address that is none.
    """
    return RestDoor(
        app,
        max(settings.rest_api_port, 0),
        settings.max_request_bytes,
        tls,
        hosts=for_rest(settings),
        small_request_lane=settings.rest_small_request_lane,
        bounds=Bounds(
            keepalive_seconds=settings.rest_api_keepalive_seconds,
            max_head_bytes=max(settings.rest_api_max_head_bytes, 0),
            head_timeout_seconds=max(settings.rest_api_head_timeout_seconds, 0.0),
            body_timeout_seconds=max(settings.rest_api_body_timeout_seconds, 0.0),
            min_body_bytes_per_second=max(settings.rest_api_min_body_bytes_per_second, 0),
            max_connections=max(settings.rest_api_max_connections, 0),
            max_connections_per_peer=max(settings.rest_api_max_connections_per_peer, 0),
        ),
        unsent=unsent,
        elsewhere=elsewhere,
    )


def bound_door(
    settings: Settings,
    app: RestApp,
    tls: ssl.SSLContext | None,
    unsent: UnsentBytes,
    elsewhere: Elsewhere | None = None,
) -> RestDoor | None:
    """The REST door on its port, which is still closed; None if there is no REST API. Raises ConfigurationError."""
    port = settings.rest_api_port
    if not port:
        return None
    if port == settings.port > 0:
        logger.error(
            "server_options.http_port cannot be same as grpc_port. Please use a different port for HTTP/REST API. "
            "Skipped exporting HTTP/REST API."
        )
        logger.error("Both are %d: give --rest_api_port another port than --port", port)
        return None
    if tls is not None:
        logger.info("Using SSL credentials for the REST API")
    door = _door(settings, app, tls, unsent, elsewhere)
    try:
        door.bind()  # early: the log then says at its beginning that the port is taken
    except OSError as error:
        _failed(settings, error)
        return None
    return door


async def opened(settings: Settings, door: RestDoor) -> RestDoor | None:
    """The door, listening; None if another program, which had bound the port as well, was faster."""
    try:
        await door.start()
    except OSError as error:
        _failed(settings, error)
        return None
    return door


def _failed(settings: Settings, error: OSError) -> None:
    """TensorFlow Serving goes on without REST; who has said where it has to be, or that it has, is not left without."""
    if settings.rest_api_bind_address or settings.rest_api_required:
        at = error.filename or settings.rest_api_bind_address or f"localhost:{settings.rest_api_port}"
        raise invalid_configuration(
            f"Failed to start HTTP Server at {at}: {error.strerror}. See --rest_api_port and --rest_api_bind_address."
        ) from None
    logger.error("Failed to start HTTP Server at localhost:%d: %s", settings.rest_api_port, error.strerror)
