"""Trains softmax regression as TensorFlow 0.x did, and writes it as tf.contrib's Exporter would: as a SessionBundle.

Only to have one: tf.contrib is gone, and new models are exported as SavedModels.

usage: write_bundle.py models/old_digits
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import tensorflow as tf
from digits import NAMES, Digits, split
from google.protobuf.any_pb2 import Any as Packed

from serving.protos import message

tf1 = tf.compat.v1

SEED = 7
STEPS = 1500
LEARNING_RATE = 0.5
NAMES_FILE = "names.txt"


def main() -> int:
    """Train, print the accuracy on the digits held out, write version 1; 1 if it is there already."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("directory", type=Path, help="of the model; gets 00000001")
    version: Path = parser.parse_args().directory / "00000001"
    tf1.logging.set_verbosity(tf1.logging.ERROR)
    if version.exists():
        print(f"error: {version} is there already: remove it first", file=sys.stderr)
        return 1
    version.parent.mkdir(parents=True, exist_ok=True)
    # Renamed when it is complete: a server that looks at the directory must not find a half.
    with tempfile.TemporaryDirectory(prefix="unfinished-", dir=version.parent) as unfinished:
        bundle = Path(unfinished) / "bundle"
        (bundle / "assets").mkdir(parents=True)
        (bundle / "assets" / NAMES_FILE).write_text("".join(f"{name}\n" for name in NAMES))
        with tf1.Graph().as_default(), tf1.Session() as session:
            train_and_export(session, bundle)
        bundle.rename(version)
    print(f"Wrote {version}")
    return 0


def train_and_export(session: Any, bundle: Path) -> None:
    """The graph of the 0.x tutorial: examples are parsed to images, and images become the scores of ten classes."""
    tf1.set_random_seed(SEED)
    examples = tf1.placeholder(tf.string, [None], name="tf_example")
    parsed = tf1.io.parse_example(examples, {"x": tf1.FixedLenFeature([64], tf.float32)})
    images = tf.identity(parsed["x"], name="x")
    weights = tf1.Variable(tf.zeros([64, 10]), use_resource=False, name="weights")
    bias = tf1.Variable(tf.zeros([10]), use_resource=False, name="bias")
    scores = tf.nn.softmax(tf.matmul(images, weights) + bias, name="y")
    values, indices = tf.math.top_k(scores, k=10)
    # The path of this machine; the server feeds the one that the file has when the model is loaded.
    names_path = tf.constant(str(bundle / "assets" / NAMES_FILE), name="names_path")
    names = tf1.lookup.StaticHashTable(
        tf.lookup.TextFileInitializer(
            names_path, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER, tf.string, tf.lookup.TextFileIndex.WHOLE_LINE
        ),
        default_value="unknown",
    )
    classes = names.lookup(tf.cast(indices, tf.int64))
    init_op = tf.group(tf1.tables_initializer(), name="init_op")
    train(session, images, scores)
    signatures = all_signatures(examples, classes, values, images, scores)
    write(session, bundle, signatures, init_op, names_path)


def train(session: Any, images: Any, scores: Any) -> None:
    """Gradient descent on all digits of the training split at once, then the accuracy on those held out."""
    training, held_out = split()
    labels = tf1.placeholder(tf.int64, [None], name="labels")
    right = tf.one_hot(labels, 10)
    loss = -tf.reduce_mean(tf.reduce_sum(right * tf.math.log(scores + 1e-9), axis=1))
    step = tf1.train.GradientDescentOptimizer(LEARNING_RATE).minimize(loss)
    accuracy = tf.reduce_mean(tf.cast(tf.equal(tf.argmax(scores, 1), labels), tf.float32))

    def feeds(digits: Digits) -> dict[Any, Any]:
        return {images: digits.images, labels: digits.labels}

    session.run(tf1.global_variables_initializer())
    for _ in range(STEPS):
        session.run(step, feeds(training))
    print(f"Accuracy on {len(held_out.labels)} digits held out: {session.run(accuracy, feeds(held_out)):.1%}")


def all_signatures(examples: Any, classes: Any, values: Any, images: Any, scores: Any) -> Any:
    """Classify takes examples by default; the generic ones named inputs and outputs together are for Predict."""
    signatures = message("tensorflow.serving.Signatures")()
    classification = signatures.default_signature.classification_signature
    classification.input.tensor_name = examples.name
    classification.classes.tensor_name = classes.name
    classification.scores.tensor_name = values.name
    for key, alias, tensor in (("inputs", "images", images), ("outputs", "scores", scores)):
        generic = signatures.named_signatures.add(key=key).value.generic_signature
        generic.map.add(key=alias).value.tensor_name = tensor.name
    return signatures


def write(session: Any, bundle: Path, signatures: Any, init_op: Any, names_path: Any) -> None:
    """What the Exporter wrote: a sharded checkpoint of the first format, and a MetaGraph with its collections."""
    asset = message("tensorflow.serving.AssetFile")(filename=NAMES_FILE)
    asset.tensor_binding.tensor_name = names_path.name
    saver = tf1.train.Saver(sharded=True, write_version=tf1.train.SaverDef.V1)
    saver.save(session, str(bundle / "export"), write_meta_graph=False, write_state=False)
    meta_graph = saver.export_meta_graph()
    put(meta_graph, "serving_signatures", [signatures])
    put(meta_graph, "serving_graph", [session.graph.as_graph_def()])
    put(meta_graph, "serving_assets", [asset])
    meta_graph.collection_def["serving_init_op"].node_list.value.append(init_op.name)
    (bundle / "export.meta").write_bytes(meta_graph.SerializeToString())


def put(meta_graph: Any, collection: str, values: Sequence[Any]) -> None:
    """Pack messages into a collection."""
    for value in values:
        name = value.DESCRIPTOR.full_name
        packed = Packed(type_url=f"type.googleapis.com/{name}", value=value.SerializeToString())
        meta_graph.collection_def[collection].any_list.value.append(packed)


if __name__ == "__main__":
    sys.exit(main())
