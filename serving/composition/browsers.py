"""What the flags say of browsers: whose scripts may read answers, and whether they may speak gRPC-Web."""

from collections.abc import Callable, Mapping, Sequence

from serving.inference.placement import Workers
from serving.rest.cors import Cors, Everybody, Listed, origins
from serving.rest.endpoint import RestApi
from serving.rpc.handler import Handler
from serving.settings import Settings


def cors(settings: Settings) -> Cors:
    """Which scripts of other sites may read REST answers. Raises ConfigurationError for origins that are none."""
    if listed := origins(settings.rest_api_cors_allowed_origins):
        return Listed(listed)
    if settings.rest_api_enable_cors_support:
        return Everybody(credentials=bool(settings.api_keys_file))
    return Cors()


def grpc_web(settings: Settings, handlers: Callable[[], Mapping[str, Handler]], workers: Workers) -> Sequence[RestApi]:
    """The gRPC API's methods over gRPC-Web, if that is asked for."""
    if not settings.rest_api_grpc_web:
        return ()
    from serving.rest.api.grpc_web import GrpcWebApi  # only here: who does not ask for it does not pay for it

    return (GrpcWebApi(handlers(), workers),)
