"""What the service asks of a protocol for each operation: values made once, which know no versions, metrics or logs."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from google.protobuf import text_format

from serving.codecs.protobuf.prediction_log import LogType
from serving.core.model_spec import ModelSpec
from serving.core.plans import Encode, Plan, Plans
from serving.core.results import Classification, Regression
from serving.core.servable import Servable, ServableId
from serving.core.signature import CLASSIFY_METHOD_NAME, PREDICT_METHOD_NAME, REGRESS_METHOD_NAME, Signature
from serving.core.tensor import DataType, Tensor
from serving.errors import Code, ServingError, invalid_argument

Result = Classification | Regression

_METHOD_NAMES = (PREDICT_METHOD_NAME, CLASSIFY_METHOD_NAME, REGRESS_METHOD_NAME)
_MARKER = "goo.gle/debugproto   \n"
"""What current protobuf puts before debug strings, so that nobody parses them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How a protocol writes one kind of request. ``api`` is its operation in the metrics' words, empty if not counted.

    ``read`` gives what a message says as far as no model is needed, with its ``signature_name``; it raises
    TooLongHereError if that takes long and the second argument says that time is limited. ``peek`` gives what a message
    is for, where it says so itself, and decodes no tensor.
    """

    api: str
    log_type: LogType
    read: Callable[[bytes, bool], Any]
    peek: Callable[[bytes], ModelSpec | None] | None = None
    is_message: bool = False
    """Whether what is read is the very message that gRPC would have carried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictForm(Form):
    """Predict. ``missing`` is the error for a signature that there is not.

    ``bind`` gives what was read as the plan of a signature, the tensors for it, and the key by which the plan keeps how
    the answer is written; ``encoder`` makes that. With ``method_first`` method names are checked before the inputs.
    """

    missing: Callable[[str], ServingError]
    bind: Callable[[Any, Plans, str, Signature], tuple[Hashable, Plan, list[Tensor]]]
    encoder: Callable[[Any, Plan, ServableId, str], Encode]
    method_first: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class InferForm(Form):
    """Named tensors in and out, where an answer repeats some of its request, so that none can be kept to write others.

    ``missing`` is the error for a signature that there is not; ``bind`` gives what was read as the plan of a signature,
    the tensors for it, and what writes the answer.
    """

    missing: Callable[[str], ServingError]
    bind: Callable[[Any, Plans, Signature, ServableId], tuple[Plan, list[Tensor], Encode]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExamplesForm(Form):
    """Classify, Regress, MultiInference: what was read has ``examples()``. ``encode`` takes results by signature."""

    encode: Callable[[Iterable[tuple[str, Result]], ServableId], bytes]


class Ends(NamedTuple):
    """The graph tensors of a call with Examples: one to feed, and those to fetch by their aliases."""

    feed: str
    fetches: dict[str, str]


class Operation(NamedTuple):
    """Classify or Regress: ``ends`` checks a signature, which it can show, ``result`` the outputs for some Examples."""

    noun: str
    method_name: str
    log_type: LogType
    ends: Callable[[Signature, Callable[[], str]], Ends]
    result: Callable[[Mapping[Any, Tensor], int], Result]

    def plan(self, plans: Plans, name: str, *, check_method_name: bool) -> Plan:
        """The call of the signature ``name``. INVALID_ARGUMENT if it does not fit, or is not there."""
        if name not in plans.servable.signatures:
            raise invalid_argument(f"No signature was found with the name: {name}")

        def work_out() -> Plan:
            feed, fetches = self.checked_ends(plans.servable, name, check_method_name=check_method_name)
            return plans.resolve((feed,), fetches)

        return plans.of((self.method_name, name), work_out)

    def checked_ends(self, servable: Servable, name: str, *, check_method_name: bool) -> Ends:
        """The ends of a signature that is there; its method name counts only if it is checked."""
        signature = servable.signatures[name]
        if check_method_name and signature.method_name != self.method_name:
            raise invalid_argument(
                f"Expected {self.noun} signature method_name to be {self.method_name}. Was: {signature.method_name}"
            )
        return self.ends(signature, lambda: _MARKER + str(text_format.MessageToString(servable.signature_defs[name])))


def check_method(signature: Signature) -> None:
    """INTERNAL for a signature whose method name is none of those that Predict may be called for."""
    if signature.method_name not in _METHOD_NAMES:
        raise ServingError(
            Code.INTERNAL,
            "Expected prediction signature method_name to be one of {" + ", ".join(_METHOD_NAMES) + "}. Was: "
            f"{signature.method_name}",
        )


def examples_tensor(serialized: Sequence[bytes]) -> Tensor:
    """A string tensor of shape ``[len(serialized)]``. INVALID_ARGUMENT if there is none."""
    if not serialized:
        raise invalid_argument("Input is empty.")
    values = np.empty(len(serialized), object)
    values[:] = serialized
    return Tensor(DataType.STRING, values)
