"""Model configuration: the two single-model flags or a text ModelServerConfig, validated into values.

Texts of errors are TensorFlow Serving's (docs/compatibility.md, "Model configuration").
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from serving import text_proto
from serving.core.version_policy import All, Latest, Specific, VersionPolicy
from serving.errors import Code, ConfigurationError
from serving.protos import ModelServerConfig

_PLATFORM = "tensorflow"
_TENSORFLOW_TYPE = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """A configured model: its name, where its versions are, which to serve, and labels for them."""

    name: str
    base_path: Path
    policy: VersionPolicy = field(default_factory=Latest)
    labels: Mapping[str, int] = field(default_factory=dict)


def single(name: str, base_path: str) -> tuple[ModelConfig, ...]:
    """The configuration of --model_name and --model_base_path."""
    return (ModelConfig(name=name, base_path=_base_path(name, base_path)),)


def read(path: Path) -> tuple[ModelConfig, ...]:
    """The models of a --model_config_file. Raises ConfigurationError."""
    return decode(text_proto.read(path, ModelServerConfig))


def decode(message: Any) -> tuple[ModelConfig, ...]:
    """The models of a ModelServerConfig message, in its order. Raises ConfigurationError."""
    if message.WhichOneof("config") == "custom_model_config":
        raise ConfigurationError(
            Code.INVALID_ARGUMENT, "custom_model_config is not supported; expected model_config_list"
        )
    entries = message.model_config_list.config
    _check_unique(entries)
    return tuple(_model(entry) for entry in entries)


def _check_unique(entries: Sequence[Any]) -> None:
    seen: set[str] = set()
    for entry in entries:
        if entry.name in seen:
            raise ConfigurationError(
                Code.INVALID_ARGUMENT, f"Illegal to list model {entry.name} multiple times in config list"
            )
        seen.add(entry.name)


def _model(entry: Any) -> ModelConfig:
    base_path = _base_path(entry.name, entry.base_path)
    _check_platform(entry)
    return ModelConfig(
        name=entry.name,
        base_path=base_path,
        policy=_policy(entry.model_version_policy),
        labels=dict(entry.version_labels),
    )


def _base_path(name: str, base_path: str) -> Path:
    path = base_path.removeprefix("file://")
    if "://" in path:
        raise ConfigurationError(
            Code.UNIMPLEMENTED,
            f"Model {name} has base_path()={base_path}, an object store; expected a directory of this machine, "
            "for instance a mounted one",
        )
    if not path.startswith("/"):
        raise ConfigurationError(
            Code.INVALID_ARGUMENT,
            f"Expected model {name} to have an absolute path or URI; got base_path()={base_path}",
        )
    return Path(path)


def _check_platform(entry: Any) -> None:
    kind, platform = entry.model_type, entry.model_platform
    if bool(kind) == bool(platform):
        which, joint = ("both", "and") if kind else ("neither", "nor")
        raise ConfigurationError(
            Code.INVALID_ARGUMENT,
            f"Illegal setting {which} ModelServerConfig::model_type (deprecated) {joint} "
            f"ModelServerConfig::model_platform, model name is {entry.name}",
        )
    if kind and kind != _TENSORFLOW_TYPE:
        raise ConfigurationError(Code.INVALID_ARGUMENT, f"ModelServerConfig::model_type choice {kind} not supported.")
    if platform and platform != _PLATFORM:
        raise ConfigurationError(Code.INVALID_ARGUMENT, f"Model {entry.name} requests unsupported platform {platform}")


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
