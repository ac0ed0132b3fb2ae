"""Model configuration: the two single-model flags or a text ModelServerConfig, validated into values.

Texts of errors are TensorFlow Serving's (docs/models.md, "Model configuration").
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from serving.configuration import text_proto
from serving.core import store_url
from serving.core.request_logging import RequestLogging, TaskSampling
from serving.core.store_url import StoreUrl
from serving.core.version_policy import All, Latest, Specific, VersionPolicy
from serving.errors import Code, ConfigurationError, invalid_configuration
from serving.protos import ModelServerConfig

PLATFORM = "tensorflow"
_TENSORFLOW_TYPE = 1
_LOG_COLLECTOR = "tfrecord"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """A configured model: its name, where its versions are, which to serve, and labels for them.

    ``model_type`` (deprecated) and ``model_platform`` are as written; ``platform`` is what they come to. ``logging`` is
    None for a model whose requests are not logged.
    """

    name: str
    base_path: Path | StoreUrl
    policy: VersionPolicy = field(default_factory=Latest)
    labels: Mapping[str, int] = field(default_factory=dict)
    model_type: int = 0
    model_platform: str = PLATFORM
    logging: RequestLogging | None = None

    @property
    def platform(self) -> str:
        """The one platform that is named. Raises ConfigurationError if it is not exactly one."""
        if bool(self.model_type) == bool(self.model_platform):
            which, joint = ("both", "and") if self.model_type else ("neither", "nor")
            raise invalid_configuration(
                f"Illegal setting {which} ModelServerConfig::model_type (deprecated) {joint} "
                f"ModelServerConfig::model_platform, model name is {self.name}"
            )
        if self.model_type not in (0, _TENSORFLOW_TYPE):
            raise invalid_configuration(f"ModelServerConfig::model_type choice {self.model_type} not supported.")
        return self.model_platform or PLATFORM


Configured = tuple[ModelConfig, ...] | None
"""What a configuration lists, in its order; None if it has no list at all, which is not the same as an empty one."""


def single(name: str, base_path: str) -> tuple[ModelConfig, ...]:
    """The configuration of --model_name and --model_base_path."""
    return (ModelConfig(name=name, base_path=_base_path(name, base_path)),)


def read(path: Path) -> Configured:
    """The models of a --model_config_file; their platforms are not checked yet. Raises ConfigurationError."""
    return decode(text_proto.read(path, ModelServerConfig))


def decode(message: Any) -> Configured:
    """The models of a ModelServerConfig message; their platforms are not checked yet. Raises ConfigurationError."""
    kind = message.WhichOneof("config")
    if kind is None:
        return None
    if kind == "custom_model_config":
        raise invalid_configuration("custom_model_config is not supported; expected model_config_list")
    entries = message.model_config_list.config
    _check_unique(entries)
    return tuple(_model(entry) for entry in entries)


def _check_unique(entries: Sequence[Any]) -> None:
    seen: set[str] = set()
    for entry in entries:
        if entry.name in seen:
            raise invalid_configuration(f"Illegal to list model {entry.name} multiple times in config list")
        seen.add(entry.name)


def check_platforms(models: Sequence[ModelConfig], supported: Collection[str] = (PLATFORM,)) -> None:
    """Raise ConfigurationError for the first model whose platform is not ``supported``."""
    for model in models:
        if model.platform not in supported:
            raise invalid_configuration(f"Model {model.name} requests unsupported platform {model.platform}")


def check_change(before: Sequence[ModelConfig], after: Sequence[ModelConfig]) -> None:
    """Raise ConfigurationError if a model that stays is to have another platform."""
    platforms = {model.name: model.platform for model in before}
    for model in after:
        if model.name in platforms and model.platform != platforms[model.name]:
            raise invalid_configuration(
                f"Illegal to change a model's platform. For model {model.name} platform was {platforms[model.name]} "
                f"and new platform requested is {model.platform}"
            )


def _model(entry: Any) -> ModelConfig:
    return ModelConfig(
        name=entry.name,
        base_path=_base_path(entry.name, entry.base_path),
        policy=_policy(entry.model_version_policy),
        labels=dict(entry.version_labels),
        model_type=entry.model_type,
        model_platform=entry.model_platform,
        logging=_logging(entry.name, entry.logging_config) if entry.HasField("logging_config") else None,
    )


def _logging(name: str, message: Any) -> RequestLogging:
    collector, sampling = message.log_collector_config, message.sampling_config
    if message.HasField("custom_logging_config") or collector.type not in ("", _LOG_COLLECTOR):
        raise invalid_configuration(
            f"Model {name} has a logging_config with custom_logging_config or the collector type "
            f"'{collector.type}'; expected log_collector_config of type '{_LOG_COLLECTOR}' and sampling_config"
        )
    tasks = [
        TaskSampling(
            rate=each.sampling_rate, dc=each.dc, index=each.task_index if each.HasField("task_index") else None
        )
        for each in sampling.per_task_sampling_configs
    ]
    for rate in (sampling.sampling_rate, *(task.rate for task in tasks)):
        if not 0 <= rate <= 1:
            raise invalid_configuration(
                f"Model {name} has a logging_config with sampling_rate {rate}; expected a probability from 0 to 1"
            )
    return RequestLogging(
        filename_prefix=collector.filename_prefix or name,
        rate=sampling.sampling_rate,
        tasks=tuple(tasks),
        attributes=sampling.attributes,
    )


def _base_path(name: str, base_path: str) -> Path | StoreUrl:
    path = base_path.removeprefix("file://")
    if "://" in path:
        return _store_url(name, path)
    if "\0" in path:
        raise invalid_configuration(f"Model {name} has base_path()={path!r}, with a NUL, which no path can have")
    if not path.startswith("/"):
        raise invalid_configuration(
            f"Expected model {name} to have an absolute path or URI; got base_path()={base_path}"
        )
    return Path(path)


def _store_url(name: str, base_path: str) -> StoreUrl:
    try:
        url = store_url.parse(base_path)
    except ValueError as error:
        raise invalid_configuration(
            f"Model {name} has base_path()={base_path.partition('?')[0]!r}, with {error}"
        ) from None
    if url is None:
        raise ConfigurationError(Code.UNIMPLEMENTED, f"Model {name} has base_path()={base_path}; {store_url.EXPECTED}")
    return url


def _policy(message: Any) -> VersionPolicy:
    match message.WhichOneof("policy_choice"):
        case "all":
            return All()
        case "specific":
            return Specific(versions=frozenset(message.specific.versions))
        case "latest":
            return Latest(num_versions=message.latest.num_versions)
        case _:
            return Latest()
