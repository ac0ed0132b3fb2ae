"""What calls give back, and the two values that they take: plain data, without a connection to a server."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

CLASSIFY = "tensorflow/serving/classify"
REGRESS = "tensorflow/serving/regress"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionStatus:
    """A version's state (``AVAILABLE``, ``LOADING``, ...), and the gRPC code and message of what went wrong with it."""

    version: int
    state: str
    code: int
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
        """ValueError if there is more than one answer to which versions."""
        if bool(self.versions) + (self.latest is not None) + self.all_versions > 1:
            raise ValueError(
                f"{self.name}: expected one of versions, latest and all_versions, "
                f"got versions={self.versions}, latest={self.latest}, all_versions={self.all_versions}"
            )
