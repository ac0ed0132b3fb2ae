"""Writes models of the kinds that are no SavedModels, for the tests beside it; not a test, and it runs TensorFlow.

usage: make_models.py DIR

DIR/{name}.tflite are TensorFlow Lite files, DIR/{name}/1 SessionBundles as TensorFlow 0.x's Exporter laid them out.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
sys.path.insert(0, str(Path(__file__).parents[3]))

import flatbuffers
import tensorflow as tf
from flatbuffers import flexbuffers
from google.protobuf.any_pb2 import Any as AnyMessage
from tensorflow.lite.python import schema_py_generated as schema

from serving.protos import message

tf1 = tf.compat.v1


def convert(function: Any, *specs: Any, custom_ops: bool = False) -> bytes:
    """The TensorFlow Lite file of a function of tensors."""
    concrete = tf.function(function).get_concrete_function(*specs)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], tf.Module())
    converter.allow_custom_ops = custom_ops
    return bytes(converter.convert())


def with_signatures(model: bytes, definitions: Mapping[str, bytes]) -> bytes:
    """The file with a map of serialised SignatureDefs in its metadata."""
    parsed = schema.ModelT.InitFromPackedBuf(model, 0)
    # The builder takes text alone, so places are kept for the bytes.
    places = {name: chr(ord("A") + index) * len(data) for index, (name, data) in enumerate(definitions.items())}
    builder = flexbuffers.Builder()
    builder.MapFromElements(places)
    metadata = bytes(builder.Finish())
    for name, place in places.items():
        metadata = metadata.replace(place.encode(), definitions[name])
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data, entry.name, entry.buffer = metadata, "signature_defs_metadata", len(parsed.buffers)
    parsed.buffers.append(buffer)
    parsed.metadata = [*(parsed.metadata or []), entry]
    packed = flatbuffers.Builder(0)
    packed.Finish(parsed.Pack(packed), b"TFL3")
    return bytes(packed.Output())


def definition(method_name: str, inputs: Mapping[str, str], outputs: Mapping[str, str]) -> bytes:
    """A serialised SignatureDef of float tensors."""
    made = tf1.saved_model.build_signature_def(method_name=method_name)
    for names, infos in ((inputs, made.inputs), (outputs, made.outputs)):
        for alias, name in names.items():
            infos[alias].name, infos[alias].dtype = name, tf.float32.as_datatype_enum
    return bytes(made.SerializeToString())


def tflite_files(directory: Path) -> None:
    """half_plus_two, signatures (two of them), strings, product (sizes that must agree), pair (two outputs), parse."""
    x, s = tf.TensorSpec([None], tf.float32, "x"), tf.TensorSpec([None], tf.string, "s")
    left, right = tf.TensorSpec([None, 2], tf.float32, "a"), tf.TensorSpec([2, None], tf.float32, "b")

    def parse(examples: Any) -> Any:
        return tf.io.parse_example(examples, {"x": tf.io.FixedLenFeature([1], tf.float32)})["x"]

    plain = convert(lambda x: {"y": 0.5 * x + 2}, x)
    definitions = {
        "serving_default": definition(
            "tensorflow/serving/predict", {"given": "serving_default_x:0"}, {"made": "PartitionedCall:0"}
        ),
        "again": definition("anything", {"x": "serving_default_x:0"}, {"y": "PartitionedCall:0"}),
    }
    unknown = {"serving_default": definition("", {"x": "elsewhere:0"}, {"y": "PartitionedCall:0"})}
    files = {
        "half_plus_two": plain,
        "signatures": with_signatures(plain, definitions),
        "unknown_tensor": with_signatures(plain, unknown),
        "bad_signatures": with_signatures(plain, {"serving_default": b"\xff\xff"}),
        "strings": convert(lambda s: {"t": tf.reshape(s, [-1, 1])}, s),
        "product": convert(tf.matmul, left, right),
        "pair": convert(lambda x: (x + 1, x + 2), x),
        "parse": convert(parse, s, custom_ops=True),
    }
    for name, data in files.items():
        (directory / f"{name}.tflite").write_bytes(data)


def bindings(**tensors: str) -> Any:
    """A generic signature."""
    signature = message("tensorflow.serving.Signature")()
    for alias, name in tensors.items():
        signature.generic_signature.map.add(key=alias).value.tensor_name = name
    return signature


def example_signature(kind: str, **tensors: str) -> Any:
    """A ``regression`` or ``classification`` signature."""
    signature = message("tensorflow.serving.Signature")()
    for field, name in tensors.items():
        getattr(getattr(signature, f"{kind}_signature"), field).tensor_name = name
    return signature


def signatures(default: Any, **named: Any) -> Any:
    """All signatures of an export."""
    made = message("tensorflow.serving.Signatures")()
    if default is not None:
        made.default_signature.CopyFrom(default)
    for key, signature in named.items():
        made.named_signatures.add(key=key).value.CopyFrom(signature)
    return made


def bundle(directory: Path, name: str, given: Any, *, sharded: bool, version: int, asset: bool = False) -> None:
    """y = half * x + two, with the variables' values in the checkpoint alone, and the text of an asset."""
    path = directory / name / "1"
    path.mkdir(parents=True)
    with tf1.Graph().as_default(), tf1.Session() as session:
        examples = tf1.placeholder(tf.string, [None], name="tf_example")
        x = tf1.placeholder(tf.float32, [None], name="x")
        half, two = (tf1.Variable(0.0, name=word, use_resource=False) for word in ("half", "two"))
        y = tf.add(half * x, two, name="y")
        parsed = tf1.io.parse_example(examples, {"x": tf.io.FixedLenFeature([], tf.float32)})["x"]
        tf.identity(half * parsed + two, name="parsed_y")
        tf.as_string(tf.expand_dims(y, 1), precision=1, name="words")
        text = tf1.Variable("", name="text", use_resource=False)
        asset_path = tf.constant("told at load time", name="asset_path")
        read = text.assign(tf.io.read_file(asset_path)).op.name
        saver = tf1.train.Saver([half, two], sharded=sharded, write_version=version)
        session.run([half.assign(0.5), two.assign(2.0)])
        saver.save(session, str(path / "export"), write_meta_graph=False)
        meta_graph = saver.export_meta_graph()
        (path / "checkpoint").unlink()
    put(meta_graph, "serving_signatures", [given])
    if asset:
        file = message("tensorflow.serving.AssetFile")(filename="text.txt")
        file.tensor_binding.tensor_name = "asset_path:0"
        put(meta_graph, "serving_assets", [file])
        meta_graph.collection_def["serving_init_op"].node_list.value.append(read)
        (path / "assets").mkdir()
        (path / "assets" / "text.txt").write_text("an asset")
    (path / "export.meta").write_bytes(meta_graph.SerializeToString())


def put(meta_graph: Any, collection: str, messages: Sequence[Any]) -> None:
    """Pack messages into a collection."""
    for value in messages:
        packed = AnyMessage(
            type_url=f"type.googleapis.com/{value.DESCRIPTOR.full_name}", value=value.SerializeToString()
        )
        meta_graph.collection_def[collection].any_list.value.append(packed)


def session_bundles(directory: Path) -> None:
    """tutorial (what the old tutorials exported), file (one checkpoint file), new (a checkpoint of TensorFlow 1)."""
    regress = example_signature("regression", input="tf_example:0", output="parsed_y:0")
    tutorial = signatures(
        regress,
        inputs=bindings(x="x:0"),
        outputs=bindings(y="y:0"),
        everything=bindings(x="x:0", y="y:0", text="text/read:0"),
        words=example_signature("classification", input="x:0", classes="words:0"),
    )
    bundle(directory, "tutorial", tutorial, sharded=True, version=tf1.train.SaverDef.V1, asset=True)
    bundle(directory, "file", signatures(bindings(x="x:0", y="y")), sharded=False, version=tf1.train.SaverDef.V1)
    bundle(directory, "new", signatures(regress), sharded=True, version=tf1.train.SaverDef.V2)


def main(directory: Path) -> None:
    """Write everything below ``directory``."""
    directory.mkdir(parents=True)
    tflite_files(directory)
    session_bundles(directory)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
