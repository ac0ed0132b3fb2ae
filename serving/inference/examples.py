"""What classify and regress share: a signature by name, and Examples as the string tensor that graphs parse."""

from typing import Protocol

import numpy as np

from serving.core.predict_plan import Prediction
from serving.core.servable import Servable
from serving.core.signature import Signature
from serving.core.tensor import DataType, Tensor
from serving.errors import invalid_argument
from serving.inference.classify import Plan


class Planner(Protocol):
    """``classify.plan`` or ``regress.plan``."""

    def __call__(self, servable: Servable, name: str, signature: Signature, *, check_method_name: bool) -> Plan:
        """The graph tensors of a call. INVALID_ARGUMENT if the signature does not fit."""
        ...


def find_signature(servable: Servable, name: str) -> Signature:
    """The signature called ``name``; INVALID_ARGUMENT, not FAILED_PRECONDITION as Predict has it."""
    signature = servable.signatures.get(name)
    if signature is None:
        raise invalid_argument(f"No signature was found with the name: {name}")
    return signature


def tensor(serialized: list[bytes]) -> Tensor:
    """A string tensor of shape ``[len(serialized)]``. INVALID_ARGUMENT if there is none."""
    if not serialized:
        raise invalid_argument("Input is empty.")
    values = np.empty(len(serialized), object)
    values[:] = serialized
    return Tensor(DataType.STRING, values)


def bind(servable: Servable, plan: Plan, serialized: list[bytes]) -> Prediction:
    """The call of a plan for these Examples; its outputs are the plan's aliases."""
    given = tensor(serialized)
    run = servable.resolve((plan.feed,), tuple(plan.fetches.values()))
    return Prediction(run, [given], tuple(plan.fetches))
