"""The access log: one line for each request, or for some, on standard output, as text or as JSON.

What clients send is quoted; keys and bodies are never in it.
"""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

from serving.errors import Code
from serving.telemetry.line_writer import STANDARD_OUTPUT
from serving.telemetry.quoting import quoted

_LONGEST = 1024
"""Characters of a text from outside that a line shows."""

_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:/[]@+,")

Value = str | int | float


class Record(Protocol):
    """What a line says of a request; see ``inference/record``."""

    request_id: str
    door: str
    method: str
    protocol: str
    peer: str
    principal: str
    model: str
    version: int | None
    label: str
    signature: str
    engine: str
    code: Code
    status: int
    error: str
    arrived: float
    request_bytes: int
    answer_bytes: int
    seconds: float
    queue_seconds: float
    decode_seconds: float
    run_seconds: float
    encode_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """Which requests have a line: a share of all, ``rate``, and with ``slow_seconds`` all that fail or take so long."""

    rate: float = 1.0
    slow_seconds: float = 0.0

    def takes(self, record: Record, drawn: float) -> bool:
        """Whether this one has, if ``drawn`` is what was drawn from 0 to 1 for it."""
        remarkable = record.code is not Code.OK or record.seconds >= self.slow_seconds
        return (self.slow_seconds > 0 and remarkable) or drawn < self.rate


class AccessLog:
    """Writes through ``write``, which takes the descriptor and whole lines. Thread-safe as far as that is."""

    def __init__(
        self,
        write: Callable[[int, str], None],
        *,
        as_json: bool,
        sampling: Sampling,
        draw: Callable[[], float] = random.random,
        worker: int | None = None,
    ) -> None:
        self._write = write
        line = json_line if as_json else text_line
        self._line: Callable[[Record], str] = line if worker is None else partial(line, worker=worker)
        self._sampling = sampling
        self._draw = draw

    def __call__(self, record: Record) -> None:
        """A request has ended."""
        if self._sampling.takes(record, self._draw()):
            self._write(STANDARD_OUTPUT, self._line(record))


def json_line(record: Record, worker: int | None = None) -> str:
    """The request as an object of JSON in one line; what is not known is left out."""
    return json.dumps(dict(_values(record, worker)), ensure_ascii=True) + "\n"


def text_line(record: Record, worker: int | None = None) -> str:
    """The request as ``name=value`` in one line; values with spaces or other signs are in quotes."""
    return " ".join(f"{name}={_shown(value)}" for name, value in _values(record, worker)) + "\n"


def _values(record: Record, worker: int | None) -> Iterator[tuple[str, Value]]:
    yield "time", datetime.fromtimestamp(record.arrived, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    for name in ("request_id", "door", "protocol", "method", "peer", "principal", "model"):
        if text := getattr(record, name):
            yield name, text[:_LONGEST]
    if record.version is not None:
        yield "version", record.version
    for name in ("label", "signature"):
        if text := getattr(record, name):
            yield name, text[:_LONGEST]
    yield "status", record.status
    yield "code", record.code.name
    if record.error:
        yield "error", record.error[:_LONGEST]
    yield "request_bytes", record.request_bytes
    yield "answer_bytes", record.answer_bytes
    if record.engine:
        yield "engine", record.engine
    for name in ("queue", "decode", "run", "encode"):
        yield f"{name}_ms", round(getattr(record, f"{name}_seconds") * 1000, 3)
    yield "total_ms", round(record.seconds * 1000, 3)
    if worker is not None:  # last, where columns are counted
        yield "worker", worker


def _shown(value: Value) -> str:
    if not isinstance(value, str):
        return str(value)
    return value if _PLAIN.issuperset(value) else '"' + quoted(value).replace('"', '\\"') + '"'
