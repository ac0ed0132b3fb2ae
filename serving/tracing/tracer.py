"""Takes records of requests from event threads, and sends their spans from a thread of its own; not how those are made.

Nobody waits for it: what it cannot take is dropped and counted, and what cannot be sent is lost and counted.
"""

import threading
import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from serving.inference.record import RequestRecord
from serving.telemetry.log import logger
from serving.tracing.spans import BATCH_PATIENCE_SECONDS, Spans

MOST_WAITING = 2048
"""Requests whose spans are still to be made; OpenTelemetry's own queues hold as many spans."""

MOST_SPANS = 512
"""Spans that are sent in one message, OpenTelemetry's own number; the last request may bring a few more."""

DELAY_SECONDS = 1.0
"""How long spans wait for others to be sent with."""

_LONGEST_SECONDS = 3.0
"""How long somebody waits for a collector that takes its time."""

_FAILING_SECONDS = 0.5
"""How long somebody waits for one that did not take the last spans."""

Count = Callable[[int], object]


class EndedSpans(SpanProcessor):
    """Keeps the spans that are to be sent until they are taken. It belongs to one thread."""

    def __init__(self) -> None:
        self._spans: list[ReadableSpan] = []

    def __len__(self) -> int:
        return len(self._spans)

    def on_end(self, span: ReadableSpan) -> None:
        """Keep it, if it is sampled."""
        if span.context is not None and span.context.trace_flags.sampled:
            self._spans.append(span)

    def take(self) -> list[ReadableSpan]:
        """All of them, once."""
        taken, self._spans = self._spans, []
        return taken


class Tracing:
    """An observer of requests. ``spans`` end in ``ended``; ``dropped`` counts requests and ``lost`` spans."""

    def __init__(self, spans: Spans, ended: EndedSpans, exporter: SpanExporter, dropped: Count, lost: Count) -> None:
        self._spans = spans
        self._ended = ended
        self._exporter = exporter
        self._dropped, self._lost = dropped, lost
        self._waiting: SimpleQueue[RequestRecord | threading.Event] = SimpleQueue()
        self._closing = threading.Event()
        self._given_up = threading.Event()
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="tracing", daemon=True)
        self._thread.start()

    def __call__(self, record: RequestRecord) -> None:
        """A request has ended. From any thread; takes microseconds."""
        if self._closing.is_set() or self._waiting.qsize() >= MOST_WAITING:
            self._dropped(1)
        else:
            self._waiting.put(record)

    def flush(self, seconds: float) -> bool:
        """Send the spans of all requests that have ended before, within ``seconds``; whether that is done."""
        done = threading.Event()
        self._waiting.put(done)
        seconds = min(seconds, _LONGEST_SECONDS)
        first = min(seconds, _FAILING_SECONDS)
        return done.wait(first) or (not self._failing and done.wait(seconds - first))

    def complained(self) -> None:
        """The exporter has said that something is wrong; it may try again for many seconds."""
        self._failing = True

    def close(self, seconds: float) -> None:
        """The same, and end; what is not sent by then is lost, and the log says so."""
        if self._closing.is_set():
            return
        self._closing.set()
        if self.flush(seconds):
            self._thread.join()
            self._dropped(self._waiting.qsize())  # they ended just now
        else:
            self._given_up.set()
            logger.warning("The collector of traces took too long: the last of them are lost")
        self._exporter.shutdown()

    def _run(self) -> None:
        while not self._given_up.is_set():
            done = self._collect()
            self._send(self._ended.take())
            if done is not None:
                done.set()
                if self._closing.is_set():
                    return

    def _collect(self) -> threading.Event | None:
        """Make spans until there are many of them, or the first has waited for long enough, or somebody asks."""
        until = float("inf")
        while len(self._ended) < MOST_SPANS:
            if until == float("inf") and self._pending:
                until = time.monotonic() + DELAY_SECONDS
            try:
                taken = self._waiting.get(timeout=None if until == float("inf") else max(until - time.monotonic(), 0))
            except Empty:
                self._spans.end_batches(time.time() - BATCH_PATIENCE_SECONDS)
                return None
            if isinstance(taken, threading.Event):
                self._spans.end_batches(float("inf"))
                return taken
            self._make(taken)
        return None

    @property
    def _pending(self) -> bool:
        return len(self._ended) > 0 or self._spans.waits

    def _make(self, record: RequestRecord) -> None:
        try:
            self._spans.make(record)
        except Exception:  # noqa: BLE001 - the loop's net: a bug is a line of the log and a trace less, never the end of tracing
            logger.exception("No trace could be made of a request")
            self._dropped(1)

    def _send(self, spans: Sequence[ReadableSpan]) -> None:
        if not spans:
            return
        self._failing = self._given_up.is_set() or not self._exported(spans)
        if self._failing:
            self._lost(len(spans))

    def _exported(self, spans: Sequence[ReadableSpan]) -> bool:
        try:
            return self._exporter.export(spans) is SpanExportResult.SUCCESS
        except Exception as error:  # noqa: BLE001 - whatever an exporter raises has cost these spans alone
            logger.warning("Spans cannot be sent: %s", error)
            return False
