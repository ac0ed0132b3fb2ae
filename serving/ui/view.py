"""Looks at the parts of a running server, and says what is there, as values; it keeps nothing of what it has seen."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from serving.configuration.model_config import ModelConfig
from serving.core.handle import Lease
from serving.core.servable import ServableState, State
from serving.core.shadow import ShadowState
from serving.core.signature import LOADER_SIGNATURES, Signature, TensorInfo
from serving.host import memory
from serving.inference.limits import Limiter
from serving.inference.placement import Workers
from serving.loading.batching_stage import BatchingStage
from serving.loading.models import Models
from serving.loading.waiting import why_waiting
from serving.optimizing.notes import Note, Notes
from serving.servables.threads import ModelThreads
from serving.settings import Settings
from serving.telemetry.serving_metrics import ServingMetrics
from serving.ui import counted
from serving.ui.findings import Findings
from serving.ui.values import ModelView, Sample, ServerView, SignatureView, StateView, TensorView, VersionView

if TYPE_CHECKING:
    from serving.inference.shadows import Shadows

_ENGINES = {"tensorflow": "TensorFlow", "openvino": "OpenVINO", "tflite": "TensorFlow Lite"}
_OFF = Note("It is served as it is saved, for --optimize=off says so")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What is looked at. ``ready`` and ``grpc_port`` are asked each time; ``notes`` is None with --optimize=off,
    ``shadows`` without --shadow."""

    settings: Settings
    server_version: str
    metrics_path: str
    ready: Callable[[], bool]
    grpc_port: Callable[[], int]
    models: Models
    metrics: ServingMetrics
    executor: ModelThreads
    workers: Workers
    limiter: Limiter | None
    batching: BatchingStage | None
    notes: Notes | None
    shadows: "Shadows | None"
    findings: Findings
    started: float = field(default_factory=time.time)


class View:
    """Both methods read files of the system, and may wait for them; they may be called from any thread."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._signatures: WeakKeyDictionary[object, tuple[SignatureView, ...]] = WeakKeyDictionary()

    def state(self, *, findings: bool = True) -> StateView:
        """What there is now; the same as before if nothing has changed. Without ``findings`` none are looked for."""
        parts = self._parts
        waits = why_waiting(parts.models)
        configured = {model.name: model for model in parts.models.configured or ()}
        names = sorted({*configured, *parts.models.manager.models()})
        shadows = self.shadows()
        found, examined = parts.findings.now() if findings else (None, 0.0)
        return StateView(
            server=self._server("; for ".join(waits.values())),
            models=tuple(
                self._model(name, configured.get(name), waits.get(name, ""), shadows.get(name)) for name in names
            ),
            findings=found,
            examined=examined,
        )

    def shadows(self) -> Mapping[str, ShadowState]:
        """What came of shadow requests, by model."""
        return {} if self._parts.shadows is None else self._parts.shadows.states()

    def sample(self) -> Sample:
        """The numbers of this moment."""
        parts = self._parts
        pools = parts.executor.pools
        known = {*parts.models.names, *parts.models.manager.models()}
        running, waiting = sum(pool.running for pool in pools), sum(pool.waiting for pool in pools)
        in_flight = running + parts.workers.under_way
        if parts.limiter is not None:
            in_flight, for_place, _ = parts.limiter.counts()
            waiting += for_place
        if parts.batching is not None:
            waiting += sum(queued.rows for queued in parts.batching.queued().values())
        return Sample(
            time=time.time(),
            memory_bytes=memory.resident_bytes(),
            queue=waiting,
            in_flight=in_flight,
            batch_sizes=counted.batch_sizes(parts.metrics),
            models={name: each for name, each in counted.models(parts.metrics).items() if name in known},
        )

    def _server(self, waits_for: str) -> ServerView:
        parts, settings = self._parts, self._parts.settings
        return ServerView(
            version=parts.server_version,
            started=parts.started,
            ready=parts.ready(),
            waits_for=f"Waiting for {waits_for}" if waits_for else "",
            keys=bool(settings.api_keys_file),
            metrics_per_version=settings.metrics_per_version,
            metrics_path=parts.metrics_path,
            grpc_port=parts.grpc_port(),
            model_control=settings.allow_model_control,
            batching=settings.enable_batching,
        )

    def _model(
        self, name: str, configured: ModelConfig | None, waits_for: str, shadow: ShadowState | None
    ) -> ModelView:
        manager = self._parts.models.manager
        leases = manager.serving.models.get(name, {})
        attempted = {each.id.version: each for each in manager.attempts(name)}
        return ModelView(
            name=name,
            base_path="" if configured is None else str(configured.base_path),
            labels={label: str(version) for label, version in manager.serving.labels.get(name, {}).items()},
            waits_for=waits_for,
            versions=tuple(
                self._version(each, attempted.get(each.id.version, each), leases.get(each.id.version))
                for each in manager.states(name)
            ),
            shadow=None if shadow is None else shadow.shown(),
            store=self._parts.models.sources.shown(name),
        )

    def _version(self, state: ServableState, attempted: ServableState, lease: Lease | None) -> VersionView:
        error = state.error or (attempted.error if state.state is State.LOADING else None)
        view = VersionView(
            version=str(state.id.version),
            state=state.state.name,
            code=0 if error is None else int(error.code),
            error="" if error is None else error.text,
            note=state.note,
        )
        if lease is None or state.state is not State.AVAILABLE:
            return view
        note = _OFF if self._parts.notes is None else self._parts.notes.of(state.id)
        engine = str(getattr(lease.servable, "engine", "tensorflow"))
        return VersionView(
            version=view.version,
            state=view.state,
            note=view.note,
            engine=_ENGINES.get(engine, engine),
            engine_said=note.said,
            trying=note.trying,
            signatures=self._signatures_of(lease),
        )

    def _signatures_of(self, lease: Lease) -> tuple[SignatureView, ...]:
        found = self._signatures.get(lease.servable)
        if found is None:
            named = lease.servable.signatures.items()
            found = tuple(_signature(name, each) for name, each in named if not name.startswith(LOADER_SIGNATURES))
            self._signatures[lease.servable] = found
        return found


def _signature(name: str, signature: Signature) -> SignatureView:
    return SignatureView(
        name=name,
        method_name=signature.method_name,
        inputs=_tensors(signature.inputs),
        outputs=_tensors(signature.outputs),
    )


def _tensors(ends: Mapping[str, TensorInfo]) -> tuple[TensorView, ...]:
    return tuple(TensorView(name=name, dtype=f"DT_{info.dtype.name}", shape=info.shape) for name, info in ends.items())
