"""What a server says once it serves: where it is, in TensorFlow Serving's lines, and how to try it."""

from serving import welcome
from serving.composition.parts import Composition
from serving.host.addresses import IPV4, IPV6, shown
from serving.telemetry.log import logger
from serving.telemetry.quoting import quoted


def announce(composition: Composition, grpc_port: int, rest_port: int, note: str) -> None:
    """Say in the log which ports are open, 0 for none, and on standard output how to ask; ``note`` is of the CPU."""
    settings = composition.settings
    socket_path = settings.grpc_socket_path
    if grpc_port:
        for host in (settings.grpc_bind_address or IPV4).split(","):
            logger.info("Running gRPC ModelServer at %s ...", shown(host, grpc_port))
    if socket_path:
        logger.info("Running gRPC ModelServer at UNIX socket %s ...", socket_path)
    at = (settings.rest_api_bind_address or "localhost").split(",")
    if rest_port:
        for host in at:
            logger.info("Exporting HTTP/REST API at:%s ...", shown(host, rest_port))
    text = welcome.lines(
        composition.manager,
        composition.models.names,
        rest_port,
        grpc_port,
        socket_path=socket_path,
        https=composition.rest_tls is not None,
        rest_at="" if {IPV4, IPV6}.intersection(at) else shown(at[0], rest_port),
        anybody=composition.keys is None
        and (composition.rest_tls is None or not composition.rest_tls.credentials.verify_clients),
        rest_failed=settings.rest_api_port if not rest_port else 0,
        page=settings.enable_ui,
        note=note,
    )
    print("\n".join(map(quoted, text)))
