"""The command ``predict``: files in, outputs on the terminal, as JSON, or in a file."""

import base64
import json
import math
import re
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.client.client import Client
from serving.client.signatures import described
from serving.client.terminal.errors import ProblemError, UsageError
from serving.client.terminal.inputs import load
from serving.client.terminal.servers import client_of
from serving.client.terminal.show import width
from serving.client.values import DEFAULT_SIGNATURE, Prediction, Signature

_OTHER_NUMBERS = re.compile(r" is (?!string)\w+\[[^ ]*\], you gave (?!string)\w")
"""What a client says of numbers of another type than the signature's."""

_MOST_SHOWN = 200
"""Elements of an output that are printed in full."""


def predict(arguments: Namespace) -> int:
    """One prediction."""
    if arguments.output and not arguments.output.endswith((".npy", ".npz")):
        raise UsageError(f"--output: expected a file that ends in .npy or .npz, got {arguments.output}.")
    with client_of(arguments, arguments.model) as client:
        name, signature = chosen(client, arguments)
        inputs = load(arguments, signature)
        answer = answered(client, arguments, name, inputs)
    if arguments.output:
        _write(answer, arguments.output)
    if arguments.json:
        print(json.dumps(_plain(answer), allow_nan=False))
    elif not arguments.output:
        _print(answer)
    return 0


def chosen(client: Client, arguments: Namespace) -> tuple[str, Signature]:
    """The signature that is to answer: the one of --signature, else the default, else the only one."""
    found = client.metadata(arguments.model, version=arguments.version, label=arguments.label).signatures
    only = next(iter(found)) if len(found) == 1 else DEFAULT_SIGNATURE
    name = arguments.signature or only
    if name not in found and client.protocol == "v2":
        raise ProblemError(f"v2 tells of one signature alone, {', '.join(found)}: for {name} ask with --protocol tfs.")
    if name not in found:
        raise ProblemError(f"{arguments.model} has no signature {name}; it has {', '.join(found) or 'none'}.")
    return name, found[name]


def answered(client: Client, arguments: Namespace, signature: str, inputs: Mapping[str, NDArray[Any]]) -> Prediction:
    """The prediction for arrays. ValueError, with what to do, if they do not fit."""
    # v2 has no signatures: the one that its metadata has goes without a name.
    named = "" if client.protocol == "v2" and not arguments.signature else signature
    try:
        return client.predict(
            arguments.model, inputs, version=arguments.version, label=arguments.label, signature=named
        )
    except ValueError as error:
        if not arguments.cast and _OTHER_NUMBERS.search(str(error)):
            raise ProblemError(f"{error}. With --cast it is converted.") from None
        raise


def _print(answer: Prediction) -> None:
    for name, array in answer.items():
        dtype = "string" if array.dtype.kind == "O" else array.dtype.name
        print(f"{name}  {described(dtype, array.shape)}")
        print(np.array2string(_printable(array), max_line_width=width(), threshold=_MOST_SHOWN))


def _printable(array: NDArray[Any]) -> NDArray[Any]:
    """Strings as text where they are text."""
    if array.dtype.kind != "O":
        return array
    shown = np.empty(array.shape, object)
    for index, each in np.ndenumerate(array):
        try:
            shown[index] = each.decode()
        except UnicodeDecodeError:
            shown[index] = each
    return shown


def _plain(answer: Prediction) -> dict[str, Any]:
    """What --json prints. Numbers that JSON lacks are the texts NaN, Infinity and -Infinity."""
    return {
        "model": answer.model,
        "version": answer.version,
        "signature": answer.signature,
        "outputs": {name: _values(array.tolist()) for name, array in answer.items()},
    }


def _values(value: Any) -> Any:
    if isinstance(value, list):
        return [_values(each) for each in value]
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"b64": base64.b64encode(value).decode()}
    if isinstance(value, complex):
        return [_values(value.real), _values(value.imag)]
    if isinstance(value, bool | int | str):
        return value
    number = float(value)  # of ml_dtypes, too
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def _write(answer: Prediction, path: str) -> None:
    arrays = {name: _storable(array) for name, array in answer.items()}
    if path.endswith(".npy") and len(arrays) != 1:
        raise ProblemError(f"The outputs are {', '.join(arrays)}: a file of several ends in .npz.")
    try:
        with Path(path).open("wb") as file:
            if path.endswith(".npy"):
                np.save(file, next(iter(arrays.values())), allow_pickle=False)
            else:
                np.savez(file, **arrays)  # type: ignore[arg-type]  # names of outputs, not the function's arguments
    except OSError as error:
        raise ProblemError(f"{path} cannot be written: {error.strerror}.") from None


def _storable(array: NDArray[Any]) -> NDArray[Any]:
    """As npy files can hold it: strings of fixed lengths, and float32 for the types that numpy lacks."""
    if array.dtype.kind == "O":
        return array.astype(np.bytes_) if array.size else array.astype("S1")
    return array.astype(np.float32) if array.dtype.kind == "V" else array
