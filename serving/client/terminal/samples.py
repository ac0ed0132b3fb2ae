"""What is asked where a model is measured: one request that shows it answers, and inputs that are made up."""

from argparse import Namespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.client.client import Client
from serving.client.errors import ServingError
from serving.client.terminal.errors import ProblemError, sentence
from serving.client.terminal.json_values import dtype_of
from serving.client.terminal.predicting import answered
from serving.client.values import Prediction, Signature, TensorInfo

_SEED = 15


def first_answer(client: Client, arguments: Namespace, name: str, inputs: dict[str, NDArray[Any]]) -> Prediction:
    """A call that is not measured: it opens the connection, and shows whether the model answers this at all."""
    try:
        return answered(client, arguments, name, inputs)
    except ServingError as error:
        if arguments.input:
            raise
        raise ProblemError(
            f"{sentence(error)}\nThe request was made from the signature alone: give one that the model answers with "
            "--input."
        ) from None


def made_up(signature: Signature, batch: int) -> dict[str, NDArray[Any]]:
    """Arrays of the types and shapes of the inputs: fractions from 0 to 1, zeros of ints, empty strings."""
    random = np.random.default_rng(_SEED)
    return {name: _values(info, batch, random) for name, info in signature.inputs.items()}


def _values(info: TensorInfo, batch: int, random: np.random.Generator) -> NDArray[Any]:
    sizes = (-1,) if info.shape is None else info.shape
    shape = tuple(size if size >= 0 else 1 if index else batch for index, size in enumerate(sizes))
    if info.dtype == "string":
        array = np.empty(shape, object)
        array[...] = b""
        return array
    dtype = dtype_of(info.dtype)
    return np.zeros(shape, dtype) if dtype.kind in "iub" else random.random(shape).astype(dtype)
