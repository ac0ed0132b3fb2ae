"""Writes SavedModels whose graphs the optimiser has to understand, for the tests beside it; it runs TensorFlow.

usage: make_qualifying.py DIR

DIR/keras/1 is Keras's own export, DIR/archive/1 one with three endpoints, two of which do the same.
DIR/counter/1 has a signature that assigns to a variable, and others. DIR/estimator/1 parses tf.Examples and looks up in
a table, as TensorFlow 1 wrote it; DIR/vocabulary/1 has a table from a file. DIR/asserting/1 asserts and prints;
DIR/partly/1 does so for one of its two outputs. DIR/strings/1 has a signature for each kind of string.
"""

import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import keras
import tensorflow as tf

FLOATS = tf.TensorSpec([None, 4], tf.float32, "x")


def write_keras(directory: Path) -> None:
    """A small network as Keras exports it, and an archive of endpoints."""
    keras.utils.set_random_seed(1)
    layers = [keras.layers.Input((4,), name="x"), keras.layers.Dense(8, activation="relu"), keras.layers.Dense(2)]
    model = keras.Sequential(layers)
    model.export(str(directory / "keras" / "1"), format="tf_saved_model", verbose=False)
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("serving_default", model.call, input_signature=[FLOATS])
    archive.add_endpoint("again", lambda x: model.call(x), input_signature=[FLOATS])
    archive.add_endpoint("softmax", lambda x: tf.nn.softmax(model.call(x)), input_signature=[FLOATS])
    archive.write_out(str(directory / "archive" / "1"), verbose=False)


class Counter:
    """Calls are counted in one variable of ``module``; another is only read."""

    def __init__(self, module: Any) -> None:
        module.counter = tf.Variable(0.0, name="calls")
        module.weights = tf.Variable([[1.0], [2.0], [3.0], [4.0]])
        self._module = module

    def increment(self, by: Any) -> Any:
        """Assign."""
        return {"calls": self._module.counter.assign_add(by)}

    def read(self, x: Any) -> Any:
        """Read what is assigned to."""
        return {"y": x @ self._module.weights + self._module.counter}

    def weigh(self, x: Any) -> Any:
        """Read what is not."""
        return {"y": x @ self._module.weights}

    def asserting(self, x: Any) -> Any:
        """Refuse numbers from 10 on."""
        tf.debugging.assert_less(x, 10.0)
        tf.print("asserted", output_stream="file:///dev/null")
        return {"y": tf.debugging.check_numerics(x @ self._module.weights, "y")}


def write_counter(directory: Path) -> None:
    """One model with state in one of its signatures, and one that asserts."""
    module = tf.Module()
    counter = Counter(module)
    module.increment = tf.function(counter.increment, input_signature=[tf.TensorSpec([], tf.float32, "by")])
    module.read = tf.function(counter.read, input_signature=[FLOATS])
    module.weigh = tf.function(counter.weigh, input_signature=[FLOATS])
    module.asserting = tf.function(counter.asserting, input_signature=[FLOATS])
    signatures = {"increment": module.increment, "read": module.read, "serving_default": module.weigh}
    tf.saved_model.save(module, str(directory / "counter" / "1"), signatures=signatures)
    asserting = {"serving_default": module.asserting}
    tf.saved_model.save(module, str(directory / "asserting" / "1"), signatures=asserting)


def write_estimator(path: Path) -> None:
    """A graph of TensorFlow 1 with a table."""
    tf1 = tf.compat.v1
    with tf1.Graph().as_default(), tf1.Session() as session:
        examples = tf1.placeholder(tf.string, [None], name="examples")
        spec = {"x": tf1.FixedLenFeature([4], tf.float32), "word": tf1.FixedLenFeature([], tf.string)}
        parsed = tf1.parse_example(examples, spec)
        table = tf1.lookup.StaticHashTable(
            tf1.lookup.KeyValueTensorInitializer(["the", "b"], tf.constant([1, 2], tf.int64)), 0
        )
        embedding = tf1.get_variable("embedding", [3, 2], use_resource=True)
        scores = parsed["x"] @ tf1.get_variable("w", [4, 2])
        scores += tf1.nn.embedding_lookup(embedding, table.lookup(parsed["word"]))
        session.run([tf1.global_variables_initializer(), tf1.tables_initializer()])
        build = tf1.saved_model.build_tensor_info
        classify = tf1.saved_model.build_signature_def(
            {"inputs": build(examples)}, {"scores": build(scores)}, tf1.saved_model.CLASSIFY_METHOD_NAME
        )
        predict = tf1.saved_model.build_signature_def(
            {"examples": build(examples)}, {"y": build(scores), "mean": build(tf1.reduce_mean(scores))}
        )
        builder = tf1.saved_model.Builder(str(path))
        builder.add_meta_graph_and_variables(
            session, ["serve"], {"serving_default": classify, "predict": predict}, main_op=tf1.tables_initializer()
        )
        builder.save()


def write_partly(path: Path) -> None:
    """A graph of TensorFlow 1, in which one of two outputs refuses what is no number."""
    tf1 = tf.compat.v1
    with tf1.Graph().as_default(), tf1.Session() as session:
        x = tf1.placeholder(tf.float32, [None, 4], name="x")
        y = x @ tf1.get_variable("w", [4, 2])
        checked = tf1.check_numerics(y, "checked")
        session.run(tf1.global_variables_initializer())
        tf1.saved_model.simple_save(session, str(path), {"x": x}, {"y": y, "checked": checked})


def write_vocabulary(directory: Path) -> None:
    """A table that is filled from a file of words, which the SavedModel has as an asset."""
    file = directory / "words.txt"
    file.write_text("the\na\ncat\n")
    module = tf.Module()
    filling = tf.lookup.TextFileInitializer(
        str(file), tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER
    )
    module.table = tf.lookup.StaticVocabularyTable(filling, num_oov_buckets=1)
    module.rows = tf.Variable(tf.range(8.0)[:4, None] * [[1.0, 2.0]])

    def row(texts: Any) -> Any:
        index = module.table.lookup(texts)
        return {"y": tf.gather(module.rows, index) + tf.where(index[:, None] == 3, 3.0, 0.0)}

    module.row = tf.function(row, input_signature=[tf.TensorSpec([None], tf.string, "texts")])
    tf.saved_model.save(module, str(directory / "vocabulary" / "1"), signatures={"serving_default": module.row})


def _pictures(decode: Any) -> Any:
    def shapes(texts: Any) -> Any:
        return {"y": tf.map_fn(lambda text: tf.shape(decode(text)), texts, fn_output_signature=tf.int32)}

    return shapes


SPEC = {
    "dense": tf.io.FixedLenFeature([3], tf.float32),
    "sparse": tf.io.VarLenFeature(tf.int64),
    "ragged": tf.io.RaggedFeature(tf.string),
    "picture": tf.io.FixedLenFeature([], tf.string),
}


def _parsed(texts: Any) -> Any:
    parsed = tf.io.parse_example(texts, SPEC)
    shapes = _pictures(tf.io.decode_jpeg)(parsed["picture"])["y"]
    return {"y": tf.concat([parsed["dense"], tf.cast(shapes, tf.float32)], 1), "z": parsed["sparse"].values}


STRINGS: dict[str, Any] = {
    "jpeg": _pictures(tf.io.decode_jpeg),
    "cropped": _pictures(lambda text: tf.image.decode_and_crop_jpeg(text, [0, 0, 20, 20])),
    "png": _pictures(tf.io.decode_png),
    "bmp": _pictures(tf.io.decode_bmp),
    "gif": _pictures(tf.io.decode_gif),
    "any": _pictures(lambda text: tf.io.decode_image(text, expand_animations=False)),
    "base64": _pictures(lambda text: tf.io.decode_jpeg(tf.io.decode_base64(text))),
    "zipped": _pictures(lambda text: tf.io.decode_png(tf.io.decode_compressed(text, "GZIP"))),
    "sound": _pictures(lambda text: tf.audio.decode_wav(text).audio),
    "numbers": lambda texts: {"y": tf.strings.to_number(texts, tf.int64)},
    "raw": lambda texts: {"y": tf.reshape(tf.io.decode_raw(texts, tf.float32), [-1, 5, 3])},
    "padded": lambda texts: {"y": tf.io.decode_raw(texts, tf.int16, fixed_length=8)},
    "columns": lambda texts: {"y": tf.io.decode_csv(texts, [[0.0], [0], [""]])[0]},
    "json": lambda texts: {"y": tf.io.parse_example(tf.io.decode_json_example(texts), SPEC)["dense"]},
    "single": lambda texts: {
        "y": tf.map_fn(
            lambda text: tf.io.parse_single_example(text, SPEC)["dense"], texts, fn_output_signature=tf.float32
        )
    },
    "parsed": _parsed,
    "words": lambda texts: {"y": tf.strings.length(texts)},
    "tensors": lambda texts: {
        "y": tf.map_fn(lambda text: tf.io.parse_tensor(text, tf.float32), texts, fn_output_signature=tf.float32)
    },
}


def main(directory: Path) -> None:
    """Write them all."""
    write_keras(directory)
    write_counter(directory)
    write_estimator(directory / "estimator" / "1")
    write_vocabulary(directory)
    write_partly(directory / "partly" / "1")
    module = tf.Module()
    texts = [tf.TensorSpec([None], tf.string, "texts")]
    functions = {name: tf.function(function, input_signature=texts) for name, function in STRINGS.items()}
    module.functions = functions
    tf.saved_model.save(module, str(directory / "strings" / "1"), signatures=functions)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
