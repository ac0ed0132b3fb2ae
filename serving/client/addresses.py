"""Addresses of servers as gRPC's targets: one as it is, several as one target over which calls go in turn."""

import json
import socket
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from typing import Any

from serving.client.checks import checked_text, shown

_TURNS: dict[str, Any] = {"loadBalancingConfig": [{"round_robin": {}}]}
ROUND_ROBIN = json.dumps(_TURNS)
"""gRPC's service config: every address that a target resolves to has its turn, and those that are lost have none."""

_MOST_ATTEMPTS = 5
"""gRPC makes no more of one call."""

_CHANGE_NOTHING = (
    {"service": "tensorflow.serving.PredictionService"},
    {"service": "tensorflow.serving.ModelService", "method": "GetModelStatus"},
    {"service": "inference.GRPCInferenceService"},
)
"""The calls of this client that may be made twice: all but a reload."""


def lost_again(retries: int) -> str:
    """``ROUND_ROBIN``, and calls that were lost on the way are sent again, so often at most, each at its next turn."""
    if not retries:
        return ROUND_ROBIN
    again = {
        "maxAttempts": min(retries + 1, _MOST_ATTEMPTS),
        "initialBackoff": "0.05s",
        "maxBackoff": "1s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    return json.dumps({**_TURNS, "methodConfig": [{"name": _CHANGE_NOTHING, "retryPolicy": again}]})


_EXPECTED = "expected host:port, as in localhost:8500"
_URLS = ("http", "https", "grpc", "grpcs")


def checked_addresses(given: str | Sequence[str]) -> tuple[str, ...]:
    """The addresses, if gRPC can take them. ValueError for what looks like REST's, TypeError for what is no str."""
    if isinstance(given, str) or not isinstance(given, Iterable):
        return (_checked(given),)
    addresses = tuple(dict.fromkeys(map(_checked, given)))
    if not addresses:
        raise ValueError("expected addresses, each as in localhost:8500, got none")
    if len(addresses) > 1:
        for address in addresses:
            split(address)
    return addresses


def _checked(address: str) -> str:
    checked_text("address", address)
    if "://" in address and address.partition("://")[0] in _URLS:
        raise ValueError(f"{_EXPECTED}, got {address!r}")
    if not address:
        raise ValueError(f"{_EXPECTED}, got an empty address")
    return address


def split(address: str) -> tuple[str, int]:
    """Host and port; the host of IPv6 without its brackets. ValueError if it has another form."""
    host, _, port = address.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if not bare or not (port.isascii() and port.isdigit()) or (":" in bare and host == bare):
        raise ValueError(f"{_EXPECTED}, for each of several addresses, got {shown(address)}")
    return bare, int(port)


def target(addresses: Sequence[str]) -> str:
    """What gRPC is to connect to. OSError if there are several and none of their names is known.

    A name alone is gRPC's to look up, as often as connections are lost. Names among several are looked up here, once:
    gRPC has no target of several names.
    """
    if len(addresses) == 1:
        return addresses[0]
    found: dict[tuple[str, int], None] = {}
    failed: list[OSError] = []
    for host, port in map(split, addresses):
        try:
            looked_up = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found.update(((str(info[4][0]), port), None) for info in looked_up)
        except OSError as error:
            failed.append(OSError(f"{host}: {error.strerror or error}"))
    if not found:
        raise OSError("; ".join(map(str, failed)))
    return _of_numbers(list(found))


def _of_numbers(found: Sequence[tuple[str, int]]) -> str:
    """A target of addresses of one family; if they are of both, those of IPv4 are written as IPv6 has them."""
    hosts = [(ip_address(host), port) for host, port in found]
    if all(host.version == 4 for host, _ in hosts):
        return "ipv4:" + ",".join(f"{host}:{port}" for host, port in hosts)
    mapped = [(f"::ffff:{host}" if host.version == 4 else str(host), port) for host, port in hosts]
    return "ipv6:" + ",".join(f"[{host}]:{port}" for host, port in mapped)
