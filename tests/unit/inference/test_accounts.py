"""Ids of requests, and what answers say of them."""

import pytest

from serving.inference.accounts import Accounts, echoed, request_id, timing
from serving.inference.context import RequestContext
from serving.inference.record import RequestRecord

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def context(**fields: str) -> RequestContext:
    return RequestContext("REST", fields={name.replace("_", "-"): value for name, value in fields.items()})


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({"x_request_id": "abc-1"}, "abc-1", id="the client's"),
        pytest.param({"x_request_id": "abc-1", "traceparent": TRACE}, "abc-1", id="before the trace's"),
        pytest.param({"traceparent": TRACE}, TRACE.split("-")[1], id="the trace's"),
        pytest.param({"x_request_id": "a b", "traceparent": TRACE}, TRACE.split("-")[1], id="no visible ASCII"),
    ],
)
def test_an_id_is_taken_from_who_has_one(fields: dict[str, str], expected: str) -> None:
    """A client's or a proxy's id first, then the trace's."""
    assert request_id(context(**fields)) == expected


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"x_request_id": ""},
        {"x_request_id": "a\nb"},
        {"x_request_id": "x" * 129},
        {"x_request_id": "\u00e9"},
        {"traceparent": TRACE[:-1]},
        {"traceparent": f"00-{'0' * 32}-b7ad6b7169203331-01"},
    ],
)
def test_an_id_is_made_for_who_has_none_that_will_do(fields: dict[str, str]) -> None:
    """128 random bits; never what could break a header or a line."""
    made = request_id(context(**fields))
    assert len(made) == 32
    assert int(made, 16) >= 0
    assert made != request_id(context(**fields))


def test_who_wants_to_know_is_told_once() -> None:
    """A record ends once, with its status, its size and its times; a second end says nothing."""
    told: list[RequestRecord] = []
    clock = iter((1.0, 3.0))
    accounts = Accounts([told.append], [echoed, timing], lambda: next(clock), lambda: 1e9)
    asked = context(x_request_id="abc")
    accounts.begin(asked, "GET /", 5)
    said = accounts.end(asked, 200, 7)
    assert said == (
        ("x-request-id", "abc"),
        ("server-timing", "queue;dur=0.000, decode;dur=2000.000, run;dur=0.000, encode;dur=0.000, total;dur=2000.000"),
    )
    assert accounts.end(asked, 500, 0) == ()
    (record,) = told
    assert (record.status, record.request_bytes, record.answer_bytes, record.seconds) == (200, 5, 7, 2.0)


@pytest.mark.parametrize(
    ("fields", "parent", "state", "names_trace"),
    [
        pytest.param({"traceparent": TRACE, "tracestate": "a=1"}, TRACE, "a=1", False, id="a parent"),
        pytest.param({"x_request_id": "abc"}, "", "", False, id="an id of the client's"),
        pytest.param({}, "", "", True, id="neither"),
    ],
)
def test_what_a_request_says_of_its_trace_is_kept(
    fields: dict[str, str], parent: str, state: str, names_trace: bool
) -> None:
    """Only where somebody traces; a request that has nothing to say lends its own id to the trace."""
    asked = context(**fields)
    Accounts([], [], traces=True).begin(asked, "GET /", 0)
    assert asked.record is not None
    trace = asked.record.trace
    assert trace is not None
    assert (trace.parent, trace.state) == (parent, state)
    assert trace.new_id == (asked.record.request_id if names_trace else "")
    Accounts([], []).begin(asked, "GET /", 0)
    assert asked.record.trace is None
