"""Spans of records: their trace and parent, their stages, their batches."""

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, StaticSampler
from opentelemetry.trace import SpanKind, StatusCode

from serving.core.batch_run import BatchRun
from serving.errors import Code
from serving.inference.record import TraceHeaders
from tests.unit.tracing.records import ARRIVED, NOTHING, PARENT, TRACE, Kept, headers, record

OTHER = "1" * 32


def server_spans(kept: Kept) -> list[ReadableSpan]:
    return [span for span in kept.ended if span.kind is SpanKind.SERVER]


def ids(span: ReadableSpan) -> tuple[str, str]:
    """The trace, and the parent if there is one."""
    assert span.context is not None
    return f"{span.context.trace_id:032x}", f"{span.parent.span_id:016x}" if span.parent else ""


def times(span: ReadableSpan) -> tuple[float, float]:
    """Milliseconds since the request arrived."""
    assert span.start_time is not None
    assert span.end_time is not None
    return round(span.start_time / 1e6 - ARRIVED * 1e3, 3), round(span.end_time / 1e6 - ARRIVED * 1e3, 3)


def test_a_request_belongs_to_its_parents_trace() -> None:
    """With its state."""
    kept = Kept()
    kept.spans.make(record(headers(state="a=1")))
    (span,) = kept.ended
    assert span.context is not None
    assert (ids(span), times(span)) == ((TRACE, PARENT), (0.0, 1000.0))
    assert span.context.trace_state.to_header() == "a=1"


def test_what_the_parent_does_not_sample_has_no_spans() -> None:
    """Nor is anybody told of it."""
    kept = Kept()
    kept.spans.make(record(headers(sampled=False), run_seconds=1.0))
    assert (kept.ended, kept.told) == ([], [])


@pytest.mark.parametrize("parent", ["", "00-x", f"00-{TRACE}-{'0' * 16}-01", f"ff-{TRACE}-{PARENT}-01"])
def test_who_has_no_parent_begins_a_trace(parent: str) -> None:
    """Of the given id if there is one; each further trace has another."""
    kept = Kept()
    kept.spans.make(record(TraceHeaders(parent, "", "", OTHER)))
    kept.spans.make(record(TraceHeaders(parent, "", "", "")))
    (first, first_parent), (second, second_parent) = [ids(span) for span in kept.ended]
    assert (first, first_parent, second_parent) == (OTHER, "", "")
    assert second not in (OTHER, TRACE)


def test_a_given_id_is_no_later_requests() -> None:
    """One that was not needed, for its request had a parent, is forgotten."""
    kept = Kept()
    kept.spans.make(record(headers()._replace(new_id=OTHER)))
    kept.spans.make(record(NOTHING))
    assert ids(kept.ended[1])[0] != OTHER


def test_the_sampler_decides_where_there_is_no_parent() -> None:
    """The parent's decision comes first."""
    kept = Kept(ParentBased(StaticSampler(Decision.DROP)))
    kept.spans.make(record(NOTHING))
    kept.spans.make(record(headers()))
    assert [ids(span)[0] for span in kept.ended] == [TRACE]


def test_stages_follow_each_other() -> None:
    """Waits are where they were: for a place at the begin, for a batch or a thread before the run."""
    kept = Kept()
    stages = {"waited_seconds": 0.1, "queue_seconds": 0.3, "decode_seconds": 0.2, "run_seconds": 0.4}
    kept.spans.make(record(headers(), encode_seconds=0.1, **stages))
    found = [(span.name, *times(span)) for span in kept.ended if span.kind is SpanKind.INTERNAL]
    assert found == [
        ("queue", 0.0, 100.0),
        ("decode", 100.0, 300.0),
        ("queue", 300.0, 500.0),
        ("run", 500.0, 900.0),
        ("encode", 900.0, 1000.0),
    ]
    waits = [(span.attributes or {}).get("serving.waits_for") for span in kept.named("queue")]
    assert waits == ["place", "thread"]


def test_an_error_of_the_server_is_one_of_the_span() -> None:
    """With its text."""
    kept = Kept()
    kept.spans.make(record(headers(), code=Code.INTERNAL, error="it broke"))
    (span,) = kept.ended
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "it broke")


def test_a_batch_ends_with_its_last_member() -> None:
    """It is below the first member that is sampled, and has links to all of those."""
    kept, batch = Kept(), BatchRun(3, 5, ARRIVED + 0.25, ARRIVED + 0.75)
    for trace in (headers(sampled=False), headers(), headers(OTHER)):
        assert kept.named("batch") == []
        kept.spans.make(record(trace, batches=(batch,), run_seconds=0.5))
    (span,) = kept.named("batch")
    first, second = server_spans(kept)
    assert (span.parent, times(span)) == (first.context, (250.0, 750.0))
    assert [link.context for link in span.links] == [first.context, second.context]
    assert [[link.context for link in run.links] for run in kept.named("run")] == [[span.context]] * 2
    assert dict(span.attributes or {})["serving.batch.rows"] == 5
    assert not kept.spans.waits


def test_a_batch_does_not_wait_for_ever() -> None:
    """A member whose client has gone ended before its batch, and is never told as one of it."""
    kept, batch = Kept(), BatchRun(2, 2, ARRIVED, ARRIVED + 1)
    kept.spans.make(record(headers(), batches=(batch,)))
    kept.spans.end_batches(ARRIVED + 1)
    assert kept.named("batch") == []
    kept.spans.end_batches(ARRIVED + 2)
    assert len(kept.named("batch")) == 1
    assert not kept.spans.waits


def test_a_batch_of_nobody_that_is_sampled_has_no_span() -> None:
    """And is forgotten."""
    kept, batch = Kept(), BatchRun(1, 1, ARRIVED, ARRIVED + 1)
    kept.spans.make(record(headers(sampled=False), batches=(batch,)))
    assert (kept.ended, kept.spans.waits) == ([], False)


def test_a_request_in_several_batches_is_linked_to_all() -> None:
    """One that was too large for one of them."""
    kept, batches = Kept(), (BatchRun(1, 4, ARRIVED, ARRIVED + 1), BatchRun(1, 2, ARRIVED, ARRIVED + 1))
    kept.spans.make(record(headers(), batches=batches, run_seconds=1.0))
    (run,) = kept.named("run")
    assert [link.context for link in run.links] == [span.context for span in kept.named("batch")]
    assert len(kept.named("batch")) == 2


@pytest.mark.parametrize("method", ["GET /healthz/ready", "/grpc.health.v1.Health/Check", "GET /metrics"])
def test_probes_have_spans_only_in_traces_of_others(method: str) -> None:
    """They come every few seconds."""
    kept = Kept()
    kept.spans.make(record(NOTHING, method=method))
    assert kept.ended == []
    kept.spans.make(record(headers(), method=method))
    assert len(kept.ended) == 1


def test_somebody_is_told_the_ids_of_each_request() -> None:
    """Those of its span."""
    kept = Kept()
    asked = record(headers())
    kept.spans.make(asked)
    (span,) = kept.ended
    assert span.context is not None
    assert kept.told == [(asked, TRACE, f"{span.context.span_id:016x}")]
