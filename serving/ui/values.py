"""What is known of the server at one moment: plain values, which another process may be sent."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorView:
    """An input or output; ``dtype`` as in ``DT_FLOAT``, ``shape`` with -1 for an unknown size, None of unknown rank."""

    name: str
    dtype: str
    shape: tuple[int, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureView:
    """One way to call a version."""

    name: str
    method_name: str
    inputs: tuple[TensorView, ...]
    outputs: tuple[TensorView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionView:
    """One version. ``error`` is whole, and of the last attempt where another one comes; ``code`` is that error's.

    ``engine`` is what answers its calls, ``engine_said`` why, ``trying`` that others are being tried; all of them, and
    ``signatures``, only of a version that is available. ``note`` is for people.
    """

    version: str
    state: str
    code: int = 0
    error: str = ""
    note: str = ""
    engine: str = ""
    engine_said: str = ""
    trying: bool = False
    signatures: tuple[SignatureView, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelView:
    """One model, its versions highest first; ``waits_for`` says why none of them serves, ``labels`` are versions."""

    name: str
    base_path: str
    labels: Mapping[str, str]
    waits_for: str
    versions: tuple[VersionView, ...]
    shadow: Mapping[str, object] | None = None
    """What came of its shadow requests, as ``core.shadow.ShadowState.shown`` has it."""
    store: str = ""
    """What is being fetched from its object store, or what the store does not do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerView:
    """The process as a whole; ``started`` is Unix time in seconds, ``grpc_port`` 0 until it is open.

    ``metrics_path`` is empty where there is no page of metrics.
    """

    version: str
    started: float
    ready: bool
    waits_for: str
    keys: bool
    metrics_per_version: bool
    metrics_path: str
    grpc_port: int
    model_control: bool
    batching: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingView:
    """One row of what --doctor would say: ``level`` is ``ok``, ``warning`` or ``fails``."""

    level: str
    what: str
    found: str
    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StateView:
    """All of it. ``findings`` is None while they are being looked for; ``examined`` is when, in Unix seconds."""

    server: ServerView
    models: tuple[ModelView, ...]
    findings: tuple[FindingView, ...] | None
    examined: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HistogramView:
    """Values by bucket since the start: ``counts[i]`` below ``bounds[i]`` and not in one before; the last beyond."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Requests since the start, those that failed among them, and the times in seconds of those that did not."""

    requests: int
    errors: int
    seconds: HistogramView


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCounts(Counts):
    """The same of a model, and by version where that is counted; sizes of batches are not counted by model."""

    versions: Mapping[str, Counts] = field(default_factory=dict)
    batch_sizes: HistogramView | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerView:
    """One of several workers. ``state`` is how far it is, ``late`` if it has not answered, ``away`` if there is none.

    ``last_end`` says how the one before it ended; ``requests`` and ``memory_bytes`` are of this process.
    """

    worker: int
    pid: int
    state: str
    restarts: int
    last_end: str
    requests: int
    memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Numbers of one moment, ``time`` in Unix seconds. ``queue`` waits, ``in_flight`` is under way.

    ``batch_sizes`` are rows, of all batches of the server; None before the first.
    """

    time: float
    memory_bytes: int
    queue: int
    in_flight: int
    batch_sizes: HistogramView | None
    models: Mapping[str, ModelCounts]
    workers: tuple[WorkerView, ...] = ()
    """Each of them, where there are several."""
