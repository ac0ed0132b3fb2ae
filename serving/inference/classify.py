"""Classify: Examples in, labels and scores out (docs/grpc.md, "Classify and regress")."""

from collections.abc import Callable, Mapping

from serving.codecs.protobuf.prediction_log import LogType
from serving.core.results import Classification
from serving.core.signature import CLASSIFY_METHOD_NAME, Signature
from serving.core.tensor import DataType, Tensor
from serving.errors import invalid_argument
from serving.inference.operations import Ends, Operation

INPUTS, CLASSES, SCORES = "inputs", "classes", "scores"


def ends(signature: Signature, show: Callable[[], str]) -> Ends:
    """The tensors of a signature that classifies; INVALID_ARGUMENT if it does not."""
    if len(signature.inputs) != 1:
        raise invalid_argument("Expected one input Tensor.")
    if len(signature.outputs) not in (1, 2):
        raise invalid_argument(f"Expected one or two output Tensors, found {len(signature.outputs)}")
    if INPUTS not in signature.inputs:
        raise invalid_argument(f"No classification inputs found in SignatureDef: {show()}")
    fetches = {alias: signature.outputs[alias].name for alias in (CLASSES, SCORES) if alias in signature.outputs}
    if not fetches:
        raise invalid_argument(
            f'Expected classification signature outputs to contain at least one of "classes" or "scores". '
            f"Signature was: {show()}"
        )
    return Ends(signature.inputs[INPUTS].name, fetches)


def result(outputs: Mapping[str, Tensor], examples: int) -> Classification:
    """The classes and scores of a call for ``examples`` Examples. INVALID_ARGUMENT if the graph gave anything else."""
    labels, scores = outputs.get(CLASSES), outputs.get(SCORES)
    if labels is not None:
        _check(labels, "classes", DataType.STRING, examples)
    if scores is not None:
        _check(scores, "scores", DataType.FLOAT, examples)
    if labels is not None and scores is not None and labels.array.shape[1] != scores.array.shape[1]:
        raise invalid_argument(
            "Tensors class and score should match in dim_size(1). "
            f"Got {labels.array.shape[1]} vs. {scores.array.shape[1]}"
        )
    return Classification(None if labels is None else labels.array, None if scores is None else scores.array)


def _check(tensor: Tensor, what: str, dtype: DataType, examples: int) -> None:
    shape = tensor.array.shape
    if len(shape) != 2:
        raise invalid_argument(
            f"Expected Tensor shape: [batch_size num_classes] but got [{','.join(str(size) for size in shape)}]"
        )
    if tensor.dtype is not dtype:
        raise invalid_argument(f"Expected {what} Tensor of DT_{dtype.name}. Got: DT_{tensor.dtype.name}")
    if shape[0] != examples:
        raise invalid_argument(f"Expected {what} output batch size of {examples}. Got: {shape[0]}")


CLASSIFY = Operation("classification", CLASSIFY_METHOD_NAME, LogType.CLASSIFY, ends, result)
