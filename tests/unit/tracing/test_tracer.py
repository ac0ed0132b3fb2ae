"""The thread that sends spans: nobody waits for it, nothing is lost uncounted, and it ends in time."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from serving.tracing.spans import Spans, TraceIds
from serving.tracing.tracer import MOST_WAITING, EndedSpans, Tracing
from tests.support.server_process import wait_until
from tests.unit.tracing.records import NOTHING, everything, headers, record


class Exporter(SpanExporter):
    """Takes spans while it is ``open``, and says so with ``result``."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []
        self.result: SpanExportResult | Exception = SpanExportResult.SUCCESS
        self.open = threading.Event()
        self.open.set()
        self.begun = threading.Event()
        self.shut_down = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.begun.set()
        assert self.open.wait(30)
        if isinstance(self.result, Exception):
            raise self.result
        self.spans += spans
        return self.result

    def shutdown(self) -> None:
        self.shut_down += 1
        self.open.set()


class Sending:
    """Tracing by an exporter, and what it counts."""

    def __init__(self) -> None:
        self.exporter = Exporter()
        self.dropped = self.lost = 0
        ids, ended = TraceIds(), EndedSpans()
        provider = TracerProvider(everything(), id_generator=ids, shutdown_on_exit=False)
        provider.add_span_processor(ended)
        spans = Spans(provider.get_tracer("test"), ids)
        self.tracing = Tracing(spans, ended, self.exporter, self._drop, self._lose)

    def _drop(self, count: int) -> None:
        self.dropped += count

    def _lose(self, count: int) -> None:
        self.lost += count


@contextmanager
def sending() -> Iterator[Sending]:
    made = Sending()
    try:
        yield made
    finally:
        made.exporter.open.set()
        made.tracing.close(10)


def test_spans_are_sent_when_they_have_waited_for_others() -> None:
    """Without anybody asking for it."""
    with sending() as it:
        it.tracing(record(headers(), run_seconds=1.0))
        wait_until("the spans", lambda: len(it.exporter.spans) == 2)


def test_flushing_sends_what_has_ended_before() -> None:
    """And says whether it could."""
    with sending() as it:
        for _ in range(1000):
            it.tracing(record(headers()))
        assert it.tracing.flush(30)
        assert (len(it.exporter.spans), it.dropped, it.lost) == (1000, 0, 0)


def test_what_is_too_much_is_dropped_and_counted() -> None:
    """Nobody waits, and memory is bounded, while the collector takes its time."""
    with sending() as it:
        it.exporter.open.clear()
        it.tracing(record(headers()))
        assert it.exporter.begun.wait(30)
        for _ in range(MOST_WAITING + 7):
            it.tracing(record(headers()))
        assert it.dropped == 7


@pytest.mark.parametrize("result", [SpanExportResult.FAILURE, ZeroDivisionError("a bug")])
def test_spans_that_are_not_taken_are_counted(result: SpanExportResult | Exception) -> None:
    """And the next ones are sent."""
    with sending() as it:
        it.exporter.result = result
        it.tracing(record(headers()))
        assert it.tracing.flush(30)
        assert it.lost == 1
        it.exporter.result = SpanExportResult.SUCCESS
        it.exporter.spans.clear()
        it.tracing(record(headers()))
        assert it.tracing.flush(30)
        assert (len(it.exporter.spans), it.lost) == (1, 1)


def test_a_record_that_is_nonsense_ends_nothing() -> None:
    """It is dropped, and the next one is sent."""
    with sending() as it:
        it.tracing(record(headers()._replace(new_id="no number")))
        it.tracing(record(headers()))
        assert it.tracing.flush(30)
        assert (len(it.exporter.spans), it.dropped) == (1, 1)


def test_the_end_does_not_wait_for_a_collector_that_hangs() -> None:
    """The exporter is told to stop, and what comes after the end is dropped."""
    it = Sending()
    it.exporter.open.clear()
    it.tracing(record(headers()))
    it.tracing.close(0.01)
    assert it.exporter.shut_down == 1
    it.tracing(record(headers()))
    it.tracing.close(0.01)
    assert (it.exporter.shut_down, it.dropped) == (1, 1)


def test_a_collector_that_complains_is_not_waited_for() -> None:
    """An exporter tries again for many seconds; half a second is left to it."""
    with sending() as it:
        it.exporter.open.clear()
        it.tracing(record(headers()))
        assert it.exporter.begun.wait(30)
        it.tracing.complained()
        assert not it.tracing.flush(3600)


def test_requests_that_are_not_sampled_send_nothing() -> None:
    """Not even a message without spans."""
    with sending() as it:
        it.tracing(record(headers(sampled=False)))
        it.tracing(record(None))
        assert it.tracing.flush(30)
        assert not it.exporter.begun.is_set()
        it.tracing(record(NOTHING))
        assert it.tracing.flush(30)
        assert len(it.exporter.spans) == 1
