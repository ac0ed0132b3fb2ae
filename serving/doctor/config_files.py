"""The files that flags name: parsed with line and column, then taken as a start takes them; but for those of TLS."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf import text_format

from serving.configuration import batching_config, model_config, monitoring_config, sagemaker_models, session_config
from serving.configuration.model_config import ModelConfig
from serving.configuration.session_config import Sessions
from serving.doctor.finding import Finding, Level, fails, ok, warning
from serving.doctor.text_files import TextFile, line_of
from serving.errors import ConfigurationError
from serving.protos import (
    POOL,
    BatchingParameters,
    ConfigProto,
    ModelServerConfig,
    MonitoringConfig,
    PlatformConfigMap,
    ThreadPoolFactoryConfig,
)
from serving.settings import Settings

MESSAGES: Mapping[str, Any] = {
    "model_config_file": ModelServerConfig,
    "batching_parameters_file": BatchingParameters,
    "monitoring_config_file": MonitoringConfig,
    "platform_config_file": PlatformConfigMap,
    "tensorflow_session_config_file": ConfigProto,
    "thread_pool_factory_config_file": ThreadPoolFactoryConfig,
}
"""The text protos that flags name, but for those of TLS."""


_ADVICE: Mapping[str, str] = {
    "platform": 'Write model_platform: "tensorflow"',
    "mounted one": "Mount it as a directory, or copy it into one.",
    "absolute path": "Write the whole path, beginning with /",
}
"""What to do, by words of the error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A model that is configured, and where: by flags, or near a line of a file."""

    model: ModelConfig
    file: Path | None = None
    line: int = 1

    @property
    def directory(self) -> Path:
        """The base path of a model that is in a directory of this machine."""
        assert isinstance(self.model.base_path, Path)  # noqa: S101 - the caller has asked
        return self.model.base_path

    def base_path_is(self, path: object) -> str:
        """How to configure another base path."""
        if self.file is None:
            parent, _, name = str(path).rpartition("/")
            variables = f"MODEL_BASE_PATH={parent or '/'} MODEL_NAME={name}"
            return f"--model_base_path={path} (with make serve or the image {variables})"
        return f'base_path: "{path}" near line {self.line} of {self.file}'


def named_models(settings: Settings) -> tuple[list[Named], list[Finding]]:
    """The models that can be made out, and a row for everything that is wrong with their configuration."""
    if settings.model_config_file:
        return _listed(settings)
    if settings.model_base_path:
        try:
            (model,) = model_config.single(settings.model_name, settings.model_base_path)
        except ConfigurationError as error:
            what = f"--model_base_path={settings.model_base_path}"
            return [], [fails(what, error.message, "Give the whole path of a directory, beginning with /.")]
        return [Named(model=model)], []
    if settings.sagemaker_multi_model:
        return [], [ok("models", "none at the start: SageMaker loads them one by one (--sagemaker_multi_model)")]
    if settings.sagemaker:
        return _found(settings)
    advice = "Give --model_name=NAME --model_base_path=/path/to/NAME, or --model_config_file."
    return [], [fails("models", "no flag names a model: --model_base_path and --model_config_file are empty", advice)]


def _found(settings: Settings) -> tuple[list[Named], list[Finding]]:
    place = sagemaker_models.directory(settings)
    what = f"--sagemaker_model_directory={place}"
    try:
        models = sagemaker_models.found_below(place)
    except ConfigurationError as error:
        return [], [fails(what, error.message, "See docs/dialects.md, SageMaker.")]
    found = ok(what, f"{len(models)} model(s): {', '.join(model.name for model in models)}")
    return [Named(model=model) for model in models], [found]


def _listed(settings: Settings) -> tuple[list[Named], list[Finding]]:
    file = TextFile(flag="model_config_file", path=Path(settings.model_config_file), message_class=ModelServerConfig)
    findings: list[Finding] = []
    if settings.model_base_path:
        found = f"{settings.model_base_path}: --model_config_file is given as well, and is what counts"
        findings.append(warning("--model_base_path", found, "Leave one of them out."))
    wrong = file.wrong()
    if wrong is not None:
        return [], [*findings, wrong]
    text = file.path.read_text("utf-8", "replace")
    message = text_format.Parse(text, ModelServerConfig(), descriptor_pool=POOL)
    if message.WhichOneof("config") != "model_config_list":
        try:
            model_config.decode(message)
        except ConfigurationError as error:
            return [], [*findings, fails(file.what, error.message, "See docs/models.md, Model configuration.")]
        return [], [*findings, warning(file.what, "lists no models", "Write model_config_list { config { ... } }.")]
    models: list[Named] = []
    for each in _entries(file, text, message.model_config_list.config, settings):
        if isinstance(each, Finding):
            findings.append(each)
        else:
            models.append(each)
    if not findings:
        findings.append(ok(file.what, f"{len(models)} model(s): {', '.join(each.model.name for each in models)}"))
    return models, findings


def _entries(file: TextFile, text: str, entries: Any, settings: Settings) -> Iterator[Named | Finding]:
    seen: dict[str, int] = {}
    for entry in entries:
        name, number = entry.name, seen.get(entry.name, 0)
        seen[name] = number + 1
        line, column = line_of(text, [rf"name\s*:\s*[\"']{re.escape(name)}[\"']"], number)
        if number:
            yield file.at(text, line, column, f"the model {name} is listed a second time.", "Take one of them out.")
            continue
        alone = ModelServerConfig()
        alone.model_config_list.config.append(entry)
        try:
            (model,) = model_config.decode(alone) or ()
            _ = model.platform
        except ConfigurationError as error:
            advice = next((advice for word, advice in _ADVICE.items() if word in error.message), "")
            yield file.at(text, *_blamed(text, entry, error, (line, column)), f"{error.message}.", advice)
            continue
        yield from _places(file, text, (line, column), model, settings)
        yield Named(model=model, file=file.path, line=line)


def _blamed(text: str, entry: Any, error: ConfigurationError, place: tuple[int, int]) -> tuple[int, int]:
    """Where the base path is, if the error is about that; else the place of the model."""
    if entry.base_path and entry.base_path in error.message:
        found = line_of(text, [rf"base_path\s*:\s*[\"']{re.escape(entry.base_path)}[\"']"])
        return place if found == (1, 1) else found
    return place


def _places(
    file: TextFile, text: str, place: tuple[int, int], model: ModelConfig, settings: Settings
) -> Iterator[Finding]:
    if not model.name:
        yield file.at(text, *place, "a model has no name: nobody can ask for it.", 'Give it name: "NAME".')
    if model.labels and not settings.allow_version_labels_for_unavailable_models:
        label, version = next(iter(model.labels.items()))
        yield file.at(
            text,
            *line_of(text, [rf"key\s*:\s*[\"']{re.escape(label)}[\"']"]),
            f"the label {label} of {model.name} points to version {version}, which is not available at the start.",
            "Give --allow_version_labels_for_unavailable_models, or assign labels with a reload.",
        )
    if model.logging is not None and not settings.request_log_directory:
        yield file.at(text, *place, f"{model.name} has a logging_config, and there is no --request_log_directory.")


def other_files(settings: Settings, cpus: int) -> tuple[Sessions | None, list[Finding]]:
    """How sessions would be made, None if that cannot be told, and a row or more for each of the other files."""
    files = [
        TextFile(flag=flag, path=Path(getattr(settings, flag)), message_class=message_class)
        for flag, message_class in MESSAGES.items()
        if getattr(settings, flag) and flag != "model_config_file"
    ]
    found = {file.flag: [wrong] for file in files if (wrong := file.wrong()) is not None}
    for file in files:
        if file.flag not in found:
            checked = list(_CHECKS.get(file.flag, _nothing)(settings, file, cpus))
            found[file.flag] = checked or [ok(file.what, f"is a text {file.kind}")]
    findings = [finding for file in files for finding in found[file.flag]]
    if any(each.level is Level.FAILS for flag in _OF_SESSIONS for each in found.get(flag, ())):
        return None, findings
    try:
        return session_config.decide(settings, cpus), findings
    except ConfigurationError as error:
        return None, [*findings, fails("sessions", error.message)]


def _nothing(*_: object) -> Iterator[Finding]:
    yield from ()


def _batching(settings: Settings, file: TextFile, cpus: int) -> Iterator[Finding]:
    if not settings.enable_batching:
        yield fails(file.what, "is given without --enable_batching", "Give --enable_batching, or leave the file out.")
        return
    try:
        parameters = batching_config.read(file.path, cpus)
        parameters.check_threads()
        parameters.queue_options()
    except ConfigurationError as error:
        text, fields = file.path.read_text("utf-8", "replace"), BatchingParameters.DESCRIPTOR.fields_by_name
        words = [word for word in re.findall(r"\w+", error.message) if word in fields]
        line, _ = line_of(text, [rf"\b{word}\b" for word in words])
        yield fails(file.what, f"line {line}: {error.message}")


def _monitoring(settings: Settings, file: TextFile, _cpus: int) -> Iterator[Finding]:
    path = monitoring_config.read_path(str(file.path))
    if not settings.rest_api_port:
        yield warning(file.what, "metrics are shown at the REST port, which is off", "Give --rest_api_port.")
    elif path and not path.startswith("/"):
        yield warning(file.what, f"no request can have the path {path}", f'Write path: "/{path}"')


_CHECKS: Mapping[str, Callable[[Settings, TextFile, int], Iterator[Finding]]] = {
    "batching_parameters_file": _batching,
    "monitoring_config_file": _monitoring,
}
"""What is looked at in a file that can be parsed."""

_OF_SESSIONS = ("platform_config_file", "tensorflow_session_config_file", "thread_pool_factory_config_file")
