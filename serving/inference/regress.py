"""Regress: Examples in, one number each out (docs/grpc.md, "Classify and regress")."""

from collections.abc import Callable, Mapping
from typing import Any

from serving.codecs.protobuf.prediction_log import LogType
from serving.core.results import Regression
from serving.core.signature import REGRESS_METHOD_NAME, Signature
from serving.core.tensor import DataType, Tensor
from serving.errors import invalid_argument
from serving.inference.classify import INPUTS
from serving.inference.operations import Ends, Operation

OUTPUTS = "outputs"


def ends(signature: Signature, show: Callable[[], str]) -> Ends:
    """The tensors of a signature that regresses; INVALID_ARGUMENT if it does not."""
    if len(signature.inputs) != 1:
        raise invalid_argument("Expected one input Tensor.")
    if len(signature.outputs) != 1:
        raise invalid_argument("Expected one output Tensor.")
    for kind, alias, known in (("inputs", INPUTS, signature.inputs), ("outputs", OUTPUTS, signature.outputs)):
        if alias not in known:
            raise invalid_argument(f"No regression {kind} found in SignatureDef: {show()}")
    return Ends(signature.inputs[INPUTS].name, {OUTPUTS: signature.outputs[OUTPUTS].name})


def result(outputs: Mapping[str, Tensor], examples: int) -> Regression:
    """The values of a call for ``examples`` Examples. INVALID_ARGUMENT if the graph gave anything else."""
    dtype, array = outputs[OUTPUTS]
    shape: tuple[Any, ...] = array.shape
    if not (len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)):
        raise invalid_argument(
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got "
            f"[{','.join(str(size) for size in shape)}]"
        )
    if shape[0] != examples:
        raise invalid_argument(f"Input batch size did not match output batch size: {examples} vs. {shape[0]}")
    if dtype is not DataType.FLOAT:
        raise invalid_argument(f"Expected output Tensor of DT_FLOAT.  Got: DT_{dtype.name}")
    return Regression(array.reshape(-1))


REGRESS = Operation("regression", REGRESS_METHOD_NAME, LogType.REGRESS, ends, result)
