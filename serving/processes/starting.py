"""A server of several workers from its flags: how many, at which ports, and what is said if they cannot start."""

import re
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from serving.errors import invalid_configuration
from serving.host import listening
from serving.host.addresses import for_grpc, for_rest, resolved
from serving.processes import shared
from serving.processes.counting import AUTO, number_of_workers
from serving.processes.supervisor import Supervisor
from serving.settings import Settings
from serving.telemetry.log import logger

_BASE_PATH = re.compile(r"""^[^#\n]*\bbase_path\s*:\s*["']([^"'\n]*)["']""", re.MULTILINE)


def serve(settings: Settings, cpus: int, environment: Mapping[str, str]) -> int | None:
    """Run workers until told to stop; the exit status. None if one process is enough, which serves by itself.

    Raises ConfigurationError for a port that cannot be had.
    """
    count, reason = number_of_workers(settings, cpus, _base_paths(settings))
    if settings.workers == AUTO:
        logger.info("--workers=auto: %d, for %s", count, reason)
    if count == 1:
        return None
    settings = resolved(settings)
    with ExitStack() as held:
        ports = (
            _hold(held, "--port", for_grpc(settings), settings.port),
            _hold(held, "--rest_api_port", for_rest(settings), settings.rest_api_port, but=settings.port),
        )
        supervisor = Supervisor(
            count, ports, environment, grace_seconds=settings.drain_grace_seconds, descriptor=shared.make(count)
        )
        status = supervisor.run()
    if supervisor.reason:
        print(f"Failed to start server. Error: {supervisor.reason}", flush=True)
    return status


def _base_paths(settings: Settings) -> list[Path]:
    """Those of the models that the flags name. A file that lists models is read for its base paths alone, as text."""
    if not settings.model_config_file:
        return [Path(settings.model_base_path)] if settings.model_base_path else []
    try:
        text = Path(settings.model_config_file).read_text(errors="replace")
    except OSError:
        return []  # whoever reads it as it is says what is wrong
    return [Path(found[1]) for found in _BASE_PATH.finditer(text)]


def _hold(held: ExitStack, flag: str, hosts: tuple[str, ...], port: int, *, but: int = 0) -> int:
    """Keep the port for the workers, which share it: bound to, but not listened at. A negative one is any; 0 is none.

    Nobody else may have it, not even a server that would share it: half of the requests would be answered by that.
    """
    if not port or port == but > 0:
        return port
    try:
        alone = listening.bind(hosts, max(port, 0))
        port = int(alone[0].getsockname()[1])
        for listener in alone:
            listener.close()
        listening.share_ports(2)  # or more
        for listener in listening.bind(hosts, port):
            held.enter_context(listener)
    except OSError as error:
        raise invalid_configuration(
            f"Cannot listen on {error.filename or port}: {error.strerror}. See {flag}."
        ) from None
    finally:
        listening.share_ports(1)
    return port
