"""JSON predict requests, by the roads that read them; every road must come to what the exact one comes to. No tests."""

import pytest

from serving.codecs.json import short
from serving.core.signature import TensorInfo
from serving.core.tensor import DataType
from tests.support.json_requests import SX, XY, B, S, X, infos

Inputs = dict[str, TensorInfo]

BOTH = [
    ("values", X, b'{"instances": [1.0,2.0,5.0]}'),
    ("signature-first", X, b'{"signature_name": "s", "instances": [1]}'),
    ("signature-last", X, b'{"instances": [1], "signature_name": "s"}'),
    ("columns", X, b'{"inputs": [[1], [2]]}'),
    ("scalar", X, b'{"inputs": 3.0}'),
    ("named-column", X, b'{"inputs": {"x": [1.0], "unknown": 7}}'),
    ("named-columns", XY, b'{"inputs": {"y": 1 , "x": [[1.0]] } }'),
    ("named-rows", X, b'{"instances": [{"x": 1.0}, {"x": 2.0}]}'),
    ("rows-of-two", XY, b'{"instances": [{"x": [1, 2], "y": 3}, {"y": 4, "x": [5, 6]}], "signature_name": "s"}'),
    ("one-row", X, b'{"instances": [ {"x": [[1, 2]]} ]}'),
    ("int64", infos(x=DataType.INT64), b'{"instances": [-9223372036854775808]}'),
    ("narrow", infos(x=DataType.UINT8), b'{"instances": [300, -1]}'),
    ("double", infos(x=DataType.DOUBLE), b'{"instances": [0.1]}'),
    ("pretty-short", X, b' {\n\t"instances" : [\r\n [ 1.0 , 2 ], [ -0.0, -0 ] ]\n }\n'),
    ("signature-first-short", X, b'{"signature_name": "s:1", "instances": [1]}'),
    ("signature-last-short", X, '{"instances": [1], "signature_name": "grün"}'.encode()),
    ("uint64-short", infos(x=DataType.UINT64), b'{"instances": [9223372036854775807]}'),
]
"""Bodies that the shortest road takes, and the fast one for longer bodies."""

LONG_ALONE = [
    ("pretty", X, b' {\n\t"instances" : [\r\n [ 1.0 , 2 ], [ -3e-1, 4 ] ]\n }\n'),
    ("text-behind", X, b'{"instances": [1]} "}'),
    ("uint64", infos(x=DataType.UINT64), b'{"instances": [18446744073709551615]}'),
    ("long-double", infos(x=DataType.DOUBLE), b'{"instances": [0.12345678901234567, 1E-5, 1]}'),
    ("near-a-tie", X, b'{"instances": [16777217, 1.00000005960464477, 0.5]}'),
    ("large", X, b'{"instances": [1%b]}' % (b" " * short.MOST_BYTES)),
    ("text-behind-short", X, b'{"instances": [1]} }'),
    ("exponent", X, b'{"instances": [1e5]}'),
    ("near-a-tie-short", X, b'{"instances": [1.00000005960464477]}'),
    ("long-double-short", infos(x=DataType.DOUBLE), b'{"instances": [0.12345678901234567]}'),
]
"""Bodies that the fast road takes, and the shortest leaves to others."""

SHORT_ALONE = [
    ("other-key", X, b'{"other": 1, "instances": [1]}'),
    ("strings", infos(x=DataType.STRING), b'{"instances": ["a"]}'),
    ("many-names", X, b'{"inputs": {"x": 1%b}}' % b"".join(b', "k%d": 1' % number for number in range(300))),
    ("ignored-numbers", X, b'{"other": [3], "instances": [1], "more": {"x": 1}}'),
    ("long-literals", X, b'{"instances": [0.12345678901234567, 123456789012345678901]}'),
    ("strings-short", S, b'{"instances": ["a", "", "\xc3\xbc"]}'),
    ("colons", S, b'{"instances": ["http://a:80", ":"]}'),
    ("base64", S, b'{"instances": [{"b64": "aGVsbG8="}, "a"]}'),
    ("base64-inside", S, b'{"instances": [["a:", {"b64": ""}], ["b", "c"]]}'),
    ("base64-column", S, b'{"inputs": {"b64": "aGVsbG8="}}'),
    ("strings-and-numbers", SX, b'{"inputs": {"s": ["a", "b"], "x": [[1.5], [2]]}}'),
    ("rows-of-strings", SX, b'{"instances": [{"s": "a", "x": 1}, {"x": 2, "s": {"b64": "aA"}}]}'),
    ("long-numbers-and-strings", SX, b'{"inputs": {"s": "a", "x": 0.1234567890123456}}'),
    ("bools", B, b'{"instances": [[true], [false]]}'),
    ("scalar-bool", B, b'{"inputs": true}'),
    ("signature-of-strings", S, b'{"signature_name": "s", "instances": ["a"]}'),
]
"""Bodies that the shortest road takes, and the fast one leaves to others."""

NEITHER = [
    ("escaped-name", X, b'{"signature_name": "\\u0061", "instances": [1]}'),
    ("both-keys", X, b'{"instances": [1], "inputs": [1]}'),
    ("mark", X, b'\xef\xbb\xbf{"instances": [1]}'),
    ("nothing", X, b'{"instances": }'),
    ("open", X, b'{"instances": [1]'),
    ("open-before-a-key", X, b'{"inputs": {"x": [1], "y'),
    ("trailing-comma", X, b'{"instances": [1],}'),
    ("no-comma", X, b'{"inputs": {"x": 1 "y": 2}}'),
    ("two-values", X, b'{"instances": 1, 2}'),
    ("nan", X, b'{"instances": [NaN]}'),
    ("bad-literal", X, b'{"instances": [01]}'),
    ("letters-of-an-exponent", X, b'{"instances": [e]}'),
    ("exponent-behind", X, b'{"instances": [1]e}'),
    ("words", X, b'{"instances": [true]}'),
    ("uneven", X, b'{"instances": [[1, 2], [3]]}'),
    ("uneven-depth", X, b'{"instances": [[1], [[2]]]}'),
    ("empty-list", X, b'{"instances": [[], [1]]}'),
    ("deep", X, b'{"instances": ' + b"[" * 65 + b"1" + b"]" * 65 + b"}"),
    ("deep-row", X, b'{"instances": [{"x": ' + b"[" * 64 + b"1" + b"]" * 64 + b"}]}"),
    ("zero-with-a-long-exponent", X, b'{"instances": [0e309]}'),
    ("zero-with-a-long-exponent-far-in", X, b'{"instances": [' + b"1e-1, " * 200 + b"0e+309]}"),
    ("positive-exponents-far-in", infos(x=DataType.INT8), b'{"instances": [' + b"1e-1, " * 200 + b"1e+3]}"),
    ("beyond-double", X, b'{"instances": [1.8e308]}'),
    ("very-long-literal", X, b'{"instances": [0.1234567890123456789012345678]}'),
    ("very-long-literal-far-in", X, b'{"instances": [' + b"0.25, " * 200 + b"0.1234567890123456789012345678]}"),
    ("no-instances", X, b'{"instances": []}'),
    ("number-of-instances", X, b'{"instances": 3}'),
    ("object-of-instances", X, b'{"instances": {"x": 1}}'),
    ("plain-for-two", XY, b'{"instances": [1]}'),
    ("plain-columns-for-two", XY, b'{"inputs": [1]}'),
    ("missing-key", XY, b'{"instances": [{"x": 1}]}'),
    ("key-too-many", X, b'{"instances": [{"x": 1, "y": 1}]}'),
    ("missing-column", XY, b'{"inputs": {"x": 1}}'),
    ("no-columns", X, b'{"inputs": {}}'),
    ("duplicate", X, b'{"instances": [{"x": 1, "x": 2}]}'),
    ("other-keys", X, b'{"instances": [{"x": 1}, {"y": 2}]}'),
    ("empty-list-in-a-row", infos(x=DataType.DOUBLE), b'{"instances": [{"x": []}, {"x": [0e5]}]}'),
    ("empty-list-before-a-tie", X, b'{"instances": [{"x": []}, {"x": [16777217]}]}'),
    ("other-shapes", X, b'{"instances": [{"x": [1, 2]}, {"x": 2}]}'),
    ("lists-across-rows", X, b'{"instances": [{"x": [1,2],[3}, {"x": 4]}]}'),
    ("value-missing-in-a-row", X, b'{"instances": [{"x": 1,2}, {"x": }]}'),
    ("rows-not-closed", X, b'{"instances": [{"x": 1} }'),
    ("value-among-rows", X, b'{"instances": [{"x": 1}, 2]}'),
    ("fraction-for-int", infos(x=DataType.INT32), b'{"instances": [1.0]}'),
    ("int32-overflow", infos(x=DataType.INT32), b'{"instances": [2147483648]}'),
    ("int64-overflow", infos(x=DataType.INT64), b'{"instances": [9223372036854775808]}'),
    ("negative-uint32", infos(x=DataType.UINT32), b'{"instances": [-1]}'),
    ("uint32-overflow", infos(x=DataType.UINT32), b'{"instances": [4294967296]}'),
    ("bool", infos(x=DataType.BOOL), b'{"instances": [1]}'),
    ("half", infos(x=DataType.HALF), b'{"instances": [1]}'),
    ("list", X, b'[{"instances": 1}]'),
    ("key-with-digits", X, b'{"inst1ances": [1]}'),
    ("exponent-for-two", SX, b'{"inputs": {"s": "a", "x": 1E5}}'),
    ("empty", X, b'{"instances": [[], []]}'),
    ("empty-strings", S, b'{"instances": [[], []]}'),
    ("uneven-short", X, b'{"instances": [[1], [2, 3]]}'),
    ("uneven-strings", S, b'{"instances": [["a"], ["b", "c"]]}'),
    ("uneven-depth-of-strings", S, b'{"instances": [["a"], "b"]}'),
    ("deep-strings", S, b'{"instances": [["a"], [["b"]]]}'),
    ("string-for-a-number", X, b'{"instances": ["1.5"]}'),
    ("bool-for-a-number", X, b'{"instances": [true, 1.5]}'),
    ("null-for-a-number", X, b'{"instances": [null]}'),
    ("null", X, b'{"inputs": null}'),
    ("number-for-a-string", S, b'{"instances": [1]}'),
    ("number-among-strings", S, b'{"instances": ["a", 1]}'),
    ("number-for-a-bool", B, b'{"instances": [1]}'),
    ("number-among-bools", B, b'{"instances": [true, 1]}'),
    ("fraction-for-int-short", XY, b'{"inputs": {"x": 1, "y": 1.0}}'),
    ("int32-overflow-short", XY, b'{"inputs": {"x": 1, "y": 2147483648}}'),
    ("bad-base64", S, b'{"instances": [{"b64": "a"}]}'),
    ("other-object", S, b'{"instances": [["a"], [{"b64": "aA", "x": "b"}]]}'),
    ("escape", S, b'{"instances": ["\\u0061"]}'),
    ("not-utf-8", S, b'{"instances": ["\xff"]}'),
    ("both-one-null", X, b'{"instances": null, "inputs": [1]}'),
    ("neither", X, b'{"other": [1]}'),
    ("signature-no-string", X, b'{"signature_name": 1, "instances": [1]}'),
    ("duplicate-short", X, b'{"instances": [1], "instances": [2]}'),
    ("duplicate-signature", X, b'{"signature_name": "a", "signature_name": "b", "instances": [1]}'),
    ("duplicate-signature-of-strings", S, b'{"signature_name": "a", "signature_name": "b", "instances": ["c"]}'),
    ("duplicate-of-strings", S, b'{"instances": [1], "instances": ["b64"]}'),
    ("duplicate-input", X, b'{"inputs": {"x": 1, "x": 2}}'),
    ("ignored-object", S, b'{"instances": ["a"], "other": {"x": 1}}'),
    ("string-among-rows", S, b'{"instances": [{"s": "a"}, "b"]}'),
    ("base64-among-rows", infos(b64=DataType.STRING), b'{"instances": [{"b64": {"b64": "aA"}}, {"b64": "aA"}]}'),
    ("objects-of-columns", X, b'{"inputs": [{"x": 1}]}'),
]
"""Bodies that both leave to the exact road: invalid, or not plainly valid."""


def cases(*tables: list[tuple[str, Inputs, bytes]]) -> list[object]:
    """The inputs and the bodies of tables, as pytest takes them."""
    return [pytest.param(inputs, body, id=name) for table in tables for name, inputs, body in table]
