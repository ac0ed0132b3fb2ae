"""Addresses: what they can be, and gRPC's target of several."""

import socket
from typing import Any

import pytest

from serving.client.addresses import checked_addresses, split, target


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("localhost:8500", ("localhost:8500",)),
        ("dns:///models:8500", ("dns:///models:8500",)),
        (["a:1"], ("a:1",)),
        (["a:1", "b:2", "a:1"], ("a:1", "b:2")),
    ],
)
def test_addresses(given: Any, expected: tuple[str, ...]) -> None:
    """One, as it is, or several, each once."""
    assert checked_addresses(given) == expected


@pytest.mark.parametrize(
    ("given", "error", "expected"),
    [
        pytest.param([], ValueError, "^expected addresses, .* got none$", id="none"),
        pytest.param(["a:1", ""], ValueError, "an empty address", id="empty"),
        pytest.param(["a:1", "b"], ValueError, "for each of several addresses, got 'b'$", id="no port"),
        pytest.param(["a:1", "::1:80"], ValueError, "got '::1:80'$", id="IPv6 without brackets"),
        pytest.param(["a:1", "dns:///b:1"], ValueError, "got 'dns:///b:1'$", id="target"),
        pytest.param(["a:1", "http://b:1"], ValueError, "got 'http://b:1'$", id="URL"),
        pytest.param(["a:1", 2], TypeError, "a str as the address, got 2$", id="number"),
        pytest.param(8500, TypeError, "a str as the address, got 8500$", id="port"),
    ],
)
def test_addresses_that_cannot_be(given: Any, error: type[Exception], expected: str) -> None:
    """The one that is wrong is named."""
    with pytest.raises(error, match=expected):
        checked_addresses(given)


def test_split() -> None:
    """IPv6 has brackets in addresses and none in hosts."""
    assert (split("a.b:8500"), split("[::1]:80")) == (("a.b", 8500), ("::1", 80))


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        pytest.param(["models:8500"], "models:8500", id="one"),
        pytest.param(["10.0.0.1:8500", "10.0.0.2:8501"], "ipv4:10.0.0.1:8500,10.0.0.2:8501", id="IPv4"),
        pytest.param(["[::1]:1", "[fe80::2]:2"], "ipv6:[::1]:1,[fe80::2]:2", id="IPv6"),
        pytest.param(["10.0.0.1:1", "[::1]:2"], "ipv6:[::ffff:10.0.0.1]:1,[::1]:2", id="both"),
        pytest.param(["10.0.0.1:1", "nobody.invalid:2"], "ipv4:10.0.0.1:1", id="one is not known"),
    ],
)
def test_targets(addresses: list[str], expected: str) -> None:
    """One is gRPC's to look up; several are numbers of one family."""
    assert target(addresses) == expected


def test_names_among_several(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each address of a name has its turn."""
    known = {"a": ["10.0.0.1", "10.0.0.2"], "b": ["10.0.0.2"]}

    def looked_up(host: str, port: int, **_: Any) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in known[host]]

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    assert target(["a:1", "b:1"]) == "ipv4:10.0.0.1:1,10.0.0.2:1"


def test_no_name_is_known() -> None:
    """All that went wrong is told."""
    with pytest.raises(OSError, match=r"^a\.invalid: .*; b\.invalid: "):
        target(["a.invalid:1", "b.invalid:1"])
