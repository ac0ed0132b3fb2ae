"""Messages as JSON, to the byte as protobuf's C++ printer writes them, and readable by protobuf's own parser."""

import json
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from serving.codecs.json import proto as json_proto
from serving.protos import GetModelStatusResponse, SignatureDef, SignatureDefMap, TensorProto, message

STATUS = """{
 "model_version_status": [
  {
   "version": "124",
   "state": "LOADING",
   "status": {
    "error_code": "OK",
    "error_message": ""
   }
  },
  {
   "version": "123",
   "state": "END",
   "status": {
    "error_code": "NOT_FOUND",
    "error_message": "no \\u003cmodel\\u003e"
   }
  }
 ]
}
"""

SIGNATURES = """{
 "signature_def": {
  "s": {
   "inputs": {
    "x": {
     "name": "x:0",
     "dtype": "DT_FLOAT",
     "tensor_shape": {
      "dim": [
       {
        "size": "-1",
        "name": ""
       }
      ],
      "unknown_rank": false
     }
    }
   },
   "outputs": {
    "y": {
     "name": "",
     "dtype": "DT_INVALID",
     "tensor_shape": {
      "dim": [],
      "unknown_rank": true
     }
    }
   },
   "method_name": "tensorflow/serving/predict",
   "defaults": {}
  }
 }
}
"""


def test_status_to_the_byte() -> None:
    """One blank of indent a level, 64-bit numbers quoted, enums by name, defaults printed, a newline at the end."""
    response = GetModelStatusResponse()
    response.model_version_status.add(version=124, state=20).status.SetInParent()
    failed = response.model_version_status.add(version=123, state=50)
    failed.status.error_code = 5
    failed.status.error_message = "no <model>"
    assert json_proto.dumps(response) == STATUS


def test_signatures_to_the_byte() -> None:
    """Fields in the order of their numbers, empty maps and lists in one line."""
    signatures = SignatureDefMap()
    definition = signatures.signature_def["s"]
    definition.method_name = "tensorflow/serving/predict"
    definition.inputs["x"].name = "x:0"
    definition.inputs["x"].dtype = 1
    definition.inputs["x"].tensor_shape.dim.add(size=-1)
    definition.outputs["y"].name = ""
    definition.outputs["y"].tensor_shape.unknown_rank = True
    assert json_proto.dumps(signatures) == SIGNATURES


@pytest.mark.parametrize(
    ("full_name", "fields", "expected"),
    [
        pytest.param("tensorflow.serving.ModelServerConfig", {}, {}, id="nothing set"),
        pytest.param("tensorflow.TensorShapeProto", {}, {"dim": [], "unknown_rank": False}, id="defaults"),
        pytest.param(
            "tensorflow.serving.ModelSpec",
            {"version": {"value": 7}},
            {"name": "", "version": "7", "signature_name": ""},
            id="wrapped number",
        ),
        pytest.param(
            "tensorflow.serving.ModelSpec",
            {"version_label": ""},
            {"name": "", "signature_name": "", "version_label": ""},
            id="empty member of a oneof",
        ),
        pytest.param("tensorflow.TensorInfo", {"dtype": 999}, {"dtype": 999}, id="unknown enum"),
        pytest.param("tensorflow.BytesList", {"value": [b"\xff\x00"]}, {"value": ["/wA="]}, id="bytes in base64"),
    ],
)
def test_members(full_name: str, fields: dict[str, Any], expected: dict[str, Any]) -> None:
    """What is printed for which field, set or not."""
    text = json_proto.dumps(message(full_name)(**fields))
    assert json.loads(text) == expected
    assert list(json.loads(text)) == list(expected)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"),
        (-0.5, "-0.5"),
        (0.1, "0.1"),
        (1e-7, "1e-07"),
        (3.4028234663852886e38, "3.4028235e+38"),
        (float("nan"), '"NaN"'),
        (float("inf"), '"Infinity"'),
        (float("-inf"), '"-Infinity"'),
    ],
    ids=str,
)
def test_single_floats(value: float, text: str) -> None:
    """The shortest text that reads back as the same single; no ``.0``; words for what JSON lacks."""
    printed = json_proto.dumps(message("tensorflow.FloatList")(value=[value]))
    assert printed == f'{{\n "value": [\n  {text}\n ]\n}}\n'


def test_double() -> None:
    """Doubles have their own shortest text."""
    assert "\n  0.1\n" in json_proto.dumps(TensorProto(double_val=[0.1])).replace("   ", "  ")


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("plain", '"plain"'),
        ('"\\', r'"\"\\"'),
        ("\b\t\n\f\r", r'"\b\t\n\f\r"'),
        ("\x00\x1f\x7f", r'"\u0000\u001f\u007f"'),
        ("<>&'/", r'''"\u003c\u003e&'/"'''),
        ("\u2028\u2029", r'"\u2028\u2029"'),
        ("ünï🙂", '"ünï🙂"'),
    ],
    ids=["plain", "quote", "short", "control", "html", "separators", "unicode"],
)
def test_strings(text: str, quoted: str) -> None:
    """Escapes are those of the C++ printer."""
    assert json_proto.quote(text) == quoted


@given(st.text())
def test_any_string_is_json(text: str) -> None:
    """What is quoted reads back as the same text."""
    assert json.loads(json_proto.quote(text)) == text


texts = st.text(max_size=8)
shapes = st.lists(st.integers(-1, 2**62), max_size=3)


@given(st.dictionaries(texts, st.tuples(texts, st.integers(0, 23), shapes), max_size=3), texts)
def test_protobuf_reads_it_back(inputs: dict[str, tuple[str, int, list[int]]], method_name: str) -> None:
    """Protobuf's own JSON parser makes the same message of it."""
    definition = SignatureDef(method_name=method_name)
    for alias, (name, dtype, shape) in inputs.items():
        info = definition.inputs[alias]
        info.name, info.dtype = name, dtype
        info.tensor_shape.SetInParent()
        for size in shape:
            info.tensor_shape.dim.add(size=size)
    assert json_format.Parse(json_proto.dumps(definition), SignatureDef()) == definition


moderate = st.floats(-(2.0**126), 2.0**126, width=32).map(lambda value: value + 0.0)
"""Protobuf's parser takes the rounded text of the greatest singles for too large, and -0 for 0."""
doubles = st.floats(allow_nan=False).map(lambda value: value + 0.0)


@given(st.lists(moderate), st.lists(doubles), st.lists(st.binary()), st.lists(st.booleans()))
def test_values_are_read_back(singles: list[float], wide: list[float], strings: list[bytes], bools: list[bool]) -> None:
    """Numbers, bytes and bools survive."""
    tensor = TensorProto(float_val=singles, double_val=wide, string_val=strings, bool_val=bools)
    assert json_format.Parse(json_proto.dumps(tensor), TensorProto()) == tensor
