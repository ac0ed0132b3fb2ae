"""Arrays as numpy saves them, read without a copy and without numpy's reader, and written as numpy writes them."""

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from serving.codecs.arrays import npy
from serving.core.tensor import STORAGE, DataType, Tensor
from serving.errors import Code, ServingError

PLAIN = {dtype: kept for dtype, kept in STORAGE.items() if dtype is not DataType.STRING and "FLOAT8" not in dtype.name}
PLAIN.pop(DataType.BFLOAT16)
SHAPES = arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
PLAIN_TENSORS = st.sampled_from(sorted(PLAIN)).flatmap(
    lambda dtype: st.builds(Tensor, st.just(dtype), arrays.arrays(PLAIN[dtype], SHAPES))
)


def saved(array: NDArray[Any]) -> bytes:
    """What numpy.save writes."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def read(data: bytes, dtype: DataType = DataType.FLOAT) -> Tensor:
    """The array of a file as the input ``x``."""
    return npy.read(memoryview(data)).tensor("x", dtype)


def refusal(data: bytes, dtype: DataType = DataType.FLOAT) -> str:
    """Why a file is not taken as the input ``x``."""
    with pytest.raises(ServingError) as caught:
        read(data, dtype)
    assert caught.value.code is Code.INVALID_ARGUMENT
    return caught.value.message


def file(header: str, data: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    """A file with any header."""
    size = len(header).to_bytes(2 if version == b"\x01\x00" else 4, "little")
    return npy.MAGIC + version + size + header.encode("latin-1") + data


@given(PLAIN_TENSORS)
def test_written_as_numpy_writes(tensor: Tensor) -> None:
    """Every plain type in any shape gives the bytes of numpy.save."""
    assert npy.write("y", tensor) == saved(tensor.array)


@given(PLAIN_TENSORS)
def test_what_numpy_saves_is_read(tensor: Tensor) -> None:
    """Type, shape and every bit come back."""
    found = read(saved(tensor.array), tensor.dtype)
    assert (found.dtype, found.array.dtype, found.array.shape) == (tensor.dtype, tensor.array.dtype, tensor.array.shape)
    assert found.array.tobytes() == tensor.array.tobytes()


def test_nothing_is_copied() -> None:
    """The tensor's memory is the body's."""
    body = bytearray(saved(np.array([1, 2], np.float32)))
    tensor = npy.read(memoryview(body)).tensor("x", DataType.FLOAT)
    body[-4:] = np.float32(7).tobytes()
    assert tensor.array.tolist() == [1, 7]


@pytest.mark.parametrize(
    "array",
    [
        pytest.param(np.array([[1, 2, 3], [4, 5, 6]], ">f4"), id="other byte order"),
        pytest.param(np.asfortranarray(np.array([[1, 2, 3], [4, 5, 6]], "<f4")), id="Fortran order"),
        pytest.param(np.asfortranarray(np.array([[1, 2, 3], [4, 5, 6]], ">f4")), id="both"),
    ],
)
def test_other_layouts_are_converted(array: NDArray[Any]) -> None:
    """Values and shape are kept; the memory becomes the usual one."""
    found = read(saved(array)).array
    assert found.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert (found.dtype, found.flags.c_contiguous) == (np.dtype(np.float32), True)


@pytest.mark.parametrize(
    ("dtype", "descr", "storage"),
    [
        pytest.param(DataType.BFLOAT16, "<V2", np.uint16, id="bfloat16"),
        pytest.param(DataType.FLOAT8_E4M3FN, "|V1", np.uint8, id="float8"),
    ],
)
def test_bit_patterns(dtype: DataType, descr: str, storage: type[Any]) -> None:
    """Types that numpy lacks are untyped elements of their size, which numpy can load."""
    tensor = Tensor(dtype, np.array([1, 2, 255], storage))
    data = npy.write("y", tensor)
    assert f"'descr': '{descr}'".encode() in data
    assert np.load(io.BytesIO(data)).tobytes() == tensor.array.tobytes()
    assert read(data, dtype).array.tolist() == [1, 2, 255]


@given(arrays.arrays("S5", SHAPES))
def test_strings(array: NDArray[Any]) -> None:
    """Arrays of bytes are strings without the NULs that fill them up."""
    found = read(saved(array), DataType.STRING).array
    assert (found.dtype, found.shape) == (np.dtype(object), array.shape)
    assert found.ravel().tolist() == array.ravel().tolist()


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([b"a", b"", b"\xff\x00b"], id="lengths"),
        pytest.param([b""], id="empty"),
        pytest.param([], id="none"),
    ],
)
def test_strings_are_written(values: list[bytes]) -> None:
    """Strings become an array of bytes, as long as the longest."""
    tensor = Tensor(DataType.STRING, np.array(values, object))
    assert np.load(io.BytesIO(npy.write("y", tensor))).tolist() == values


def test_string_that_would_lose_its_end() -> None:
    """A string that ends in NUL is refused, for numpy would drop it."""
    with pytest.raises(ServingError, match='Output "y" has a string that ends in NUL') as caught:
        npy.write("y", Tensor(DataType.STRING, np.array([b"a", b"b\0"], object)))
    assert caught.value.code is Code.INVALID_ARGUMENT


def test_long_string_among_many() -> None:
    """An output that would be mostly padding is refused before it is made."""
    strings = np.full(2**14, b"", object)
    strings[0] = b"x" * 2**14
    with pytest.raises(ServingError, match="has 16384 strings of up to 16384 bytes") as caught:
        npy.write("y", Tensor(DataType.STRING, strings))
    assert caught.value.code is Code.RESOURCE_EXHAUSTED


@pytest.mark.parametrize(
    ("array", "dtype", "expected"),
    [
        pytest.param(
            np.zeros(1), DataType.FLOAT, "<f8; expected <f4, for the signature declares float.", id="other size"
        ),
        pytest.param(np.zeros(1, "i4"), DataType.FLOAT, "<i4; expected <f4", id="other kind"),
        pytest.param(np.zeros(1, "u2"), DataType.BFLOAT16, "<u2; expected <V2", id="bfloat16"),
        pytest.param(np.zeros(1, "S1"), DataType.UINT8, "|S1; expected |u1", id="bytes for numbers"),
        pytest.param(np.zeros(1, "U1"), DataType.STRING, "<U1; expected bytes (|S and their length)", id="text"),
        pytest.param(np.zeros(1, "i8"), DataType.STRING, "<i8; expected bytes", id="numbers for strings"),
        pytest.param(np.array([None]), DataType.STRING, "|O; expected bytes", id="pickle"),
        pytest.param(np.zeros(1, "f4"), DataType.RESOURCE, "declares resource", id="no type for arrays"),
    ],
)
def test_nothing_is_cast(array: NDArray[Any], dtype: DataType, expected: str) -> None:
    """Another dtype than the declared one is refused, with both."""
    found = refusal(saved(array), dtype)
    assert found.startswith('The array for input "x" has dtype ')
    assert expected in found


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(b"", "begins with b''", id="empty"),
        pytest.param(b'{"instances": [1]}', "begins with b'{\"instan'", id="JSON"),
        pytest.param(npy.MAGIC + b"\x03\x00", "begins with", id="version 3"),
        pytest.param(npy.MAGIC + b"\x01\x00", "The header of 0 bytes", id="nothing behind the version"),
        pytest.param(file("{}"), "The header of 2 bytes", id="no members"),
        pytest.param(file("{'descr': '<f4', 'shape': (1,)}", bytes(4)), "The header of 31 bytes", id="no order"),
        pytest.param(
            file("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': ()}"), "a plain dtype", id="structured"
        ),
        pytest.param(file(" " * 10_001), "The header of 10001 bytes", id="long"),
        pytest.param(saved(np.zeros(3, "f4"))[:50], "The header of 118 bytes", id="cut in the header"),
        pytest.param(saved(np.zeros(3, "f4"))[:-1], "has 11 bytes of elements; expected 12 for", id="cut"),
        pytest.param(saved(np.zeros(3, "f4")) + b"\0", "has 13 bytes of elements; expected 12 for", id="too long"),
        pytest.param(
            file("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}"), "The header of", id="negative size"
        ),
        pytest.param(
            file("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 0, 8)}"),
            "expected sizes that fit into memory",
            id="impossible size",
        ),
        pytest.param(
            file("{'descr': '<f4', 'fortran_order': False, 'shape': (" + "1, " * 65 + ")}", bytes(4)),
            "has 65 dimensions; expected at most 64",
            id="dimensions",
        ),
    ],
)
def test_refused(data: bytes, expected: str) -> None:
    """What is no array, or another one than its header says, is an error with a reason."""
    assert expected in refusal(data)


def test_strings_without_a_length() -> None:
    """Elements of no bytes could be any number of strings."""
    data = file("{'descr': '|S0', 'fortran_order': False, 'shape': (1000000000,)}")
    assert "|S0; expected bytes" in refusal(data, DataType.STRING)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(
            file('{"shape":(2,),"fortran_order":False,"descr":"<f4"}', np.array([1, 2], "f4").tobytes()), id="compact"
        ),
        pytest.param(
            file("{'descr': 'f4', 'fortran_order': False, 'shape': (2,), }\n", np.array([1, 2], "f4").tobytes()),
            id="no byte order",
        ),
        pytest.param(
            file(
                "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }",
                np.array([1, 2], "f4").tobytes(),
                b"\x02\x00",
            ),
            id="version 2",
        ),
    ],
)
def test_headers_of_others(data: bytes) -> None:
    """Other programs write the same members in another way."""
    assert read(data).array.tolist() == [1, 2]


def outcome(body: bytes) -> np.dtype[Any] | Code:
    """The dtype of what was read, or the code of the error."""
    try:
        return read(body).array.dtype
    except ServingError as error:
        return error.code


@given(st.data())
def test_any_bytes(data: st.DataObject) -> None:
    """A damaged file is read or refused; nothing else is raised."""
    body = bytearray(saved(np.zeros((2, 3), "f4")))
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    body = body[: data.draw(st.integers(0, len(body)))]
    assert outcome(bytes(body)) in (np.dtype(np.float32), Code.INVALID_ARGUMENT)


def test_bools_of_any_bytes_are_zeros_and_ones() -> None:
    """numpy writes no others, and whoever does must not get them into an answer."""
    data = saved(np.array([True, False, True]))
    assert read(data[:-3] + b"\xff\0\2", DataType.BOOL).array.tobytes() == b"\1\0\1"


def test_number_in_brackets_is_no_shape() -> None:
    """As for numpy; a shape of one dimension has a comma."""
    data = saved(np.ones(3, np.float32))
    assert "cannot be read" in refusal(data.replace(b"(3,)", b"(3 )"))
