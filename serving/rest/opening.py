"""The REST door that the flags ask for, not yet bound."""

import ssl

from serving.inference.unsent import UnsentBytes
from serving.rest.app import RestApp
from serving.rest.connection.bounds import Bounds
from serving.rest.server import RestDoor
from serving.settings import Settings


def make_door(settings: Settings, app: RestApp, tls: ssl.SSLContext | None, unsent: UnsentBytes) -> RestDoor:
    """The door for --rest_api_port; negative takes a free one. ``unsent`` is the count that it shares with others."""
    return RestDoor(
        app,
        max(settings.rest_api_port, 0),
        settings.max_request_bytes,
        tls,
        small_request_lane=settings.rest_small_request_lane,
        bounds=Bounds(
            keepalive_seconds=settings.rest_api_keepalive_seconds,
            max_head_bytes=max(settings.rest_api_max_head_bytes, 0),
            head_timeout_seconds=max(settings.rest_api_head_timeout_seconds, 0.0),
            body_timeout_seconds=max(settings.rest_api_body_timeout_seconds, 0.0),
            min_body_bytes_per_second=max(settings.rest_api_min_body_bytes_per_second, 0),
            max_connections_per_peer=max(settings.rest_api_max_connections_per_peer, 0),
        ),
        unsent=unsent,
    )
