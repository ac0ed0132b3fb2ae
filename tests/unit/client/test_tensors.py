"""numpy arrays and Python values <-> TensorProto, against the server's codec; ``test_official.py`` has TensorFlow."""

import subprocess
import sys
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.client import tensors
from serving.client.messages import DATA_TYPES, TensorProto
from serving.codecs.protobuf import tensor_proto
from serving.core.tensor import STORAGE, DataType, Tensor
from serving.protos import TensorProto as ServedTensorProto
from tests.server.client.arrays import NAMES, arrays, same
from tests.support.properties import examples

NUMBERS = {tensors.dtype_name(number): DataType(number) for number in DATA_TYPES if number in list(DataType)}


def sent(value: Any) -> Any:
    """The message of a value, as the server reads it."""
    proto = TensorProto()
    tensors.fill(proto, value)
    return ServedTensorProto.FromString(proto.SerializeToString())


def answer(dtype: DataType, shape: tuple[int, ...], **fields: Any) -> Any:
    """A message with these dimensions."""
    proto = TensorProto(dtype=int(dtype), **fields)
    for size in shape:
        proto.tensor_shape.dim.add(size=size)
    return proto


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@examples(20)
def test_server_reads_what_is_sent(name: str, data: st.DataObject) -> None:
    """Every type arrives to the bit, of any shape, strides and order of bytes."""
    array = data.draw(arrays(name))
    tensor = tensor_proto.decode(sent(array))
    assert tensor is not None
    assert tensor.dtype is NUMBERS[name]
    assert same(tensor.array if name == "string" else tensor.array.view(array.dtype.newbyteorder("<")), array)


@pytest.mark.parametrize("as_content", [False, True], ids=["fields", "content"])
@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@examples(20)
def test_server_is_understood(name: str, as_content: bool, data: st.DataObject) -> None:
    """Every type comes back to the bit, in the form of typed fields and in that of contents."""
    array = data.draw(arrays(name))
    dtype = NUMBERS[name]
    little = array if name == "string" else array.astype(array.dtype.newbyteorder("<"))
    stored = np.ascontiguousarray(little).reshape(array.shape).view(STORAGE[dtype])
    encoded = tensor_proto.encode(Tensor(dtype, stored), as_content=as_content)
    assert same(tensors.read(TensorProto.FromString(encoded)), array)


@pytest.mark.parametrize(
    ("value", "dtype", "shape"),
    [
        pytest.param(1.5, DataType.FLOAT, [], id="float"),
        pytest.param([0.1, 0.2], DataType.FLOAT, [2], id="floats"),
        pytest.param(True, DataType.BOOL, [], id="bool"),
        pytest.param([1, 2], DataType.INT32, [2], id="ints"),
        pytest.param(2**31 - 1, DataType.INT32, [], id="largest int32"),
        pytest.param(2**31, DataType.INT64, [], id="over int32"),
        pytest.param(-(2**31) - 1, DataType.INT64, [], id="under int32"),
        pytest.param([1, 2.5], DataType.FLOAT, [2], id="mixed"),
        pytest.param(1j, DataType.COMPLEX128, [], id="complex"),
        pytest.param([], DataType.FLOAT, [0], id="empty"),
        pytest.param([[], []], DataType.FLOAT, [2, 0], id="empty rows"),
        pytest.param("a", DataType.STRING, [], id="str"),
        pytest.param([[b"a", "b"]], DataType.STRING, [1, 2], id="bytes and str"),
        pytest.param(np.array(["a"]), DataType.STRING, [1], id="numpy's str"),
        pytest.param(np.array([b"a"]), DataType.STRING, [1], id="numpy's bytes"),
        pytest.param(np.array(["a"], np.dtypes.StringDType()), DataType.STRING, [1], id="numpy's text of any length"),
        pytest.param(np.array([0.1]), DataType.DOUBLE, [1], id="float64 array"),
        pytest.param(np.array([1]), DataType.INT64, [1], id="int64 array"),
        pytest.param(np.float64(1), DataType.DOUBLE, [], id="numpy scalar"),
        pytest.param(np.zeros((2, 0), np.uint8), DataType.UINT8, [2, 0], id="no elements"),
        pytest.param(memoryview(b"\1\2"), DataType.UINT8, [2], id="buffer"),
    ],
)
def test_types_of_values(value: Any, dtype: DataType, shape: list[int]) -> None:
    """Arrays keep their type; Python's numbers become what models mostly take."""
    proto = sent(value)
    assert (proto.dtype, [dim.size for dim in proto.tensor_shape.dim]) == (dtype, shape)
    assert tensor_proto.decode(proto) is not None


def test_what_can_become_an_array_keeps_its_type() -> None:
    """Tensors of other libraries, and data frames, are arrays."""

    class Elsewhere:
        def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray[Any, Any]:
            return np.array([1.0, 2.0])

    assert sent(Elsewhere()).dtype == DataType.DOUBLE


@pytest.mark.parametrize("in_a_list", [False, True], ids=["alone", "in a list"])
def test_what_cannot_become_an_array_says_why(in_a_list: bool) -> None:
    """Its own words are kept."""

    class Elsewhere:
        def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray[Any, Any]:
            raise ValueError("this tensor is on another device")

    with pytest.raises(ValueError, match=r"^this tensor is on another device$"):
        sent([Elsewhere()] if in_a_list else Elsewhere())


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(["\u00e9", b"\xff\0"], [b"\xc3\xa9", b"\xff\0"], id="list"),
        pytest.param(b"a\0\0", [b"a\0\0"], id="zeros at the end"),
        pytest.param([b"\0", b""], [b"\0", b""], id="only zeros"),
        pytest.param(np.array(["\u00e9", "b"], object), [b"\xc3\xa9", b"b"], id="objects"),
    ],
)
def test_strings_are_sent_whole(value: Any, expected: list[bytes]) -> None:
    """Text as UTF-8, bytes as they are."""
    assert list(sent(value).string_val) == expected


@pytest.mark.parametrize(
    ("value", "error", "expected"),
    [
        pytest.param([[1.0], [2.0, 3.0]], ValueError, r"rows have the same lengths, got \[\[1.0\], ", id="ragged"),
        pytest.param([["a"], ["b", "c"]], ValueError, "rows have the same lengths", id="ragged strings"),
        pytest.param([None], TypeError, r"got NoneType in \[None\]", id="none"),
        pytest.param({"a": 1}, TypeError, "expected numbers, or str or bytes, got dict", id="mapping"),
        pytest.param({1, 2}, TypeError, "got set", id="set"),
        pytest.param([1, "a"], TypeError, "got int", id="number and string"),
        pytest.param(2**64, ValueError, "at most 64 bits, got 18446744073709551616", id="too large"),
        pytest.param([1.0, -(2**63) - 1], ValueError, "at most 64 bits, got", id="too large among floats"),
        pytest.param(np.array([1.0, 2.0], object), TypeError, r'give it a dtype: .*"float32"\)', id="objects"),
        pytest.param(np.array(["2020"], "M8[Y]"), TypeError, "numpy's datetime64", id="dates"),
        pytest.param(np.zeros(1, "f4,f4"), TypeError, "no TensorFlow type", id="records"),
        pytest.param(["x" * 1000, 1], TypeError, r"x\.\.\.$", id="long"),
    ],
)
def test_what_is_no_tensor(value: Any, error: type[Exception], expected: str) -> None:
    """The error says what was given and what was expected, and is short."""
    with pytest.raises(error, match=expected) as raised:
        sent(value)
    assert len(str(raised.value)) < 400


@pytest.mark.parametrize(
    ("proto", "expected"),
    [
        pytest.param(answer(DataType.FLOAT, (3,), float_val=[1.5]), [1.5, 1.5, 1.5], id="one value"),
        pytest.param(answer(DataType.INT32, (2, 2), int_val=[1, 2]), [[1, 2], [2, 2]], id="last repeated"),
        pytest.param(answer(DataType.INT64, (2,)), [0, 0], id="none"),
        pytest.param(answer(DataType.STRING, (2,)), [b"", b""], id="no string"),
        pytest.param(answer(DataType.STRING, (2,), string_val=[b"a"]), [b"a", b"a"], id="one string"),
        pytest.param(answer(DataType.FLOAT, (1,), float_val=[1, 2]), [1.0], id="surplus"),
        pytest.param(answer(DataType.UINT8, (0, 3)), [], id="no elements"),
        pytest.param(answer(DataType.INT8, (1,), int_val=[-1]), [-1], id="negative"),
        pytest.param(answer(DataType.QUINT8, (1,), int_val=[200]), [200], id="quantised"),
        pytest.param(answer(DataType.QUINT8, (1,), tensor_content=b"\xc8"), [200], id="quantised content"),
        pytest.param(answer(DataType.QINT32, (1,), tensor_content=b"\xff" * 4), [-1], id="32 bits of it"),
        pytest.param(answer(DataType.BOOL, (2,), bool_val=[True, False]), [True, False], id="bool"),
        pytest.param(answer(DataType.COMPLEX64, (1,), scomplex_val=[1, 2]), [1 + 2j], id="complex"),
        pytest.param(answer(DataType.DOUBLE, (), double_val=[0.1]), 0.1, id="scalar"),
    ],
)
def test_values_of_answers(proto: Any, expected: Any) -> None:
    """Of fewer values than elements the last is repeated; without any they are zeros."""
    assert tensors.read(proto).tolist() == expected


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=20))
def test_strings_as_content(values: list[bytes]) -> None:
    """Whatever strings the server writes as ``tensor_content``, the client reads the same."""
    array = np.empty(len(values), object)
    array[:] = values
    encoded = tensor_proto.encode(Tensor(DataType.STRING, array), as_content=True)
    assert TensorProto.FromString(encoded).tensor_content
    assert tensors.read(TensorProto.FromString(encoded)).tolist() == values


@pytest.mark.parametrize("name", ["float", "int64", "half", "string", "bool"])
@pytest.mark.parametrize("as_content", [False, True], ids=["fields", "content"])
def test_answers_can_be_written_to(name: str, as_content: bool) -> None:
    """An array belongs to who asked, as one of numpy's own making."""
    dtype = next(each for each in DataType if each.word == name)
    values = np.array([b"a", b"b"], object) if name == "string" else np.array([1, 0]).astype(STORAGE[dtype])
    encoded = tensor_proto.encode(Tensor(dtype, values), as_content=as_content)
    array = tensors.read(TensorProto.FromString(encoded))
    array[0] = array[1]
    assert array[0] == array[1]


@pytest.mark.parametrize(
    ("proto", "error", "expected"),
    [
        pytest.param(answer(DataType.VARIANT, (1,)), TypeError, "of the type DT_VARIANT", id="variant"),
        pytest.param(answer(DataType.INVALID, (1,)), TypeError, "of the type DT_INVALID", id="invalid"),
        pytest.param(TensorProto(dtype=99), TypeError, "of the type 99", id="unknown"),
        pytest.param(answer(DataType.FLOAT, (-1,)), ValueError, "known shape", id="unknown size"),
        pytest.param(
            TensorProto(dtype=1, tensor_shape={"unknown_rank": True}), ValueError, "known shape", id="unknown rank"
        ),
        pytest.param(
            answer(DataType.FLOAT, (1,), tensor_content=b"abc"), ValueError, "elements of 4 bytes", id="odd content"
        ),
        pytest.param(
            answer(DataType.FLOAT, (3,), tensor_content=b"abcd"), ValueError, "3 elements", id="short content"
        ),
        pytest.param(
            answer(DataType.STRING, (2,), tensor_content=b"\1"), ValueError, "2 strings, got 1 bytes", id="few lengths"
        ),
        pytest.param(
            answer(DataType.STRING, (2,), tensor_content=b"\1\xff"), ValueError, "that ends before", id="cut length"
        ),
        pytest.param(
            answer(DataType.STRING, (2,), tensor_content=b"\1\2ab"), ValueError, "3 bytes of 2 strings, got 2", id="cut"
        ),
        pytest.param(
            answer(DataType.STRING, (1,), tensor_content=b"\1ab"),
            ValueError,
            "1 bytes of 1 strings, got 2",
            id="surplus",
        ),
        pytest.param(
            answer(DataType.STRING, (1,), tensor_content=b"\xff" * 4 + b"\x10"), ValueError, "32 bits", id="33 bits"
        ),
        pytest.param(
            answer(DataType.STRING, (1,), tensor_content=b"\xff" * 9), ValueError, "32 bits", id="long length"
        ),
        pytest.param(
            answer(DataType.STRING, (2**40,), tensor_content=b"\1a"), ValueError, "got 2 bytes", id="claimed strings"
        ),
    ],
)
def test_what_is_no_answer(proto: Any, error: type[Exception], expected: str) -> None:
    """The error names the type, or what is wrong with the message."""
    with pytest.raises(error, match=expected):
        tensors.read(proto)


def test_floats_in_many_pieces_are_read() -> None:
    """The wire allows a packed field in pieces, and one that is not packed: tag and value of each."""
    pieces = b"\x2a\x04" + np.float32(1).tobytes() + b"\x2d" + np.float32(2).tobytes()
    data = answer(DataType.FLOAT, (2,)).SerializeToString() + pieces
    assert tensors.read(TensorProto.FromString(data)).tolist() == [1.0, 2.0]


def test_content_is_taken_once() -> None:
    """Each time that it is asked for protobuf copies all of it."""

    class Counted:
        """A message that counts how often its content is asked for."""

        taken = 0

        def __getattr__(self, name: str) -> Any:
            self.taken += name == "tensor_content"
            return getattr(answer(DataType.FLOAT, (1,), tensor_content=b"\0\0\x80\x3f"), name)

    proto = Counted()
    assert tensors.read(proto).tolist() == [1.0]
    assert proto.taken == 1


def test_types_that_numpy_lacks_are_those_of_ml_dtypes() -> None:
    """A bfloat16 output computes as such."""
    array = tensors.read(answer(DataType.BFLOAT16, (1,), half_val=[0x3FC0]))
    assert array.dtype == ml_dtypes.bfloat16
    assert array.astype(np.float32).tolist() == [1.5]


def test_without_ml_dtypes() -> None:
    """The error names the package; other types do without."""
    code = (
        "import sys; sys.modules['ml_dtypes'] = None\n"
        "from serving.client import tensors; from serving.client.messages import TensorProto\n"
        "print(tensors.read(TensorProto(dtype=1)))\n"
        "try: tensors.read(TensorProto(dtype=14))\n"
        "except TypeError as error: print(error)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "0.0\ngot a tensor of bfloat16, which numpy lacks: pip install ml_dtypes\n"


@pytest.mark.parametrize(
    ("number", "expected"),
    [(1, "float32"), (7, "string"), (10, "bool"), (14, "bfloat16"), (21, "variant"), (99, "99")],
)
def test_names_of_types(number: int, expected: str) -> None:
    """Metadata speaks of types as numpy does, where it knows them."""
    assert tensors.dtype_name(number) == expected
