"""What another list of models changes, as lines for the log; nothing is put into effect here."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, assert_never

from serving.configuration.model_config import ModelConfig
from serving.core.request_logging import RequestLogging, TaskSampling
from serving.core.version_policy import All, Latest, Specific, VersionPolicy


class Change(NamedTuple):
    """One line: its text, what fills it in, and the same as fields of a line in JSON."""

    text: str
    arguments: tuple[object, ...]
    facts: Mapping[str, object]


def changes(before: Sequence[ModelConfig], after: Sequence[ModelConfig]) -> Iterator[Change]:
    """Models that come, go and change, then labels that do, each in a line of its own; nothing for the same list."""
    former, latter = {model.name: model for model in before}, {model.name: model for model in after}
    for name in former:
        if name not in latter:
            yield Change("Model %s is not configured any more", (name,), {"model": name, "change": "removed"})
    for name, model in latter.items():
        if name not in former:
            text = "Model %s is new: base path %s, versions %s, %s"
            arguments = (name, model.base_path, _policy(model.policy), _logging(model.logging))
            yield Change(text, arguments, {"model": name, "change": "added"})
        elif differences := "; ".join(_differences(former[name], model)):
            yield Change("Model %s is changed: %s", (name, differences), {"model": name, "change": "changed"})
    for name in {**former, **latter}:
        labels = (each.labels if (each := listed.get(name)) else {} for listed in (former, latter))
        yield from _moves(name, *labels)


def _differences(former: ModelConfig, latter: ModelConfig) -> Iterator[str]:
    shown = {
        "base path": (former.base_path, latter.base_path),
        "versions": (_policy(former.policy), _policy(latter.policy)),
        "requests": (_logging(former.logging), _logging(latter.logging)),
    }
    for what, (was, becomes) in shown.items():
        if was != becomes:
            yield f"{what} {was} -> {becomes}"


def _moves(name: str, former: Mapping[str, int], latter: Mapping[str, int]) -> Iterator[Change]:
    for label in sorted({*former, *latter}):
        was, becomes = former.get(label), latter.get(label)
        arguments: tuple[object, ...]
        if was == becomes:
            continue
        if was is None:
            text, arguments = "Label %s of model %s is new, for version %d", (label, name, becomes)
        elif becomes is None:
            text, arguments = "Label %s of model %s is gone; it was for version %d", (label, name, was)
        else:
            text, arguments = "Label %s of model %s moves from version %d to %d", (label, name, was, becomes)
        yield Change(text, arguments, {"model": name, "label": label, "version": becomes, "former_version": was})


def _policy(policy: VersionPolicy) -> str:
    match policy:
        case All():
            return "all"
        case Latest():
            return f"latest {policy.num_versions}"
        case Specific():
            return f"specific {', '.join(map(str, sorted(policy.versions)))}"
        case _:  # pragma: no cover
            assert_never(policy)


def _logging(logging: RequestLogging | None) -> str:
    if logging is None:
        return "not logged"
    tasks = "".join(f", {task.rate:g} in {_task(task)}" for task in logging.tasks)
    attributes = f", attributes {logging.attributes}" if logging.attributes else ""
    return f"logged at rate {logging.rate:g}{tasks}{attributes} as {logging.filename_prefix}"


def _task(task: TaskSampling) -> str:
    dc = f"dc {task.dc}" if task.dc else "any dc"
    return dc if task.index is None else f"{dc}, task {task.index}"
