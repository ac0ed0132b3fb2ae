"""What calls give back, and the two values that they take: plain data, without a connection to a server."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from serving.client.checks import checked_int, checked_text, shown

CLASSIFY = "tensorflow/serving/classify"
REGRESS = "tensorflow/serving/regress"

DEFAULT_SIGNATURE = "serving_default"
"""The signature that answers where none is named."""


class Prediction(dict[str, NDArray[Any]]):
    """The outputs of Predict by name, and which model answered. Strings are object arrays of ``bytes``."""

    def __init__(
        self, outputs: Mapping[str, NDArray[Any]] = MappingProxyType({}), *, model: str, version: int, signature: str
    ) -> None:
        super().__init__(outputs)
        self.model = model
        self.version = version
        self.signature = signature

    def __repr__(self) -> str:
        return f"Prediction({super().__repr__()}, {self.model}, version {self.version}, {self.signature})"


class Class(NamedTuple):
    """One class of a classification, in the model's order. Without labels or scores in the model: "" and 0.0."""

    label: str
    score: float


Classification = list[Class]
"""The classes of one example."""

Inference = list[Classification] | NDArray[np.float32]
"""What one task of MultiInference gives: what Classify or what Regress gives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One task of MultiInference: a signature, and its method ``CLASSIFY`` or ``REGRESS``."""

    signature: str
    method: str

    def __post_init__(self) -> None:
        """TypeError if one of them is no str."""
        checked_text("signature of a task", self.signature)
        checked_text("method of a task", self.method)


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionStatus:
    """A version's state (``AVAILABLE``, ``LOADING``, ...), and the gRPC code and message of what went wrong with it."""

    version: int
    state: str
    code: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelState:
    """A model, or a version of it, in a server's list: its state (``READY``, ``UNAVAILABLE``, ...), and why.

    The version is 0 if the list has none.
    """

    model: str
    version: int
    state: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorInfo:
    """An input or output: the tensor's name in the graph, numpy's name of its dtype, and its shape.

    The dtype of strings is ``string``. A dimension of any size is -1; the shape is None if their number is unknown.
    """

    name: str
    dtype: str
    shape: tuple[int, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A signature: its method name, and its inputs and outputs by the names that requests and answers use."""

    method: str
    inputs: Mapping[str, TensorInfo]
    outputs: Mapping[str, TensorInfo]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What a version says of itself: its signatures by name."""

    model: str
    version: int
    signatures: Mapping[str, Signature]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """A model that the server is to serve, as an entry of ``--model_config_file``.

    Which versions: those of ``versions``, or the newest ``latest`` of them, or all; if nothing is said the newest.
    """

    name: str
    base_path: str
    versions: tuple[int, ...] = ()
    latest: int | None = None
    all_versions: bool = False
    labels: Mapping[str, int] = field(default_factory=dict)
    platform: str = "tensorflow"

    def __post_init__(self) -> None:
        """TypeError or ValueError for what no configuration can have, or if there are two answers to which versions."""
        checked_text("name of a model", self.name)
        checked_text(f"base path of {self.name}", self.base_path)
        checked_text(f"platform of {self.name}", self.platform)
        versions: Any = self.versions
        if isinstance(versions, str | bytes) or not isinstance(versions, Sequence):
            raise TypeError(f"expected a tuple of ints as the versions of {self.name}, got {shown(versions)}")
        for version in versions:
            checked_int(f"version of {self.name}", version)
        if self.latest is not None:
            checked_int(f"number of the newest versions of {self.name}", self.latest, range(2**32))
        if not isinstance(self.labels, Mapping):
            raise TypeError(f"expected a mapping of labels to versions for {self.name}, got {shown(self.labels)}")
        for label, version in self.labels.items():
            checked_int(f"version of label {checked_text(f'label of {self.name}', label)}", version)
        if bool(self.versions) + (self.latest is not None) + self.all_versions > 1:
            raise ValueError(
                f"{self.name}: expected one of versions, latest and all_versions, "
                f"got versions={self.versions}, latest={self.latest}, all_versions={self.all_versions}"
            )
