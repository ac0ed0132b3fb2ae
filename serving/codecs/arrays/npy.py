"""numpy's ``.npy`` files <-> Tensor, without copying what is read (docs/rest.md, "Binary predict").

Not numpy's own reader: that one evaluates the header as Python, warns, and fails with half a dozen kinds of exceptions.
Pickles, which ``.npy`` may hold, are never read.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from io import BytesIO
from math import prod
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from serving.codecs.protobuf.wire import joined
from serving.core.tensor import MAX_DIMENSIONS, STORAGE, DataType, Tensor, truths
from serving.errors import Code, ServingError, invalid_argument

MAGIC = b"\x93NUMPY"
_LENGTH_BYTES = {b"\x01\x00": 2, b"\x02\x00": 4}
"""How long the length of the header is, by the version of the format. Version 3 is for names of structured arrays."""

_LONGEST_HEADER = 10_000
"""numpy's limit; a tensor's header has about 120 bytes."""

_LARGEST_PADDING = 2**27
"""Bytes that an array of strings may have beyond the strings: each takes as much as the longest."""

_HEADER = re.compile(
    r"\{(?:\s*['\"](?:"
    r"descr['\"]\s*:\s*['\"](?P<descr>[^'\"]{0,40})['\"]|"
    r"fortran_order['\"]\s*:\s*(?P<fortran>True|False)|"
    r"shape['\"]\s*:\s*\((?P<shape>(?:(?:\s*\d{1,19}\s*,)+\s*(?:\d{1,19}\s*)?)?\s*)\)"
    r")\s*(?:,|(?=\})))*\s*\}\s*",
    re.ASCII,
)
_BYTES_TYPE = re.compile(r"S([1-9]\d{0,9})", re.ASCII)

_BITS = MappingProxyType(
    {
        DataType.BFLOAT16: "V2",
        **{dtype: "V1" for dtype in DataType if dtype.name.startswith("FLOAT8")},
    }
)
_CODES: Mapping[DataType, str] = MappingProxyType({dtype: kept.str[1:] for dtype, kept in STORAGE.items()} | _BITS)
"""numpy's name of each type, without the byte order. What numpy lacks is a bit pattern, as ``ml_dtypes`` saves it."""


class NpyArray(NamedTuple):
    """A file as its header describes it: ``descr`` is numpy's dtype with the byte order, ``data`` the elements."""

    descr: str
    fortran: bool
    shape: tuple[int, ...]
    data: memoryview

    def tensor(self, alias: str, dtype: DataType) -> Tensor:
        """The tensor for the input ``alias``, which is declared as ``dtype``; its array refers to ``data``.

        Copied are strings, elements in the other byte order, and Fortran order. Raises ServingError, INVALID_ARGUMENT:
        another dtype (nothing is cast), a wrong number of bytes, too many dimensions.
        """
        storage = self._storage(alias, dtype)
        if prod(self.shape) * storage.itemsize != len(self.data):
            raise invalid_argument(
                f'The array for input "{alias}" has {len(self.data)} bytes of elements; expected '
                f"{prod(self.shape) * storage.itemsize} for dtype {self.descr} and shape {list(self.shape)}"
            )
        try:
            array: NDArray[Any] = np.ndarray(self.shape, storage, self.data, order="F" if self.fortran else "C")
        except ValueError:  # without elements, and yet with sizes beyond what numpy can address
            raise invalid_argument(
                f'The array for input "{alias}" has shape {list(self.shape)}; expected sizes that fit into memory'
            ) from None
        kept = STORAGE[dtype]
        if dtype is DataType.BOOL:
            array = truths(array)
        return Tensor(dtype, array if array.dtype == kept and not self.fortran else array.astype(kept, order="C"))

    def _storage(self, alias: str, dtype: DataType) -> np.dtype[Any]:
        """The dtype of the elements as they lie in ``data``."""
        order, code = (self.descr[0], self.descr[1:]) if self.descr[:1] in ("<", ">", "|") else ("<", self.descr)
        if len(self.shape) > MAX_DIMENSIONS:
            raise invalid_argument(
                f'The array for input "{alias}" has {len(self.shape)} dimensions; expected at most {MAX_DIMENSIONS}'
            )
        if dtype is DataType.STRING and _BYTES_TYPE.fullmatch(code):
            return np.dtype(code)
        if dtype is DataType.STRING or dtype not in STORAGE or code != _CODES[dtype]:
            raise invalid_argument(
                f'The array for input "{alias}" has dtype {self.descr}; expected {_expected(dtype)}, '
                f"for the signature declares {dtype.word}. Arrays are not cast."
            )
        return STORAGE[dtype].newbyteorder(">") if order == ">" else STORAGE[dtype]


def _expected(dtype: DataType) -> str:
    if dtype is DataType.STRING:
        return "bytes (|S and their length)"
    return _descr(dtype) if dtype in STORAGE else "another body"


def _descr(dtype: DataType) -> str:
    return STORAGE[dtype].str[0] + _CODES[dtype]


def read(data: memoryview) -> NpyArray:
    """What a file says of itself. Raises ServingError, INVALID_ARGUMENT, if it is not one of versions 1.0 and 2.0."""
    start, size = bytes(data[: len(MAGIC) + 2]), 0
    length_bytes = _LENGTH_BYTES.get(start[len(MAGIC) :]) if start.startswith(MAGIC) else None
    if length_bytes is None:
        raise invalid_argument(
            f"The body, or a member of it, begins with {start!r}; expected an array as numpy.save writes it, in "
            "version 1.0 or 2.0 of the format"
        )
    begin = len(start) + length_bytes
    size = int.from_bytes(data[len(start) : begin], "little")
    header = bytes(data[begin : begin + size]).decode("latin-1") if size <= _LONGEST_HEADER else ""
    found = _HEADER.fullmatch(header)
    if found is None or len(header) < size or None in found.groups():
        raise invalid_argument(
            f"The header of {size} bytes of an array cannot be read; expected descr (a plain dtype), fortran_order and "
            f"shape in at most {_LONGEST_HEADER} bytes, as numpy.save writes them"
        )
    shape = tuple([int(size) for size in found["shape"].split(",") if size.strip()])
    return NpyArray(found["descr"], found["fortran"] == "True", shape, data[begin + size :])


def write(alias: str, tensor: Tensor) -> bytes:
    """The file of the output ``alias``, byte for byte as numpy.save writes the array; strings become ``S``.

    Raises ServingError, INVALID_ARGUMENT: a string that ends in NUL, which ``S`` drops, or one that would blow up all.
    """
    array = _fixed_width(alias, tensor.array) if tensor.dtype is DataType.STRING else tensor.array
    descr = array.dtype.str if tensor.dtype is DataType.STRING else _descr(tensor.dtype)
    return joined((_header(descr, array.shape), np.ascontiguousarray(array).data))


@lru_cache(maxsize=256)
def _header(descr: str, shape: tuple[int, ...]) -> bytes:
    file = BytesIO()
    npy_format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
    return file.getvalue()


def _fixed_width(alias: str, array: NDArray[Any]) -> NDArray[Any]:
    values: list[bytes] = array.ravel().tolist()
    width = max(map(len, values), default=0) or 1
    if any(value.endswith(b"\0") for value in values):
        raise invalid_argument(
            f'Output "{alias}" has a string that ends in NUL, which numpy\'s arrays of bytes drop; expected a request '
            "that accepts application/x-protobuf or application/json"
        )
    if width * len(values) - sum(map(len, values)) > _LARGEST_PADDING:
        raise ServingError(
            Code.RESOURCE_EXHAUSTED,
            f'Output "{alias}" has {len(values)} strings of up to {width} bytes, too many for numpy\'s arrays, in '
            "which each takes as much as the longest; expected a request that accepts application/x-protobuf",
        )
    return np.array(values, f"S{width}").reshape(array.shape)
