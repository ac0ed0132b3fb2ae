"""What models bring along: signatures, assets, configurations of their own, old exports, TensorFlow Lite files."""

from pathlib import Path
from random import Random
from tempfile import mkdtemp
from types import MappingProxyType
from typing import Any

import flatbuffers
from flatbuffers import flexbuffers
from google.protobuf.message import DecodeError

from serving.codecs.protobuf import signature_def, wire
from serving.core import version_files
from serving.core.tensor import DataType
from serving.errors import Code, ServingError
from serving.protos import ConfigProto, MetaGraphDef, SavedModelConfig, SignatureDef, message
from serving.servables import bundle_files, bundle_signatures, model_files, saved_model_config, tflite_signatures
from serving.servables.bundle_files import AssetFile, Signatures
from serving.servables.bundle_signatures import GraphTensor
from serving.servables.checkpoint import restored_variable
from serving.servables.tflite_interpreter import TfliteTensor
from tests.fuzz import messages
from tests.fuzz.drawing import chance, mutated
from tests.fuzz.target import Target, is_refused, unless_refused

_DAMAGED = 10
"""In a hundred."""
_VERSION = Path(mkdtemp(prefix="fuzz-"))
(_VERSION / "assets.extra").mkdir()
_TENSORS = MappingProxyType(
    {name: TfliteTensor(name, at, DataType.FLOAT, (1, 2)) for at, name in enumerate(("x", "y:0"))}
)
_TensorInfo = message("tensorflow.TensorInfo")


def _meta_graph(random: Random) -> bytes:
    made = messages.filled(random, MetaGraphDef)
    for name in random.sample(("serving_default", "classify", "s"), random.randrange(3)):
        made.signature_def[name].CopyFrom(messages.filled(random, SignatureDef))
    if chance(random, 30):
        made.asset_file_def.add(filename=random.choice(("vocabulary.txt", "a/b", "../c", "")))
    if chance(random, 30):
        _restore(random, made)
    data: bytes = made.SerializeToString()
    if chance(random, 20):
        data = messages.rewritten(random, data)
    return mutated(random, data) if chance(random, _DAMAGED) else data


def _restore(random: Random, made: Any) -> None:
    """Operations that read a checkpoint, or call a function that does."""
    made.saver_def.restore_op_name = "restore"
    nodes = made.graph_def.node
    nodes.add(name="restore", op=random.choice(("NoOp", "RestoreV2", "f")), input=["prefix", "names:0", "^restore"])
    names = nodes.add(name="names", op="Const")
    names.attr["value"].tensor.string_val.append(random.choice((b"w", b"_CHECKPOINTABLE_OBJECT_GRAPH")))
    function = made.graph_def.library.function.add()
    function.signature.name = "f"
    function.node_def.add(name="inner", op="RestoreV2", input=["a"])
    function.node_def[0].attr["f"].func.name = "f"


def _check_meta_graph(data: bytes) -> bool:
    """TensorFlow hands over what it has parsed and written again; only such bytes come here."""
    try:
        whole = MetaGraphDef.FromString(data)
    except DecodeError:
        return False
    whole.DiscardUnknownFields()
    written = whole.SerializeToString()
    part = MetaGraphDef.FromString(wire.only_field(written, MetaGraphDef.SIGNATURE_DEF_FIELD_NUMBER))
    assert _canonical(part) == _canonical(MetaGraphDef(signature_def=whole.signature_def))
    signatures = signature_def.decode_all(part.signature_def)
    assert list(signatures) == list(part.signature_def)
    for name, signature in signatures.items():
        assert list(signature.inputs) == sorted(part.signature_def[name].inputs)
    variable = restored_variable(written)
    assert variable is None or whole.saver_def.restore_op_name
    assets = [each.filename for each in whole.asset_file_def if each.filename]
    missing = is_refused(lambda: model_files.check(_VERSION, written, restored=True))
    assert missing == any(not Path(f"{_VERSION}/assets/{name}").exists() for name in assets)
    return True


def _canonical(given: Any) -> bytes:
    data: bytes = given.SerializeToString(deterministic=True)
    return data


def _bundle(random: Random) -> bytes:
    made = messages.filled(random, MetaGraphDef)
    if chance(random, 90):
        signatures = messages.filled(random, Signatures)
        if chance(random, 50):
            for name in ("inputs", "outputs"):
                binding = signatures.named_signatures.add(key=name).value.generic_signature.map.add(key="x")
                binding.value.tensor_name = random.choice(("x:0", "y:0"))
        for name, packed in (
            ("serving_signatures", signatures),
            ("serving_assets", messages.filled(random, AssetFile)),
        ):
            made.collection_def[name].any_list.value.add().Pack(packed)
    if chance(random, 80):
        made.graph_def.node.add(name="x", op="Placeholder")
    data: bytes = made.SerializeToString()
    return mutated(random, data) if chance(random, _DAMAGED) else data


def _describe(name: str) -> GraphTensor:
    """As a graph does that has most tensors."""
    if not name or name == "none":
        raise ServingError(Code.FAILED_PRECONDITION, "no such tensor")
    return GraphTensor(_TensorInfo(name=name, dtype=1), name.startswith("x"))


def _check_bundle(data: bytes) -> bool:
    (_VERSION / version_files.SESSION_BUNDLE).write_bytes(data)
    files = unless_refused(lambda: bundle_files.read_bundle(_VERSION))
    if files is None:
        return False
    is_refused(lambda: bundle_files.check_files(_VERSION, files))
    converted = unless_refused(lambda: bundle_signatures.convert(files.signatures, _describe))
    if converted is not None:
        signature_def.decode_all(converted.definitions)
    return True


def _own_config(random: Random) -> bytes:
    data: bytes = messages.filled(random, SavedModelConfig).SerializeToString()
    return mutated(random, data) if chance(random, _DAMAGED) else data


def _check_own_config(data: bytes) -> bool:
    """What cannot be read is passed over, and everything else that the session has stays."""
    (_VERSION / version_files.SAVED_MODEL_CONFIG).write_bytes(data)
    before = ConfigProto(intra_op_parallelism_threads=3)
    after = ConfigProto.FromString(saved_model_config.merged(_VERSION, before.SerializeToString()))
    assert after.intra_op_parallelism_threads == 3
    after.ClearField("graph_options")
    assert after == before
    return True


def _tflite(random: Random) -> bytes:
    """A file with metadata; of the rest of the schema it has what leads there."""
    fields = flexbuffers.Builder()
    with fields.Map():
        for name in random.sample(("serving_default", "s", "t"), random.randrange(3)):
            fields.Key(name)
            definition = SignatureDef(method_name="tensorflow/serving/predict")
            definition.inputs["x"].name = random.choice(("x", "x:0", "none"))
            definition.outputs["y"].name = random.choice(("y:0", "y"))
            fields.Blob(definition.SerializeToString())
    data = _file(bytes(fields.Finish()), random.choice((b"signature_defs_metadata", b"other")))
    return mutated(random, data) if chance(random, _DAMAGED) else data


def _file(metadata: bytes, name: bytes) -> bytes:
    builder = flatbuffers.Builder(256)
    content = builder.CreateByteVector(metadata)
    builder.StartObject(1)
    builder.PrependUOffsetTRelativeSlot(0, content, 0)
    buffer = builder.EndObject()
    text = builder.CreateString(name)
    builder.StartObject(2)
    builder.PrependUOffsetTRelativeSlot(0, text, 0)
    builder.PrependUint32Slot(1, 0, 0)
    entry = builder.EndObject()
    vectors = []
    for element in (buffer, entry):
        builder.StartVector(4, 1, 4)
        builder.PrependUOffsetTRelative(element)
        vectors.append(builder.EndVector())
    builder.StartObject(7)
    builder.PrependUOffsetTRelativeSlot(4, vectors[0], 0)
    builder.PrependUOffsetTRelativeSlot(6, vectors[1], 0)
    builder.Finish(builder.EndObject(), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _check_tflite(data: bytes) -> bool:
    inputs, outputs = {"x": _TENSORS["x"]}, {"y:0": _TENSORS["y:0"]}
    found = unless_refused(lambda: tflite_signatures.definitions(data, inputs, outputs))
    if found is None:
        return False
    signature_def.decode_all(found)
    return True


TARGETS = (
    Target(
        name="exports.meta_graph",
        promise="the signatures that protobuf's parser finds, and NOT_FOUND exactly if an asset is missing",
        make=_meta_graph,
        check=_check_meta_graph,
        seeds=(b"\x2a\x13\n\x01s\x12\x0e\n\x0c\n\x01x\x12\x07\n\x03x:0\x10\x01",),
        dear=True,
    ),
    Target(
        name="exports.bundle",
        promise="signatures that can be called, or ServingError",
        make=_bundle,
        check=_check_bundle,
        dear=True,
    ),
    Target(
        name="exports.own_config",
        promise="a ConfigProto that differs in nothing but graph options",
        make=_own_config,
        check=_check_own_config,
    ),
    Target(
        name="exports.tflite",
        promise="signatures, or ServingError",
        make=_tflite,
        check=_check_tflite,
        seeds=(_file(b"", b"other"),),
    ),
)
