"""Which strings are made up for which operations, and which features a parser is given."""

import json
from typing import Any

import pytest

from serving.core.tensor import DataType
from serving.optimizing import texts
from serving.optimizing.flow import Flow
from serving.optimizing.graph_index import GraphIndex
from serving.protos import Example
from tests.unit.optimizing.graphs import meta_graph


def flow_of(*lines: str, **constants: list[bytes]) -> tuple[Any, Flow]:
    """The graph of these nodes, and of constants with these strings."""
    made = meta_graph("x = Placeholder()", *(f"{name} = Const()" for name in constants), *lines)
    nodes = {node.name: node for node in made.graph_def.node}
    for name, values in constants.items():
        tensor = nodes[name].attr["value"].tensor
        tensor.dtype = DataType.STRING
        tensor.tensor_shape.dim.add(size=len(values))
        tensor.string_val.extend(values)
    return nodes, Flow(GraphIndex(made.graph_def))


@pytest.mark.parametrize(
    ("line", "begins"),
    [
        ("d = DecodeJpeg(x)", {b"\xff\xd8", b"\x89P"}),
        ("d = DecodeAndCropJpeg(x)", {b"\xff\xd8"}),
        ("d = DecodePng(x)", {b"\x89P"}),
        ("d = DecodeBmp(x)", {b"BM"}),
        ("d = DecodeGif(x)", {b"GI"}),
        ("d = DecodeWav(x)", {b"RI"}),
        ("d = StringLower(x)", {b"th"}),
    ],
)
def test_kinds(line: str, begins: set[bytes]) -> None:
    """What an operation decodes is made in its format; what nobody decodes is words."""
    _, flow = flow_of(line)
    assert {make(0)[:2] for make in texts.makers(flow, "x:0")} == begins


def test_likeliest_first() -> None:
    """Operations that are nearer come first, and pictures of the usual size."""
    _, flow = flow_of("i = Identity(x)", "p = DecodeBmp(i)", "n = StringToNumber(x)")
    makers = texts.makers(flow, "x")
    assert makers[0](0) == b"0.5"
    assert len(makers[1](0)) > len(makers[2](0)) > len(makers[3](0))


def test_rows_differ() -> None:
    """Two rows are not the same string."""
    _, flow = flow_of("d = DecodePng(x)")
    for make in texts.makers(flow, "x:0"):
        assert make(0) != make(1)
        assert make(1) == make(1)


@pytest.mark.parametrize(
    ("dtype", "expected"), [(DataType.FLOAT, b"0.5"), (DataType.INT64, b"1"), (DataType.INVALID, b"0.5")]
)
def test_numbers(dtype: DataType, expected: bytes) -> None:
    """Text that becomes integers has none but digits."""
    nodes, flow = flow_of("n = StringToNumber(x)")
    nodes["n"].attr["out_type"].type = dtype
    (make,) = texts.makers(flow, "x:0")
    assert make(0) == expected


def test_words_of_tables() -> None:
    """What is looked up is what the table was filled with."""
    _, flow = flow_of("t = HashTableV2()", "f = LookupTableFindV2(t, x)", "i = InitializeTableV2(t, k)", k=[b"a", b"b"])
    (make,) = texts.makers(flow, "x:0")
    assert [make(row) for row in range(3)] == [b"a", b"b", b"a"]


def test_tables_from_files() -> None:
    """Words that are not in the graph are not read elsewhere."""
    _, flow = flow_of("t = HashTableV2()", "f = LookupTableFindV2(t, x)", "i = InitializeTableFromTextFileV2(t, k)")
    (make,) = texts.makers(flow, "x:0")
    assert make(0) == b"the"


def test_columns() -> None:
    """A line has a value of its type for each column."""
    nodes, flow = flow_of("c = DecodeCSV(x) field_delim=;")
    nodes["c"].attr["OUT_TYPE"].list.type.extend([DataType.FLOAT, DataType.INT32, DataType.STRING])
    (make,) = texts.makers(flow, "x:0")
    assert make(0) == b"0.5;1;word"


def test_json_of_nothing_known() -> None:
    """Without a parser behind it, JSON is that of an empty example."""
    _, flow = flow_of("j = DecodeJSONExample(x)")
    assert [json.loads(make(0)) for make in texts.makers(flow, "x:0")] == [{}]


def raw(lines: list[str], sizes: dict[str, list[int]], dtype: DataType) -> list[int]:
    """The lengths of what is made up, in bytes."""
    nodes, flow = flow_of(*lines, *(f"{name} = Const()" for name in sizes))
    nodes["d"].attr["out_type"].type = dtype
    for name, values in sizes.items():
        tensor = nodes[name].attr["value"].tensor
        tensor.dtype = DataType.INT32
        tensor.tensor_shape.dim.add(size=len(values))
        tensor.int_val.extend(values)
    return [len(make(0)) for make in texts.makers(flow, "x:0")]


@pytest.mark.parametrize(
    ("lines", "sizes", "dtype", "lengths"),
    [
        pytest.param(["d = DecodeRaw(x)"], {}, DataType.FLOAT, [4, 64], id="unknown"),
        pytest.param(["d = DecodeRaw(x)", "r = Reshape(d, s)"], {"s": [-1, 4, 3]}, DataType.UINT8, [12], id="reshaped"),
        pytest.param(
            ["d = DecodeRaw(x)", "r = Reshape(d, s)"], {"s": [-1, 4, 3]}, DataType.HALF, [24], id="two bytes each"
        ),
        pytest.param(["d = DecodeRaw(x)", "r = Reshape(d, x)"], {}, DataType.UINT8, [1], id="to who knows what"),
        pytest.param(["d = DecodePaddedRaw(x, s)"], {"s": [8]}, DataType.INT16, [8], id="padded"),
        pytest.param(["d = DecodePaddedRaw(x, x)"], {}, DataType.INT16, [2, 32], id="padded to who knows what"),
    ],
)
def test_raw_numbers(lines: list[str], sizes: dict[str, list[int]], dtype: DataType, lengths: list[int]) -> None:
    """There are as many bytes as what follows has a place for."""
    assert raw(lines, sizes, dtype) == lengths


def typed(node: Any, **attributes: list[DataType]) -> None:
    for name, dtypes in attributes.items():
        node.attr[name].list.type.extend(dtypes)


def features(make: texts.MakeText) -> dict[str, list[Any]]:
    """The values of each feature of the first example."""
    parsed = Example.FromString(make(0)).features.feature
    return {key: list(getattr(value, value.WhichOneof("kind")).value) for key, value in parsed.items()}


def test_features_of_a_parser_of_many() -> None:
    """Sparse, dense and ragged features each get values of their type, as many as their shape has."""
    nodes, flow = flow_of("p = ParseExampleV2(x, n, s, d, r)", n=[], s=[b"s"], d=[b"d", b"e"], r=[b"r"])
    typed(
        nodes["p"],
        sparse_types=[DataType.INT64],
        Tdense=[DataType.FLOAT, DataType.STRING],
        ragged_value_types=[DataType.FLOAT],
    )
    for sizes in ((2, 3), (-1,)):
        shape = nodes["p"].attr["dense_shapes"].list.shape.add()
        for size in sizes:
            shape.dim.add(size=size)
    (make,) = texts.makers(flow, "x:0")
    made = features(make)
    assert {key: len(values) for key, values in made.items()} == {"s": 2, "d": 6, "e": 2, "r": 2}
    assert made["s"] == [0, 1]
    assert made["e"] == [b"the", b"a few short words"]


def test_strings_within_features() -> None:
    """A feature that is a picture holds one, whichever of the outputs it is."""
    nodes, flow = flow_of(
        "p = ParseExampleV2(x, n, s, d, r)",
        "w = StringLower(p:3)",
        "b = DecodeBmp(p:4)",
        n=[],
        s=[b"s"],
        d=[b"a", b"b"],
        r=[],
    )
    typed(nodes["p"], sparse_types=[DataType.INT64], Tdense=[DataType.STRING] * 2)
    for _ in range(2):
        nodes["p"].attr["dense_shapes"].list.shape.add()
    makers = texts.makers(flow, "x:0")
    assert len(makers) == 3
    for made in map(features, makers):
        assert (made["a"], made["b"][0][:2]) == ([b"the"], b"BM")


def test_features_of_older_parsers() -> None:
    """Keys are constants of their own, or attributes."""
    nodes, flow = flow_of("p = ParseExample(x, n, s, d, d)", n=[], s=[b"s"], d=[b"d"])
    nodes["p"].attr["Nsparse"].i = nodes["p"].attr["Ndense"].i = 1
    single, single_flow = flow_of("p = ParseSingleExample(x)")
    single["p"].attr["sparse_keys"].list.s.append(b"s")
    single["p"].attr["dense_keys"].list.s.append(b"d")
    for node, each in ((nodes["p"], flow), (single["p"], single_flow)):
        typed(node, sparse_types=[DataType.STRING], Tdense=[DataType.INT64])
        node.attr["dense_shapes"].list.shape.add()
        (make,) = texts.makers(each, "x:0")
        assert features(make) == {"s": [b"the", b"a few short words"], "d": [0]}


@pytest.mark.parametrize("operation", ["ParseExample", "ParseExampleV2"])
def test_keys_that_are_no_constants(operation: str) -> None:
    """Nobody knows which features are wanted; words are tried."""
    nodes, flow = flow_of(f"p = {operation}(x, x, x, x, x)")
    nodes["p"].attr["Nsparse"].i = 1
    (make,) = texts.makers(flow, "x:0")
    assert make(0) == b"the"
