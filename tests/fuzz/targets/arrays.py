"""numpy's files and compressed bodies, against numpy's own reader and ``gzip``."""

import gzip
import io
import zlib
from functools import partial
from random import Random
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import numpy as np
from numpy.typing import NDArray

from serving.codecs.arrays import npy, npz
from serving.core.tensor import STORAGE, DataType, Tensor
from serving.rest.encoding import inflate
from tests.fuzz.drawing import chance, mutated, some_bytes
from tests.fuzz.target import Target, unless_refused

_DAMAGED = 8
"""In a hundred."""
_DTYPES = (
    DataType.FLOAT,
    DataType.DOUBLE,
    DataType.INT8,
    DataType.INT32,
    DataType.INT64,
    DataType.UINT16,
    DataType.BOOL,
    DataType.HALF,
    DataType.COMPLEX64,
    DataType.STRING,
)


def _drawn(random: Random) -> tuple[int, NDArray[Any]]:
    """The number of a dtype, and an array of it."""
    number = random.randrange(len(_DTYPES))
    shape = [random.choice((0, 1, 2, 3, 7)) for _ in range(random.choice((0, 1, 1, 2, 3)))]
    count = int(np.prod(shape))
    storage = STORAGE[_DTYPES[number]]
    if storage.kind == "O":
        array = np.array([some_bytes(random, 6).rstrip(b"\0") or b"a" for _ in range(count)], "S6")
    else:
        array = np.frombuffer(random.randbytes(count * storage.itemsize), storage)
        array = array.view(np.uint8) & 1 if storage == np.bool_ else array
        array = array.astype(storage)
    made = array.reshape(shape)
    if chance(random, 20):
        made = np.asfortranarray(made)
    return number, made.astype(made.dtype.newbyteorder(">")) if chance(random, 10) else made


def _npy(random: Random) -> bytes:
    number, array = _drawn(random)
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version=random.choice(((1, 0), (2, 0))))
    data = file.getvalue()
    return bytes((number,)) + (mutated(random, data) if chance(random, _DAMAGED) else data)


def _check_npy(data: bytes) -> bool:
    dtype = _DTYPES[data[0] % len(_DTYPES)] if data else DataType.FLOAT
    tensor = unless_refused(lambda: npy.read(memoryview(data)[1:]).tensor("x", dtype))
    if tensor is None:
        return False
    assert tensor.array.dtype == STORAGE[dtype]
    try:
        expected = np.load(io.BytesIO(data[1:]), allow_pickle=False)
    except (ValueError, SyntaxError):  # blanks that are none in Python
        expected = tensor.array
    _assert_alike(tensor, expected)
    again = unless_refused(lambda: npy.write("x", tensor))
    if again is not None:  # numpy's strings cannot end in NUL
        _assert_alike(npy.read(memoryview(again)).tensor("x", dtype), tensor.array)
    return True


def _assert_alike(tensor: Tensor, array: NDArray[Any]) -> None:
    assert tensor.array.shape == array.shape
    if tensor.dtype is DataType.STRING:
        assert tensor.array.ravel().tolist() == array.ravel().tolist()
    elif tensor.dtype is DataType.BOOL:
        assert np.array_equal(tensor.array, array.view(np.uint8) != 0)
        assert tensor.array.view(np.uint8).max(initial=0) <= 1
    else:
        assert tensor.array.tobytes() == array.astype(tensor.array.dtype, casting="equiv").tobytes()


def _npz(random: Random) -> bytes:
    file = io.BytesIO()
    names = random.sample(("x", "y", "ü", "a/b", ""), random.choice((0, 1, 1, 2, 3)))
    with ZipFile(file, "w", random.choice((ZIP_STORED, ZIP_STORED, ZIP_DEFLATED))) as archive:
        for name in names:
            member = io.BytesIO()
            np.save(member, _drawn(random)[1])
            archive.writestr(ZipInfo(f"{name}.npy"), member.getvalue(), archive.compression)
    data = file.getvalue()
    return mutated(random, data) if chance(random, _DAMAGED) else data


def _check_npz(data: bytes) -> bool:
    found = unless_refused(lambda: npz.read(data))
    if found is None:
        return False
    assert sum(len(array.data) for array in found.values()) <= max(npz.LARGEST_INFLATED, len(data))
    for array in found.values():
        for dtype in (DataType.FLOAT, DataType.STRING):
            unless_refused(partial(array.tensor, "x", dtype))
    return True


def _compressed(random: Random) -> bytes:
    content = random.choice((b"", b'{"instances": [1.0]}', b"1.0, " * 5000, some_bytes(random, 100)))
    data = gzip.compress(content, random.choice((0, 1, 9)), mtime=0)
    if chance(random, 3):
        data += data
    return mutated(random, data) if chance(random, _DAMAGED) else data


def _check_compressed(data: bytes) -> bool:
    """An empty body stands for one that cannot be inflated, as in TensorFlow Serving."""
    content = inflate(data)
    inflater = zlib.decompressobj(31)
    try:
        expected = inflater.decompress(data, 2**27)
    except zlib.error:
        assert content == b""
        return False
    whole = inflater.eof and not inflater.unused_data
    assert content == (expected if whole else b"")
    return whole


TARGETS = (
    Target(
        name="arrays.npy",
        promise="the array that numpy reads, and the same after writing it again, or INVALID_ARGUMENT",
        make=_npy,
        check=_check_npy,
        seeds=(b"\0" + npy.write("x", Tensor(DataType.FLOAT, np.ones((1, 2), np.float32))),),
    ),
    Target(
        name="arrays.npz",
        promise="arrays of no more bytes than members may have, or INVALID_ARGUMENT",
        make=_npz,
        check=_check_npz,
        seeds=(npz.write({"x": Tensor(DataType.FLOAT, np.ones(2, np.float32))}),),
    ),
    Target(
        name="arrays.gzip",
        promise="what zlib makes of one whole member, or nothing",
        make=_compressed,
        check=_check_compressed,
        seeds=(gzip.compress(b'{"instances": [1]}', mtime=0),),
    ),
)
