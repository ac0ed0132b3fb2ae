"""Predict requests that are refused, with the texts recorded from TensorFlow Serving, on both roads."""

import pytest

from serving.core.signature import TensorInfo
from serving.core.tensor import DataType
from serving.errors import Code, ServingError
from tests.support.json_requests import AB, Reader, S, X, infos

PLAIN = (
    "instances is a plain list, but expecting list of objects as multiple input tensors required as per tensorinfo_map"
)
PLAIN_INPUTS = (
    "inputs is a plain value/list, but expecting an object as multiple input tensors required as per tensorinfo_map"
)


def row(index: int, inner: str, key: str = "") -> str:
    where = f"{index} key: {key}" if key else f"{index}"
    return f"Failed to process element: {where} of 'instances' list. Error: {inner}"


INVALID = "INVALID_ARGUMENT: "

READ_ERRORS = [
    ("malformed", b"{", "JSON Parse error: Missing a name for object member. at offset: 1"),
    ("not-an-object", b"null", "JSON Value: null Is not object"),
    ("list", b"[1]", "JSON Value: [1] Is not object"),
    (
        "signature-name",
        b'{"signature_name": 100}',
        'JSON Value: {\n    "signature_name": 100\n} not formatted correctly. '
        "'signature_name' key must be a string value.",
    ),
    (
        "signature-name-null",
        b'{"signature_name": null}',
        'JSON Value: {\n    "signature_name": null\n} not formatted correctly. '
        "'signature_name' key must be a string value.",
    ),
]

TENSOR_ERRORS = [
    ("neither-key", X, b'{"other": 1}', "Missing 'inputs' or 'instances' key"),
    (
        "both-keys",
        X,
        b'{"instances": [1], "inputs": [1]}',
        'JSON Value: {\n    "instances": [1],\n    "inputs": [1]\n} Not formatted correctly expecting only one of '
        "'inputs' or 'instances' keys to exist ",
    ),
    (
        "object-instances",
        X,
        b'{"instances": {"x": 1}}',
        'JSON Value: {\n    "instances": {\n        "x": 1\n    }\n} Expecting \'instances\' to be an list/array',
    ),
    (
        "number-instances",
        X,
        b'{"instances": 3}',
        "JSON Value: {\n    \"instances\": 3\n} Expecting 'instances' to be an list/array",
    ),
    (
        "no-instances",
        X,
        b'{"instances": []}',
        "JSON Value: {\n    \"instances\": []\n} No values in 'instances' array",
    ),
    ("plain-list-for-two-inputs", AB, b'{"instances": [1]}', PLAIN),
    (
        "object-then-value",
        X,
        b'{"instances": [{"x": 1.0}, 2.0]}',
        "Expecting object but got list at item 1 of input list",
    ),
    (
        "value-then-object",
        X,
        b'{"instances": [1.0, {"x": 1.0}]}',
        "Expecting value/list but got object at item 1 of input list",
    ),
    (
        "unknown-key",
        S,
        b'{"instances": [{"b64": "a", "z": 1}]}',
        row(0, f"{INVALID}JSON object: does not have named input: b64", "b64"),
    ),
    (
        "missing-key",
        AB,
        b'{"instances": [{"a": [1.0, 2.0]}]}',
        "Failed to process element: 0 of 'instances' list. JSON object: {\n    \"a\": [1.0, 2.0]\n} "
        "keys must be equal to: a,b",
    ),
    (
        "no-keys",
        X,
        b'{"instances": [{"x": 1.0}, {}]}',
        "Failed to process element: 1 of 'instances' list. JSON object: {} keys must be equal to: x",
    ),
    (
        "null",
        X,
        b'{"instances": [1.0, null, true]}',
        row(1, f"{INVALID}JSON Value: null Type: Null is not of expected type: float"),
    ),
    (
        "string-in-object",
        X,
        b'{"instances": [{"x": "a"}]}',
        row(0, f'{INVALID}JSON Value: "a" Type: String is not of expected type: float', "x"),
    ),
    (
        "base64-for-a-number",
        X,
        b'{"instances": [{"b64": "aGVsbG8="}]}',
        row(0, f'{INVALID}JSON Value: {{\n    "b64": "aGVsbG8="\n}} Type: Object is not of expected type: float'),
    ),
    ("size", X, b'{"instances": [[1,2],[3,4],[5,6,7]]}', row(2, f"{INVALID}Expecting tensor size: 2 but got: 3")),
    ("size-zero", X, b'{"instances": [[],[1.0]]}', row(1, f"{INVALID}Expecting tensor size: 0 but got: 1")),
    (
        "size-in-object",
        X,
        b'{"instances": [{"x": [1.0]}, {"x": [1.0, 2.0]}]}',
        row(1, f"{INVALID}Expecting tensor size: 1 but got: 2", "x"),
    ),
    (
        "shape",
        X,
        b'{"instances": [[1,2],[3,4],[[5,6]]]}',
        row(2, f"{INVALID}Expecting shape [2] but got: [1,2]"),
    ),
    (
        "deeper-than-first",
        X,
        b'{"instances": [[1.0, [2.0]]]}',
        row(0, f"{INVALID}Encountered list at unexpected level: 1 expected < 1"),
    ),
    (
        "value-too-high",
        X,
        b'{"instances": [[[1.0], 2.0]]}',
        row(0, f"{INVALID}JSON Value: 2.0 found at incorrect level: 2 in the JSON DOM. Expected at level: 2"),
    ),
    (
        "repeated-key-is-checked",
        X,
        b'{"instances": [{"x": 1.0, "x": "a"}]}',
        row(0, f'{INVALID}JSON Value: "a" Type: String is not of expected type: float', "x"),
    ),
    ("too-deep", X, b'{"instances": ' + b"[" * 300 + b"1.0" + b"]" * 300 + b"}", "tensor parsing error: x"),
    (
        "uneven",
        X,
        b'{"inputs": [[1.0],[2.0,3.0]]}',
        "Encountered list at unexpected size: 2 at level: 1 expected size: 1",
    ),
    (
        "empty-then-not",
        X,
        b'{"inputs": [[],[1]]}',
        "Encountered list at unexpected size: 1 at level: 1 expected size: 0",
    ),
    (
        "uneven-named",
        X,
        b'{"inputs": {"x": [[1.0],[2.0,3.0]]}}',
        "Encountered list at unexpected size: 2 at level: 1 expected size: 1",
    ),
    ("plain-inputs-for-two", AB, b'{"inputs": [1, 2]}', PLAIN_INPUTS),
    ("missing-input", AB, b'{"inputs": {"b": 1}}', "Missing named input: a in 'inputs' object."),
    ("empty-inputs", X, b'{"inputs": {}}', "Missing named input: x in 'inputs' object."),
    ("null-inputs", X, b'{"inputs": null}', "JSON Value: null Type: Null is not of expected type: float"),
    ("false-inputs", X, b'{"inputs": false}', "JSON Value: false Type: False is not of expected type: float"),
    ("object-value", X, b'{"inputs": {"x": {}}}', "JSON Value: {} Type: Object is not of expected type: float"),
    (
        "base64-inputs",
        X,
        b'{"inputs": {"b64": "AA=="}}',
        'JSON Value: {\n    "b64": "AA=="\n} Type: Object is not of expected type: float',
    ),
    (
        "base64-form",
        S,
        b'{"inputs": [{"b64": 3}]}',
        'JSON Value: {\n    "b64": 3\n} not formatted correctly for base64 data',
    ),
    (
        "base64-with-company",
        S,
        b'{"inputs": [{"b64": "", "z": 1}]}',
        'JSON Value: {\n    "b64": "",\n    "z": 1\n} not formatted correctly for base64 data',
    ),
    ("base64-text", S, b'{"inputs": [{"b64": "a"}]}', "Unable to base64 decode"),
    ("base64-text-row", S, b'{"instances": [{"b64": "_-8="}]}', row(0, f"{INVALID}Unable to base64 decode")),
    ("resource", infos(x=DataType.RESOURCE), b'{"inputs": []}', "tensor parsing error: x"),
    (
        "long-value",
        X,
        b'{"instances": ["' + b"x" * 300 + b'", "y"]}',
        row(0, f'{INVALID}JSON Value: "{"x" * 300}" Type: String is not of expected type: float'),
    ),
    (
        "conversion-row",
        infos(x=DataType.BFLOAT16),
        b'{"instances": [1]}',
        row(0, "UNIMPLEMENTED: Conversion of JSON Value: 1 to type: bfloat16"),
    ),
]

REFUSED = [
    ("fraction-for-int32", DataType.INT32, b"1.5"),
    ("whole-float-for-uint64", DataType.UINT64, b"1.0"),
    ("bool-for-int32", DataType.INT32, b"true"),
    ("int32-overflow", DataType.INT32, b"2147483648"),
    ("int32-underflow", DataType.INT32, b"-2147483649"),
    ("int16-overflow-of-int32", DataType.INT16, b"2147483648"),
    ("int64-overflow", DataType.INT64, b"9223372036854775808"),
    ("uint32-overflow", DataType.UINT32, b"4294967296"),
    ("negative-uint32", DataType.UINT32, b"-1"),
    ("negative-uint64", DataType.UINT64, b"-1"),
    ("number-for-bool", DataType.BOOL, b"0"),
    ("number-for-string", DataType.STRING, b"1"),
]


@pytest.mark.parametrize(("body", "text"), [case[1:] for case in READ_ERRORS], ids=[case[0] for case in READ_ERRORS])
def test_some_bodies_are_refused_before_the_model_is_known(reader: Reader, body: bytes, text: str) -> None:
    """Malformed JSON, other values than objects and odd signature names need no model to be refused."""
    with pytest.raises(ServingError) as caught:
        reader(body)
    assert (caught.value.code, caught.value.message) == (Code.INVALID_ARGUMENT, text)


@pytest.mark.parametrize(
    ("inputs", "body", "text"), [case[1:] for case in TENSOR_ERRORS], ids=[case[0] for case in TENSOR_ERRORS]
)
def test_bodies_that_do_not_fit_the_signature_are_refused(
    reader: Reader, inputs: dict[str, TensorInfo], body: bytes, text: str
) -> None:
    """Every rule of the layouts has its text, and the first one violated is reported."""
    document = reader(body)
    with pytest.raises(ServingError) as caught:
        document.tensors(inputs)
    assert (caught.value.code, caught.value.message) == (Code.INVALID_ARGUMENT, text)


@pytest.mark.parametrize("dtype", [DataType.COMPLEX64, DataType.HALF, DataType.UINT16], ids=lambda dtype: dtype.word)
def test_types_without_json_are_unimplemented_in_columns(reader: Reader, dtype: DataType) -> None:
    """In columnar layout the code stays UNIMPLEMENTED; rows wrap it."""
    with pytest.raises(ServingError) as caught:
        reader(b'{"inputs": [1]}').tensors(infos(x=dtype))
    assert caught.value.code is Code.UNIMPLEMENTED
    assert caught.value.message == f"Conversion of JSON Value: 1 to type: {dtype.word}"


@pytest.mark.parametrize(("dtype", "text"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_values_of_the_wrong_type_or_range_are_refused(reader: Reader, dtype: DataType, text: bytes) -> None:
    """Whole floats are no integers, numbers no booleans, and ranges hold."""
    with pytest.raises(ServingError) as caught:
        reader(b'{"inputs": [%b]}' % text).tensors(infos(x=dtype))
    word = "True" if text == b"true" else "Number"
    assert caught.value.message == (f"JSON Value: {text.decode()} Type: {word} is not of expected type: {dtype.word}")
