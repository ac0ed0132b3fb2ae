"""An inference request as its values, whichever way it came; JSON and gRPC are read into these."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from serving.codecs.open_inference import classification
from serving.codecs.open_inference.datatypes import DATATYPES, undeclarable
from serving.core.model_spec import ModelSpec
from serving.core.tensor import DataType, Tensor
from serving.errors import invalid_argument

_LARGEST_VERSION = 2**63 - 1
_MOST_DIGITS = 64

_new = tuple.__new__  # the constructor of a NamedTuple is a function in Python, which takes longer


class InferInput(NamedTuple):
    """One input. ``read`` decodes it, to a tensor of ``dtype`` and ``shape``; until then nothing of it is copied.

    It raises ServingError, INVALID_ARGUMENT: contents that do not fit the datatype and the shape.
    """

    name: str
    dtype: DataType
    shape: tuple[int, ...]
    read: Callable[[], Tensor]

    def tensor(self, declared: DataType) -> Tensor:
        """The tensor, for a signature that has it as ``declared``; nothing is cast. INVALID_ARGUMENT, as ``read``."""
        if self.dtype is not declared:
            if declared not in DATATYPES:
                raise undeclarable("Input", self.name, declared)
            raise invalid_argument(
                f'Input "{self.name}" has the datatype {DATATYPES[self.dtype]}; expected {DATATYPES[declared]}, as the '
                "signature declares it. Tensors are not cast."
            )
        return self.read()


class WantedOutput(NamedTuple):
    """One output that is asked for: with ``binary`` as bytes, with ``classes`` only that many of the highest."""

    name: str
    binary: bool = False
    classes: int = 0


class InferRequest(NamedTuple):
    """All of it. Without ``outputs`` every output is asked for, as ``binary`` says.

    ``spec`` is None where the URL has it. ``timeout_ms`` is 0 without a limit.
    """

    inputs: Mapping[str, InferInput]
    outputs: tuple[WantedOutput, ...] = ()
    id: str = ""
    spec: ModelSpec | None = None
    binary: bool = False
    signature_name: str = ""
    timeout_ms: int = 0

    @property
    def elements(self) -> int:
        """Declared beside what there is: none, for contents that do not fill their shape are refused."""
        return 0


def address(name: str, version: str) -> ModelSpec:
    """The address of a model's version as the protocol writes it: empty for the latest; no number is a label.

    INVALID_ARGUMENT for a number beyond 64 bits.
    """
    if not version:
        return ModelSpec(name)
    if not (version.isascii() and version.isdigit()):
        return ModelSpec(name, label=version)
    number = int(version) if len(version) <= _MOST_DIGITS else _LARGEST_VERSION + 1
    if number > _LARGEST_VERSION:
        raise invalid_argument(f'The version "{version[:32]}" is too large; expected at most {_LARGEST_VERSION}')
    return ModelSpec(name, number)


def results(request: InferRequest, outputs: Mapping[str, Tensor]) -> list[tuple[WantedOutput, Tensor]]:
    """The outputs that a request asks for, in its order, those with classes classified.

    Raises ServingError, INVALID_ARGUMENT, for a type that has no datatype, or that has no classes.
    """
    wanted = request.outputs or [_new(WantedOutput, (name, request.binary, 0)) for name in outputs]
    found = []
    for each in wanted:
        tensor = outputs[each.name]
        if each.classes:
            tensor = classification.highest(each.name, tensor, each.classes)
        if tensor.dtype not in DATATYPES:
            raise undeclarable("Output", each.name, tensor.dtype)
        found.append((each, tensor))
    return found
