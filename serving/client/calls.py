"""The calls of the wire as values: what goes out, and how to read what comes back.

No connection and no waiting: both clients take a ``Call``, send it each in its own way, and hand the answer to it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from serving.client import messages, responses
from serving.client.checks import checked_int, checked_list, checked_text, shown
from serving.client.errors import about
from serving.client.examples import Features, to_message
from serving.client.messages import Message
from serving.client.tensors import fill
from serving.client.values import (
    CLASSIFY,
    REGRESS,
    Classification,
    Inference,
    Metadata,
    ModelConfig,
    Prediction,
    Task,
    VersionStatus,
)

T = TypeVar("T")

_PREDICTION, _MODEL = "/tensorflow.serving.PredictionService", "/tensorflow.serving.ModelService"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[T]):
    """A request: its method's path, its bytes, how to read the answer's bytes, and in words what it asks for."""

    path: str
    request: bytes
    read: Callable[[bytes], T]
    asked: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which model, which version of it (by number, by label, or the server's default), and which signature."""

    model: str
    version: int | None = None
    label: str | None = None
    signature: str = ""

    def __post_init__(self) -> None:
        """ValueError or TypeError says what cannot be asked for."""
        if not checked_text("name of a model", self.model):
            raise ValueError("expected the name of a model, got ''")
        checked_text("signature", self.signature)
        if self.version is not None and self.label is not None:
            raise ValueError(
                f"expected a version or a label, got version={shown(self.version)} and label={shown(self.label)}"
            )
        if self.version is not None:
            checked_int("version (a label is given as label=)", self.version)
        if self.label is not None:
            checked_text("label", self.label)

    def fill(self, spec: Message) -> None:
        """Write it into a ModelSpec."""
        spec.name = self.model
        spec.signature_name = self.signature
        if self.version is not None:
            spec.version.value = self.version
        if self.label is not None:
            spec.version_label = self.label

    def __str__(self) -> str:
        version = f" version {self.version}" if self.version is not None else ""
        label = f" label {self.label!r}" if self.label is not None else ""
        signature = f" signature {self.signature!r}" if self.signature else ""
        return f"model {self.model!r}{version}{label}{signature}"


def predict(choice: Choice, inputs: Mapping[str, Any], output_filter: Sequence[str]) -> Call[Prediction]:
    """Predict: arrays by the names of the signature's inputs; of the outputs those in the filter, or all."""
    if not isinstance(inputs, Mapping):
        raise TypeError(f"expected a mapping of input names to arrays, got {type(inputs).__name__}")
    request = messages.PredictRequest(output_filter=checked_list("output names", output_filter, str))
    choice.fill(request.model_spec)
    for name, value in inputs.items():
        try:
            fill(request.inputs[checked_text("name of an input", name)], value)
        except (TypeError, ValueError) as error:
            raise about(f"input {shown(name)}", error) from None
    return _call(_PREDICTION, "Predict", request, responses.prediction, choice)


def classify(
    choice: Choice, examples: Iterable[Features | bytes], context: Features | bytes | None
) -> Call[list[Classification]]:
    """Classify: examples, and perhaps features that all of them share."""
    request = messages.ClassificationRequest()
    choice.fill(request.model_spec)
    _fill_input(request.input, examples, context)
    return _call(_PREDICTION, "Classify", request, responses.classifications, choice)


def regress(
    choice: Choice, examples: Iterable[Features | bytes], context: Features | bytes | None
) -> Call[NDArray[np.float32]]:
    """Regress: examples, and perhaps features that all of them share."""
    request = messages.RegressionRequest()
    choice.fill(request.model_spec)
    _fill_input(request.input, examples, context)
    return _call(_PREDICTION, "Regress", request, responses.regressions, choice)


def multi_inference(
    choice: Choice, examples: Iterable[Features | bytes], tasks: Sequence[Task], context: Features | bytes | None
) -> Call[dict[str, Inference]]:
    """MultiInference: several signatures of one version over the same examples."""
    request = messages.MultiInferenceRequest()
    for task in tasks:
        if task.method not in (CLASSIFY, REGRESS):
            raise ValueError(f"signature {task.signature!r}: expected {CLASSIFY} or {REGRESS}, got {task.method!r}")
        added = request.tasks.add(method_name=task.method)
        choice.fill(added.model_spec)
        added.model_spec.signature_name = task.signature
    _fill_input(request.input, examples, context)
    names = [task.signature for task in tasks]

    def read(data: bytes) -> dict[str, Inference]:
        return responses.inferences(data, names)

    return _call(_PREDICTION, "MultiInference", request, read, choice)


def checked_signatures(signatures: Iterable[str], tasks: Sequence[Task]) -> list[str]:
    """The signatures of a MultiInference, none if there are tasks. ValueError or TypeError if it is not one of both."""
    names = checked_list("signatures", signatures, str)
    tasks = checked_list("tasks", tasks, Task)
    if bool(names) == bool(tasks):
        raise ValueError(f"expected signatures or tasks, got signatures={shown(names)} and tasks={shown(tasks)}")
    return names


def tasks_of(metadata: Metadata, signatures: Iterable[str]) -> list[Task]:
    """The tasks of signatures, with the methods that the metadata gives them. ValueError if there is no such one."""
    tasks = []
    for name in signatures:
        if name not in metadata.signatures:
            known = ", ".join(sorted(metadata.signatures))
            raise ValueError(f"model {metadata.model!r} has no signature {name!r}; it has {known}")
        tasks.append(Task(signature=name, method=metadata.signatures[name].method))
    return tasks


def metadata(choice: Choice) -> Call[Metadata]:
    """GetModelMetadata, for the signatures."""
    request = messages.GetModelMetadataRequest(metadata_field=["signature_def"])
    choice.fill(request.model_spec)
    return _call(_PREDICTION, "GetModelMetadata", request, responses.metadata, choice)


def status(choice: Choice) -> Call[list[VersionStatus]]:
    """GetModelStatus, of one version or of all."""
    request = messages.GetModelStatusRequest()
    choice.fill(request.model_spec)
    return _call(_MODEL, "GetModelStatus", request, responses.version_statuses, choice)


def ready(choice: Choice) -> Call[bool]:
    """GetModelStatus, for whether a version of those chosen is available."""

    def read(data: bytes) -> bool:
        return any(each.state == "AVAILABLE" for each in responses.version_statuses(data))

    return replace(status(choice), read=read)  # type: ignore[arg-type,return-value]  # the same call, read otherwise


def reload(models: Iterable[ModelConfig]) -> Call[None]:
    """HandleReloadConfigRequest: from now on these models, and no others."""
    request = messages.ReloadConfigRequest()
    request.config.model_config_list.SetInParent()
    for model in checked_list("models", models, ModelConfig):
        _fill_config(request.config.model_config_list.config.add(), model)
    names = ", ".join(config.name for config in request.config.model_config_list.config)
    return _call(_MODEL, "HandleReloadConfigRequest", request, responses.reloaded, f"models {names}")


def _call(service: str, method: str, request: Message, read: Callable[[bytes], T], asked: Choice | str) -> Call[T]:
    return Call(
        path=f"{service}/{method}", request=messages.serialised(request), read=read, asked=f"{method} of {asked}"
    )


def _fill_input(input_: Message, examples: Iterable[Features | bytes], context: Features | bytes | None) -> None:
    if isinstance(examples, Mapping | str | bytes):
        raise TypeError(f"expected a list of examples, got one {type(examples).__name__}; put it into a list")
    if not isinstance(examples, Iterable):
        raise TypeError(f"expected a list of examples, got {shown(examples)}")
    if context is None:
        given = input_.example_list
    else:
        given = input_.example_list_with_context
        given.context.CopyFrom(to_message(context))
    given.SetInParent()
    for index, each in enumerate(examples):
        try:
            given.examples.append(to_message(each))
        except (TypeError, ValueError) as error:
            raise about(f"example {index}", error) from None


def _fill_config(config: Message, model: ModelConfig) -> None:
    config.name, config.base_path, config.model_platform = model.name, model.base_path, model.platform
    config.version_labels.update(model.labels)
    policy = config.model_version_policy
    if model.versions:
        policy.specific.versions.extend(model.versions)
    elif model.latest is not None:
        policy.latest.num_versions = model.latest
    elif model.all_versions:
        policy.all.SetInParent()
