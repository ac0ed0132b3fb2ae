"""Files of --input -> arrays by the names of a signature's inputs. What a file holds its first bytes tell."""

import io
import json
import sys
import zipfile
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.client.signatures import described
from serving.client.terminal import images
from serving.client.terminal.errors import ProblemError
from serving.client.terminal.json_values import array_of, columns, converted
from serving.client.values import Signature, TensorInfo

_NPY, _NPZ = b"\x93NUMPY", b"PK"


def load(arguments: Namespace, signature: Signature) -> dict[str, NDArray[Any]]:
    """The arrays of all --input; of several files for one input each has rows. ProblemError says which file is none."""
    found: dict[str, list[NDArray[Any]]] = {}
    for given in arguments.input:
        name, path = _named(given)
        for input_, array in _arrays(name, path, signature, arguments).items():
            found.setdefault(input_, []).append(array)
    return {name: _together(name, arrays) for name, arrays in found.items()}


def _named(given: str) -> tuple[str, str]:
    """``NAME=FILE`` as its two parts; no name if there is none, or if there is a file of just this name."""
    name, equals, path = given.partition("=")
    return (name, path) if equals and name and not Path(given).exists() else ("", given)


def _together(name: str, arrays: list[NDArray[Any]]) -> NDArray[Any]:
    if len(arrays) == 1:
        return arrays[0]
    try:
        return np.concatenate(arrays)
    except ValueError:
        shapes = ", ".join(described("", array.shape) for array in arrays)
        raise ProblemError(f"The files for {name} cannot be put together: they hold {shapes}.") from None


def _read(path: str) -> bytes:
    if path == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ProblemError(f"{path} cannot be read: {error.strerror}.") from None


def _arrays(name: str, path: str, signature: Signature, arguments: Namespace) -> Mapping[str, NDArray[Any]]:
    data = _read(path)
    where = "The standard input" if path == "-" else path
    if data.startswith(_NPY):
        name = name or _only(signature, where)
        return {name: _cast(_npy(data, where), signature.inputs.get(name), where, arguments)}
    if data.startswith(_NPZ):
        return {
            each: _cast(array, signature.inputs.get(each), where, arguments)
            for each, array in _npz(data, name, where).items()
        }
    if images.is_image(data):
        name = name or _only(signature, where)
        return {name: images.pixels(data, name, _info(signature, name), where, arguments.pixels)}
    return _of_text(data, name, path, where, signature)


def _of_text(data: bytes, name: str, path: str, where: str, signature: Signature) -> Mapping[str, NDArray[Any]]:
    """JSON; or, of any other file, its bytes as they are, if the input is a string."""
    if path != "-" and not path.endswith(".json"):
        name = name or _only(signature, where)
        info = _info(signature, name)
        if info.dtype == "string":
            return {name: images.one_string(data, info)}
    try:
        values = json.loads(data)
    except ValueError as error:
        raise ProblemError(f"{where} is no npy, no npz, no image and no JSON: {error}.") from None
    if name:
        return {name: array_of(values, _info(signature, name), f"{where}: {name}")}
    named = columns(values, signature, where)
    if named is None:
        only = _only(signature, where)
        return {only: array_of(values, signature.inputs[only], where)}
    return {each: array_of(value, signature.inputs[each], f"{where}: {each}") for each, value in named.items()}


def _only(signature: Signature, where: str) -> str:
    """The name of the one input that there is."""
    if len(signature.inputs) != 1:
        raise ProblemError(
            f"The model has the inputs {', '.join(signature.inputs)}: say for which {where} is, as --input NAME=FILE."
        )
    return next(iter(signature.inputs))


def _info(signature: Signature, name: str) -> TensorInfo:
    if name not in signature.inputs:
        raise ProblemError(f"The model has no input {name}; it has {', '.join(signature.inputs)}.")
    return signature.inputs[name]


def _npy(data: bytes, where: str) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ProblemError(f"{where} is no npy file that can be read: {error}.") from None
    return array


def _npz(data: bytes, name: str, where: str) -> dict[str, NDArray[Any]]:
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            arrays = {each: archive[each] for each in archive.files}
    except (ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise ProblemError(f"{where} is no npz file that can be read: {error}.") from None
    if not name:
        return arrays
    if len(arrays) != 1:
        raise ProblemError(f"{where} has the arrays {', '.join(arrays)}: expected one for the input {name}.")
    return {name: next(iter(arrays.values()))}


def _cast(array: NDArray[Any], info: TensorInfo | None, where: str, arguments: Namespace) -> NDArray[Any]:
    return array if info is None or not arguments.cast else converted(array, info, where)
