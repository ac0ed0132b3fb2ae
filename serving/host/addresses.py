"""Which of this machine's addresses a flag means: IP addresses and names become addresses that can be bound to."""

import errno
import socket

from serving.errors import ConfigurationError, invalid_configuration
from serving.host.listening import bind
from serving.settings import Settings

IPV4, IPV6 = "0.0.0.0", "::"  # noqa: S104 - a server's port is for everybody; containers publish it
"""Every address of the one family, and of both."""

_GRPC, _REST = "grpc_bind_address", "rest_api_bind_address"
_MAPPED = "::ffff:"
_LACKS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EINVAL)
"""The last is for addresses of one link that do not name it."""


def resolved(settings: Settings) -> Settings:
    """The same with names looked up, once, so that every part means the same addresses. Raises ConfigurationError."""
    return settings.replaced(
        grpc_bind_address=_numbers(_GRPC, settings.grpc_bind_address),
        rest_api_bind_address=_numbers(_REST, settings.rest_api_bind_address),
    )


def for_grpc(settings: Settings) -> tuple[str, ...]:
    """The addresses for --port, as by ``hosts``."""
    return hosts(_GRPC, settings.grpc_bind_address)


def for_rest(settings: Settings) -> tuple[str, ...]:
    """The addresses for --rest_api_port, as by ``hosts``."""
    return hosts(_REST, settings.rest_api_bind_address)


def _numbers(flag: str, text: str) -> str:
    return ",".join(hosts(flag, text)) if text else ""


def hosts(flag: str, text: str) -> tuple[str, ...]:
    """The numeric addresses that ``text`` means, the value of ``flag``; all of both families for an empty one.

    None that another one covers: ``::`` is all, also those of IPv4. Raises ConfigurationError for what is no address,
    no name that can be resolved, or no address of this machine.
    """
    if not text:
        return everywhere()
    found = dict.fromkeys(host for entry in text.split(",") for host in _resolved(flag, entry.strip()))
    if IPV6 in found:
        return (IPV6,)
    return (IPV4, *(host for host in found if ":" in host)) if IPV4 in found else tuple(found)


def everywhere() -> tuple[str, ...]:
    """All addresses of both families, or of IPv4 where there is no IPv6."""
    return (IPV4 if _why_not(IPV6) else IPV6,)


def shown(host: str, port: int) -> str:
    """The address in the notation of URLs."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _resolved(flag: str, entry: str) -> list[str]:
    name = entry[1:-1] if entry.startswith("[") and entry.endswith("]") else entry
    if name in ("", "*"):  # which the resolver takes for names of this machine
        raise _refused(flag, entry, "that is no address")
    try:
        answers = socket.getaddrinfo(name, 0, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise _refused(flag, entry, getattr(error, "strerror", None) or str(error)) from None
    found = list(dict.fromkeys(_numeric(answer[4]) for answer in answers))
    lacking = {host: reason for host in found if (reason := _why_not(host))}
    if len(lacking) == len(found):
        raise _refused(flag, entry, "; ".join(f"{host}: {reason}" for host, reason in lacking.items()))
    # A name may have an address of a family that is turned off here, as "localhost" has in most containers.
    return [host for host in found if host not in lacking]


def _numeric(address: tuple[object, ...]) -> str:
    host, scope = str(address[0]).partition("%")[0], address[3] if len(address) > 3 else 0
    if host.startswith(_MAPPED):
        return host.removeprefix(_MAPPED)
    return f"{host}%{scope}" if scope else host


def _why_not(host: str) -> str:
    """Why nothing of this machine can listen there, empty if something can."""
    try:
        for listener in bind([host], 0):
            listener.close()
    except OSError as error:
        return (error.strerror or str(error)) if error.errno in _LACKS else ""
    return ""


def _refused(flag: str, entry: str, reason: str) -> ConfigurationError:
    return invalid_configuration(
        f"--{flag}: cannot listen on {entry!r}: {reason}; expected IP addresses of this machine or host names, without "
        "ports, separated by commas"
    )
