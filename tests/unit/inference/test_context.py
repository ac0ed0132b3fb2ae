"""Who asks: headers and metadata by name, whichever form a transport has them in, and the request's id."""

from collections.abc import Iterable, Mapping

import pytest

from serving.inference.context import RequestContext, of_event_thread
from serving.inference.principal import Right

Fields = Mapping[str, str] | Iterable[tuple[str, str | bytes]]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param((), {}, id="nothing"),
        pytest.param({"x-key": "a"}, {"x-key": "a"}, id="mapping"),
        pytest.param((("X-Key", "a"), ("user-agent", "B")), {"x-key": "a", "user-agent": "B"}, id="pairs"),
        pytest.param([("x-key", "a"), ("X-KEY", "b")], {"x-key": "b"}, id="the last counts"),
        pytest.param([("x-bin", b"\0"), ("x-key", "a")], {"x-key": "a"}, id="binary ones are left out"),
        pytest.param(iter([("x-key", "a")]), {"x-key": "a"}, id="once only"),
    ],
)
def test_headers_are_found_by_their_names(fields: Fields, expected: dict[str, str]) -> None:
    """In lower case, each time that they are looked at."""
    context = RequestContext("GRPC", fields=fields)
    assert dict(context.headers) == expected
    assert context.headers is context.headers


def test_a_mapping_is_not_copied() -> None:
    """A connection's headers are read once for all requests with the same head."""
    headers = {"x-key": "a"}
    assert RequestContext("REST", fields=headers).headers is headers


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param([("X-Request-ID", "7f")], "7f", id="pairs"),
        pytest.param({"x-request-id": "7f"}, "7f", id="mapping"),
        pytest.param((), "", id="none"),
    ],
)
def test_request_id(fields: Fields, expected: str) -> None:
    """As the client or a proxy gave it; empty without one."""
    assert RequestContext("REST", fields=fields).request_id == expected


def test_a_context_asks_for_nothing_by_default() -> None:
    """No deadline, a thread of its own, and the protocol that both doors speak."""
    context = RequestContext("REST")
    assert (context.peer, context.timeout_ms, context.in_event_thread, context.protocol) == ("", 0, False, "tfs")


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        pytest.param("ipv4:10.0.0.1:5", "ipv4:10.0.0.1:5", id="IPv4"),
        pytest.param("ipv6:[::ffff:10.0.0.1]:5", "ipv4:10.0.0.1:5", id="IPv4 at a listener of IPv6"),
        pytest.param("ipv6:[2001:db8::1]:5", "ipv6:[2001:db8::1]:5", id="IPv6"),
        pytest.param("ipv6:%5B2001:db8::1%5D:5", "ipv6:[2001:db8::1]:5", id="IPv6 as grpcio has it"),
        pytest.param("10.0.0.1", "10.0.0.1", id="REST"),
        pytest.param("", "", id="nobody"),
    ],
)
def test_peer_has_one_name(named: str, expected: str) -> None:
    """Whichever transport and listener it came by."""
    assert RequestContext("GRPC", named).peer == expected


def test_names_of_a_certificate_are_looked_up_when_asked_for() -> None:
    """Each once, in their order; without a certificate there are none."""
    asked = []

    def shown() -> tuple[str, ...]:
        asked.append(1)
        return ("a.example", "spiffe://a", "a.example")

    context = RequestContext("REST", shown=shown)
    assert not asked
    assert context.certificate_names == ("a.example", "spiffe://a")
    assert RequestContext("GRPC").certificate_names == ()
    assert of_event_thread("GRPC", "", (), 0).certificate_names == ()


def test_contexts_of_event_threads_are_like_others() -> None:
    """Each field has the default of the constructor."""
    context = of_event_thread("GRPC", "peer", (), 7)
    assert context == RequestContext("GRPC", "peer", (), 7, True)
    assert (context.right, context.principal, context.certificate_names) == (Right.PREDICT, None, ())


def test_every_value_of_a_name() -> None:
    """In whichever form a transport has them; names have no case, and binary ones are left out."""
    sent: list[tuple[str, str | bytes]] = [("X-A", "1"), ("x-a", "2"), ("x-b", "3"), ("x-a", b"4"), ("x-c", "5")]
    pairs = RequestContext("REST", fields=iter(sent))
    assert pairs.headers["x-a"] == "2"
    assert pairs.values("x-a", "x-b") == [("x-a", "1"), ("x-a", "2"), ("x-b", "3")]
    mapping = RequestContext("REST", fields={"x-a": "1", "x-b": "2"})
    assert mapping.values("x-b", "x-c") == [("x-b", "2")]
