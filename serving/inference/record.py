"""What is known of one request at its end, for those who are told of it: an access log, traces, metrics by version."""

from dataclasses import dataclass
from typing import NamedTuple

from serving.core.batch_run import BatchRun
from serving.core.servable import ServableId
from serving.errors import Code, ServingError


class TraceHeaders(NamedTuple):
    """What a request says of the trace that it belongs to, as it was sent; empty where it says nothing.

    ``new_id`` is the id of a trace that begins here, in hexadecimal: that of the request, if nobody has given it one.
    """

    parent: str
    state: str
    baggage: str
    new_id: str


@dataclass(slots=True)
class RequestRecord:
    """One request. Times in seconds; ``arrived`` is Unix time, ``began`` and ``bound_at`` are the metrics' clock.

    ``method`` is the path over REST and the full method over gRPC; ``status`` is HTTP's over REST, else that of gRPC.
    ``version`` is None, and names are empty, where the request did not come so far. The times of the stages add up to
    ``seconds``: ``queue_seconds`` are those of waiting for a place, for a thread or for a batch. ``latency_seconds``
    is what the metrics have counted, 0 if nothing. Without tracing ``trace`` is None, and ``batches`` are not known.
    """

    door: str
    method: str
    peer: str
    protocol: str
    request_id: str
    arrived: float
    began: float
    request_bytes: int = 0
    answer_bytes: int = 0
    principal: str = ""
    model: str = ""
    version: int | None = None
    label: str = ""
    signature: str = ""
    api: str = ""
    engine: str = ""
    code: Code = Code.OK
    status: int = 0
    error: str = ""
    waited_seconds: float = 0.0
    queue_seconds: float = 0.0
    decode_seconds: float = 0.0
    run_seconds: float = 0.0
    encode_seconds: float = 0.0
    seconds: float = 0.0
    bound_at: float = 0.0
    latency_seconds: float = 0.0
    trace: TraceHeaders | None = None
    batches: tuple[BatchRun, ...] = ()

    def bound(self, servable_id: ServableId, label: str | None, signature: str, now: float) -> None:
        """A version was found, and what is sent fits one of its signatures."""
        self.model, self.version = servable_id.name, servable_id.version
        self.label, self.signature, self.bound_at = label or "", signature, now

    def placed(self, run: object) -> None:
        """The model has run as ``run``, a future that may have waited for its place, or for others of its batch."""
        self.queue_seconds = getattr(run, "queued_seconds", 0.0)
        self.batches = getattr(run, "batches", ())

    def failed(self, error: BaseException) -> None:
        """It ends with ``error``; what is no ServingError is INTERNAL to a client, without its text."""
        if isinstance(error, ServingError):
            self.code, self.error = error.code, error.text
        else:
            self.code, self.error = Code.INTERNAL, "Internal error"

    def end(self, now: float) -> None:
        """Take the times of the stages; ``run_seconds`` has that of the queue so far, as the metrics have."""
        self.seconds = max(now - self.began, 0.0)
        self.run_seconds = max(self.run_seconds - self.queue_seconds, 0.0)
        self.queue_seconds += self.waited_seconds
        decoded = self.bound_at or now
        self.decode_seconds = max(decoded - self.began - self.waited_seconds, 0.0)
        known = self.decode_seconds + self.queue_seconds + self.run_seconds
        self.encode_seconds = max(self.seconds - known, 0.0) if self.bound_at else 0.0
