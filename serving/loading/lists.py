"""What lists of models say to others: whose requests are logged, what one changes of another, which labels fit."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from serving.configuration.changes import changes
from serving.configuration.model_config import ModelConfig
from serving.core.manager import Manager
from serving.core.request_logging import RequestLogging
from serving.core.servable import ServableId
from serving.core.version_policy import Specific
from serving.errors import Code, ConfigurationError
from serving.telemetry.log import logger


def with_moved_labels(model: ModelConfig, before: Iterable[ModelConfig]) -> ModelConfig:
    """A model of which nothing but labels is another, with these alone."""
    for former in before:
        if replace(former, labels=model.labels) == model:
            return replace(model, labels=dict(model.labels.items() - former.labels.items()))
    return model


def tell_changes(before: Sequence[ModelConfig], after: Sequence[ModelConfig]) -> None:
    """Say in the log what another list changes, if anything."""
    told = list(changes(before, after))
    for each in told:
        logger.info(each.text, *each.arguments, extra=each.facts)
    if not told:
        logger.info("The configuration lists the same as before")


def logged(configured: Iterable[ModelConfig]) -> Mapping[str, RequestLogging]:
    """How the requests of models are logged, of those that are."""
    return {model.name: model.logging for model in configured if model.logging is not None}


def as_served(configured: Iterable[ModelConfig], served: Iterable[ServableId]) -> Iterator[ModelConfig]:
    """The models with the versions that are ``served``, whatever versions there are; without these as they are."""
    versions: dict[str, set[int]] = {}
    for each in served:
        versions.setdefault(each.name, set()).add(each.version)
    for model in configured:
        found = versions.get(model.name)
        yield model if found is None else replace(model, policy=Specific(versions=frozenset(found)))


def check_labels(manager: Manager, model: ModelConfig, *, allow_unavailable: bool) -> None:
    """Raise ConfigurationError for a label of a version that cannot be asked; a new one may be, if that is allowed."""
    available = manager.answerable(model.name)
    present = manager.serving.labels.get(model.name, {})
    for label, version in model.labels.items():
        moved = present.get(label, version) != version
        if version not in available and (moved or not allow_unavailable):
            raise ConfigurationError(
                Code.FAILED_PRECONDITION,
                f"Request to assign label to version {version} of model {model.name}, which is not currently "
                "available for inference",
            )
