"""Made-up strings of the kind that a model wants, by the first operations that make something of them.

An operation that decodes pictures is given a picture, one that parses a tf.Example gets one of its own features, and so
on; where several kinds are possible, each is made, and the model itself says which it takes.
"""

import base64
import gzip
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from google.protobuf import json_format
from google.protobuf.message import DecodeError

from serving.codecs.protobuf import tensor_proto
from serving.core import tensor_name
from serving.core.tensor import STORAGE, DataType
from serving.optimizing import media, parse_specs
from serving.optimizing.flow import ANY, Flow, Met, constant
from serving.optimizing.graph_index import MAIN, data_inputs
from serving.protos import Example

MakeText = Callable[[int], bytes]
"""Makes the string of a row, by its number."""

_WORDS = (b"the", b"a few short words", b"One more, of 2 parts.")
_PICTURE_SIZES = ((224, 224), (64, 48), (28, 28))
_SAMPLES = (16_000, 1_024)
_RAW_COUNTS = (1, 16)
"""How many numbers a string of raw numbers has where no operation says it."""

_TABLE_KEYS = 4
"""So many words of each table are tried."""

_FORMATS: dict[str, tuple[Callable[[int, int, int], bytes], ...]] = {
    "DecodeJpeg": (media.jpeg, media.png),
    "DecodePng": (media.png,),
    "DecodeImage": (media.jpeg, media.png),
    "DecodeAndCropJpeg": (media.jpeg,),
    "ExtractJpegShape": (media.jpeg,),
    "DecodeBmp": (media.bmp,),
    "DecodeGif": (media.gif,),
}
_LOOKUPS = ("LookupTableFind", "LookupTableFindV2")
_TABLE_FILLERS = ("InitializeTable", "InitializeTableV2", "LookupTableImport", "LookupTableImportV2")
_COMPRESSIONS: dict[bytes, Callable[[bytes], bytes]] = {b"": bytes, b"ZLIB": zlib.compress, b"GZIP": gzip.compress}

_KINDS = frozenset(
    (*_FORMATS, *_LOOKUPS, *parse_specs.PARSERS, "DecodeWav", "StringToNumber", "DecodeBase64", "DecodeCompressed")
) | {"DecodeRaw", "DecodePaddedRaw", "DecodeCSV", "DecodeJSONExample"}


def makers(flow: Flow, tensor: str) -> list[MakeText]:
    """What can be made up for a fed tensor of strings, the likeliest first: at least words."""
    return _for_output(flow, MAIN, tensor_name.parse(tensor).operation, ANY)


def _for_output(flow: Flow, scope: str, operation: str, port: str | None) -> list[MakeText]:
    found: list[MakeText] = []
    for met in flow.first(scope, operation, _KINDS, port=port):
        found += _makers(flow, met)
    return found or [_word]


def _makers(flow: Flow, met: Met) -> Iterator[MakeText]:
    node = met.node
    if node.op in _FORMATS:
        first, *others = _FORMATS[node.op]
        yield from (partial(first, width, height) for width, height in _PICTURE_SIZES)
        yield from (partial(other, *_PICTURE_SIZES[0]) for other in others)
    elif node.op in parse_specs.PARSERS:
        yield from _examples(flow, met)
    elif node.op in _LOOKUPS:
        yield _cycle(_table_keys(flow) or _WORDS)
    elif node.op == "DecodeWav":
        yield from (partial(media.wav, samples) for samples in _SAMPLES)
    elif node.op == "StringToNumber":
        yield _cycle(_numbers(node.attr["out_type"].type or DataType.FLOAT))
    elif node.op in ("DecodeRaw", "DecodePaddedRaw"):
        yield from (partial(_raw, node.attr["out_type"].type, count) for count in _raw_counts(flow, met))
    elif node.op == "DecodeCSV":
        yield partial(_csv, node)
    else:
        yield from (partial(_encoded, node, make) for make in _for_output(flow, met.scope, node.name, ANY))


def _encoded(node: Any, make: MakeText, row: int) -> bytes:
    """What an operation decodes to what ``make`` makes."""
    text = make(row)
    if node.op == "DecodeBase64":
        return base64.urlsafe_b64encode(text).rstrip(b"=")
    if node.op == "DecodeCompressed":
        return _COMPRESSIONS[node.attr["compression_type"].s](text)
    return _json_example(text)


def _json_example(text: bytes) -> bytes:
    """A tf.Example as JSON; an empty one for what is none, where it is not known what becomes of it."""
    try:
        return str(json_format.MessageToJson(Example.FromString(text))).encode()
    except DecodeError:
        return b"{}"


def _examples(flow: Flow, met: Met) -> Iterator[MakeText]:
    """Serialised tf.Examples with the features that a parser wants; strings in them are made up in the same way."""
    features = parse_specs.features(flow.index, met)
    if features is None:
        return
    texts = [_for_output(flow, met.scope, met.node.name, feature.port) for feature in features]
    for index in range(max((len(each) for each in texts), default=1)):
        yield partial(_example, features, [each[min(index, len(each) - 1)] for each in texts])


def _example(features: Sequence[parse_specs.Feature], texts: Sequence[MakeText], row: int) -> bytes:
    example = Example()
    for feature, make in zip(features, texts, strict=True):
        filled = example.features.feature[feature.key]
        if feature.dtype is DataType.STRING:
            filled.bytes_list.value.extend(make(row + index) for index in range(feature.count))
        elif feature.dtype is DataType.FLOAT:
            filled.float_list.value.extend((row + index) % 8 / 8 for index in range(feature.count))
        else:
            filled.int64_list.value.extend((row + index) % 2 for index in range(feature.count))
    return bytes(example.SerializeToString(deterministic=True))


def _numbers(dtype: int) -> tuple[bytes, ...]:
    return (b"0.5", b"1") if dtype in (DataType.FLOAT, DataType.DOUBLE) else (b"1", b"0")


def _csv(node: Any, row: int) -> bytes:
    delimiter = node.attr["field_delim"].s or b","
    dtypes = node.attr["OUT_TYPE"].list.type
    return delimiter.join(b"word" if dtype == DataType.STRING else _numbers(dtype)[row % 2] for dtype in dtypes)


def _raw(dtype: int, count: int, row: int) -> bytes:
    """Numbers as they lie in memory: small ones, which are numbers of their type whichever it is."""
    stored = STORAGE.get(DataType(dtype), STORAGE[DataType.UINT8])
    return ((row + np.arange(count)) % 8).astype(stored).tobytes()


def _raw_counts(flow: Flow, met: Met) -> Sequence[int]:
    """How many numbers there may be: what the shape that they are given leaves open apart."""
    if met.node.op == "DecodePaddedRaw":
        sizes = _integers(flow, met.scope, data_inputs(met.node)[1])
        width = STORAGE[DataType(met.node.attr["out_type"].type)].itemsize
        return [max(size // width, 1) for size in sizes[:1]] or _RAW_COUNTS
    counts = []
    for shaped in flow.first(met.scope, met.node.name, ("Reshape",)):
        count = 1
        for size in _integers(flow, shaped.scope, shaped.node.input[1]):
            count *= max(size, 1)
        counts.append(count)
    return counts or _RAW_COUNTS


def _integers(flow: Flow, scope: str, name: str) -> list[int]:
    proto = constant(flow.index, scope, name)
    tensor = None if proto is None else tensor_proto.decode(proto)
    return [] if tensor is None else [int(each) for each in tensor.array.ravel()]


def _table_keys(flow: Flow) -> list[bytes]:
    """Words that the tables of the graph are filled with, some of each."""
    keys: list[bytes] = []
    for scope in (MAIN, *flow.index.functions):
        for node in flow.index.scope(scope).nodes.values():
            if node.op in _TABLE_FILLERS and (proto := constant(flow.index, scope, data_inputs(node)[1])) is not None:
                keys += proto.string_val[:_TABLE_KEYS]
    return keys


def _cycle(texts: Sequence[bytes]) -> MakeText:
    return lambda row: texts[row % len(texts)]


_word = _cycle(_WORDS)
