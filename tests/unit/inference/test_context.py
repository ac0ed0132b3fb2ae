"""Who asks: headers and metadata by name, whichever form a transport has them in, and the request's id."""

from collections.abc import Iterable, Mapping

import pytest

from serving.inference.context import RequestContext

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
