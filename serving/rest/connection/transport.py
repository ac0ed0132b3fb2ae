"""What the lane and the road alike ask of a connection's transport; not what is read from it or written to it."""

import asyncio

from serving.inference.certificates import names_in


def report_unsent(transport: asyncio.Transport) -> None:
    """Make ``transport`` say that writing is paused while anything is left in the process, which may be about to end.

    Under TLS a limit of 0 would be reached by 0 bytes, and writing be paused or not by chance.
    """
    transport.set_write_buffer_limits(0 if transport.get_extra_info("sslcontext") is None else 1)


def names_of(transport: asyncio.BaseTransport | None) -> tuple[str, ...]:
    """The names in the certificate that the client has shown, the common one last; none without a certificate."""
    return names_in(transport.get_extra_info("peercert")) if transport is not None else ()


def peer_of(transport: asyncio.BaseTransport) -> str:
    """The client's IP address, IPv4 as such though the listener is IPv6; empty if it has none or is gone."""
    peer = transport.get_extra_info("peername")
    return str(peer[0]).removeprefix("::ffff:") if isinstance(peer, tuple) else ""
