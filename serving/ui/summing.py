"""What is seen of several workers, added up to what is seen of the one server that they are; nobody is asked here."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from serving.core.servable import State
from serving.core.shadow import ShadowState
from serving.ui.values import (
    Counts,
    HistogramView,
    ModelCounts,
    ModelView,
    Sample,
    StateView,
    VersionView,
)

if TYPE_CHECKING:
    from serving.ui.view import View

_AVAILABLE = State.AVAILABLE.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What is seen of one worker; ``state`` is None for those that have ended."""

    state: StateView | None
    sample: Sample
    shadows: Mapping[str, ShadowState]


def look(view: "View") -> Look:
    """What there is of this worker now, without the findings, which are about all of them."""
    return Look(state=view.state(findings=False), sample=view.sample(), shadows=view.shadows())


def fold(looks: Sequence[Look]) -> Look:
    """What workers have counted that have ended."""
    return Look(state=None, sample=sample([], [each.sample for each in looks]), shadows=added(looks))


def sample(there: Sequence[Sample], gone: Sequence[Sample]) -> Sample:
    """The sum. Of those that have ended what they had counted stays, of models that others still know."""
    every = [*there, *gone]
    sizes = [each.batch_sizes for each in every if each.batch_sizes is not None]
    names = sorted({name for each in there or gone for name in each.models})
    return Sample(
        time=max(each.time for each in every),
        memory_bytes=sum(each.memory_bytes for each in there),
        queue=sum(each.queue for each in there),
        in_flight=sum(each.in_flight for each in there),
        batch_sizes=_histogram(sizes) if sizes else None,
        models={name: _model([each.models[name] for each in every if name in each.models]) for name in names},
    )


def models(seen: Mapping[int, StateView], here: int) -> Iterable[ModelView]:
    """Every model that a worker has, as ``here`` sees it; of a version that differs, one that is not available."""
    found: dict[str, dict[int, ModelView]] = {}
    for number in sorted(seen, key=lambda each: (each != here, each)):
        for model in seen[number].models:
            found.setdefault(model.name, {})[number] = model
    for name in sorted(found):
        each = found[name]
        first = next(iter(each.values()))
        waits = next((model.waits_for for model in each.values() if model.waits_for), "")
        yield replace(first, waits_for=waits, versions=tuple(_versions(each)))


def _versions(models: Mapping[int, ModelView]) -> Iterable[VersionView]:
    found: dict[str, dict[int, VersionView]] = {}
    for number, model in models.items():
        for version in model.versions:
            found.setdefault(version.version, {})[number] = version
    for each in sorted(found, key=int, reverse=True):
        yield _version(found[each], len(models))


def _version(seen: Mapping[int, VersionView], workers: int) -> VersionView:
    first = next(iter(seen.values()))
    states = {each.state for each in seen.values()}
    if len(states) == 1 and len(seen) == workers:
        engines = sorted({each.engine for each in seen.values()})
        return replace(first, engine=", ".join(engines), trying=any(each.trying for each in seen.values()))
    other = min(seen.values(), key=lambda each: (each.state == _AVAILABLE, not each.error))
    same = [each for each, version in sorted(seen.items()) if version.state == other.state]
    told = f"So in {_names(same)} of {workers}; the others differ"
    return replace(other, note=f"{other.note}. {told}" if other.note else told)


def _names(workers: Sequence[int]) -> str:
    return f"worker {workers[0]}" if len(workers) == 1 else "workers " + ", ".join(map(str, workers))


def with_shadow(model: ModelView, shadows: Mapping[str, ShadowState]) -> ModelView:
    """The model with what came of its shadow requests."""
    return replace(model, shadow=shadows[model.name].shown()) if model.name in shadows else model


def added(looks: Sequence[Look]) -> Mapping[str, ShadowState]:
    """What came of shadow requests, by model."""
    found: dict[str, ShadowState] = {}
    for each in looks:
        for name, state in each.shadows.items():
            found[name] = found[name].plus(state) if name in found else state
    return found


def _model(every: Sequence[ModelCounts]) -> ModelCounts:
    versions = sorted({version for each in every for version in each.versions})
    summed = _counts(every)
    return ModelCounts(
        requests=summed.requests,
        errors=summed.errors,
        seconds=summed.seconds,
        versions={key: _counts([each.versions[key] for each in every if key in each.versions]) for key in versions},
    )


def _counts(every: Sequence[Counts]) -> Counts:
    return Counts(
        requests=sum(each.requests for each in every),
        errors=sum(each.errors for each in every),
        seconds=_histogram([each.seconds for each in every]),
    )


def _histogram(every: Sequence[HistogramView]) -> HistogramView:
    counts = tuple(map(sum, zip(*(each.counts for each in every), strict=True)))
    return HistogramView(bounds=every[0].bounds, counts=counts)
