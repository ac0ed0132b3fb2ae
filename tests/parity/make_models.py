"""Writes the SavedModels that the recordings were made with; not a test, and the one file here that runs TensorFlow.

usage: make_models.py DIR

Deterministic (fixed seeds, fixed node names) but for the uuid in fingerprint.pb. Each model becomes
DIR/{name}/{version}; an existing DIR/{name} is replaced.
"""

import os
import shutil
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import numpy as np
import tensorflow as tf

tf1 = tf.compat.v1

PREDICT = "tensorflow/serving/predict"
CLASSIFY = "tensorflow/serving/classify"
REGRESS = "tensorflow/serving/regress"

DTYPES = [
    "float32",
    "float64",
    "int32",
    "int16",
    "int8",
    "uint8",
    "uint16",
    "int64",
    "uint32",
    "uint64",
    "bool",
    "string",
    "float16",
    "bfloat16",
    "complex64",
]
# The names TensorFlow Serving itself uses for these types.
DTYPE_NAMES = {"float32": "float", "float64": "double", "float16": "half"}


def sig(
    method: str, inputs: Mapping[str, Any], outputs: Mapping[str, Any], defaults: Mapping[str, Any] | None = None
) -> Any:
    """A SignatureDef over graph tensors."""
    s = tf1.saved_model.build_signature_def(
        inputs={k: tf1.saved_model.build_tensor_info(v) for k, v in inputs.items()},
        outputs={k: tf1.saved_model.build_tensor_info(v) for k, v in outputs.items()},
        method_name=method,
    )
    for name, value in (defaults or {}).items():
        s.defaults[name].CopyFrom(value)
    return s


def save_graph(path: Path, build: Callable[[], dict[str, Any]]) -> None:
    """Save a TF1 graph; build() adds the nodes and returns the signatures."""
    with tf.Graph().as_default() as graph, tf1.Session(graph=graph) as session:
        signatures = build()
        session.run(tf1.global_variables_initializer())
        builder = tf1.saved_model.Builder(str(path))
        builder.add_meta_graph_and_variables(
            session,
            [tf.saved_model.SERVING],
            signature_def_map=signatures,
            assets_collection=tf1.get_collection(tf1.GraphKeys.ASSET_FILEPATHS),
        )
        builder.save()


def save_functions(path: Path, **functions: Any) -> None:
    """Save a TF2 module whose signatures are the given tf.functions."""
    module = tf.Module()
    for name, function in functions.items():
        setattr(module, name, function)
    tf.saved_model.save(module, str(path), signatures=functions)


def spec(shape: Sequence[int | None], dtype: Any, name: str) -> Any:
    """What one argument of a signature takes."""
    return tf.TensorSpec(shape, dtype, name=name)


def function(*specs: Any) -> Callable[[Callable[..., Any]], Any]:
    """``tf.function`` with these arguments, as a decorator that a type checker knows."""
    return lambda python: tf.function(python, input_signature=list(specs))


def half_plus_two(path: Path, slope: float) -> None:
    """y = slope*x + 2, y2 = slope*x + 3, y3 = slope*x2 + 3, from tf.Examples."""

    def build() -> dict[str, Any]:
        Path("asset.txt").write_text("an asset file\n")  # a relative name: it stays in the graph
        asset_name = tf.constant("asset.txt", name="asset_path")
        tf1.add_to_collection(tf1.GraphKeys.ASSET_FILEPATHS, asset_name)

        a = tf1.get_variable("a", initializer=slope, use_resource=True)
        b = tf1.get_variable("b", initializer=2.0, use_resource=True)
        c = tf1.get_variable("c", initializer=3.0, use_resource=True)
        examples = tf1.placeholder(tf.string, name="tf_example")
        parsed = tf.io.parse_example(
            examples,
            {
                "x": tf.io.FixedLenFeature([1], tf.float32),
                "x2": tf.io.FixedLenFeature([1], tf.float32, default_value=[0.0]),
            },
            name="parse_example",
        )
        x = tf.identity(parsed["x"], name="x")
        x2 = tf.identity(parsed["x2"], name="x2")
        y = tf.add(tf.multiply(a, x), b, name="y")
        y2 = tf.add(tf.multiply(a, x), c, name="y2")
        y3 = tf.add(tf.multiply(a, x2), c, name="y3")
        return {
            "serving_default": sig(PREDICT, {"x": x}, {"y": y}),
            "regress_x_to_y": sig(REGRESS, {"inputs": examples}, {"outputs": y}),
            "regress_x_to_y2": sig(REGRESS, {"inputs": examples}, {"outputs": y2}),
            "regress_x2_to_y3": sig(REGRESS, {"inputs": x2}, {"outputs": y3}),
            "classify_x_to_y": sig(CLASSIFY, {"inputs": examples}, {"scores": y}),
            "classify_x2_to_y3": sig(CLASSIFY, {"inputs": x2}, {"scores": y3}),
        }

    save_graph(path, build)


def half_plus_three(path: Path) -> None:
    """TF2: y = x/2 + 3."""
    half, three = tf.Variable(0.5), tf.Variable(3.0)

    @function(spec([None], tf.float32, "x"))
    def serve(x: Any) -> dict[str, Any]:
        return {"y": half * x + three}

    module = tf.Module()
    module.half, module.three, module.serve = half, three, serve
    tf.saved_model.save(module, str(path), signatures={"serving_default": serve})


def counter(path: Path) -> None:
    """A reference variable changed by the signatures; outputs are scalars."""

    def build() -> dict[str, Any]:
        value = tf1.get_variable("counter", initializer=0.0, use_resource=False)
        delta = tf1.placeholder(tf.float32, shape=[], name="delta")
        return {
            "get_counter": sig(PREDICT, {}, {"output": tf.identity(value, name="get")}),
            "incr_counter": sig(PREDICT, {}, {"output": tf1.assign_add(value, 1.0)}),
            "incr_counter_by": sig(PREDICT, {"delta": delta}, {"output": tf1.assign_add(value, delta)}),
            "reset_counter": sig(PREDICT, {}, {"output": tf1.assign(value, 0.0)}),
        }

    save_graph(path, build)


def matrix(path: Path) -> None:
    """y = x/2 + 2 on a batch of 3x3 matrices, constants only."""

    def build() -> dict[str, Any]:
        x = tf1.placeholder(tf.float32, [None, 3, 3], name="x")
        y = tf.add(tf.multiply(x, 0.5), 2.0, name="y")
        return {"serving_default": sig(PREDICT, {"x": x}, {"y": y})}

    save_graph(path, build)


def dtypes(path: Path) -> None:
    """One identity signature per dtype: x -> y, shape [-1]."""

    def build() -> dict[str, Any]:
        signatures = {}
        for dtype in DTYPES:
            name = DTYPE_NAMES.get(dtype, dtype)
            x = tf1.placeholder(tf.as_dtype(dtype), [None], name="x_" + name)
            y = tf.identity(x, name="y_" + name)
            signatures[name] = sig(PREDICT, {"x": x}, {"y": y})
        signatures["serving_default"] = signatures["float"]
        return signatures

    save_graph(path, build)


def multi(path: Path) -> None:
    """Several inputs and outputs, scalars, uneven batches, default inputs."""

    def build() -> dict[str, Any]:
        a = tf1.placeholder(tf.float32, [None, 2], name="a")
        b = tf1.placeholder(tf.int32, [None], name="b")
        total = tf.add(a, tf.expand_dims(tf.cast(b, tf.float32), 1), name="sum")
        b2 = tf.multiply(b, 2, name="b2")
        scalar = tf.reduce_sum(a, name="scalar")
        head = tf.identity(b[:1], name="head")
        both = {"a": a, "b": b}
        return {
            "serving_default": sig(PREDICT, both, {"sum": total, "b2": b2}),
            "scalar": sig(PREDICT, {"a": a}, {"scalar": scalar}),
            "uneven": sig(PREDICT, both, {"sum": total, "head": head}),
            "with_default": sig(PREDICT, both, {"sum": total}, {"b": tf.make_tensor_proto([10], tf.int32)}),
        }

    save_graph(path, build)


def strings(path: Path) -> None:
    """Copies of a string input; `out_bytes` is answered in base64 by REST."""

    def build() -> dict[str, Any]:
        s = tf1.placeholder(tf.string, [None], name="s")
        out = tf.identity(s, name="out")
        out_bytes = tf.identity(s, name="out_bytes")
        return {
            "serving_default": sig(PREDICT, {"s": s}, {"out": out, "out_bytes": out_bytes}),
            "plain": sig(PREDICT, {"s": s}, {"out": out}),
            "bytes": sig(PREDICT, {"s": s}, {"out_bytes": out_bytes}),
            "length": sig(PREDICT, {"s_bytes": s}, {"n": tf.strings.length(s, name="n")}),
        }

    save_graph(path, build)


def classifier(path: Path) -> None:
    """Classification and regression signatures, good ones and bad ones."""

    def build() -> dict[str, Any]:
        examples = tf1.placeholder(tf.string, [None], name="examples")
        v = tf.io.parse_example(examples, {"v": tf.io.FixedLenFeature([1], tf.float32)}, name="parse")["v"]
        scores = tf.multiply(v, [[1.0, 0.5, 0.25]], name="scores")
        classes = tf.tile([["low", "mid", "high"]], [tf.shape(v)[0], 1], name="classes")
        flat = tf.reshape(v, [-1], name="flat")
        inputs = {"inputs": examples}
        return {
            "serving_default": sig(CLASSIFY, inputs, {"classes": classes, "scores": scores}),
            "classes_only": sig(CLASSIFY, inputs, {"classes": classes}),
            "scores_only": sig(CLASSIFY, inputs, {"scores": scores}),
            "regress_flat": sig(REGRESS, inputs, {"outputs": flat}),
            "regress_column": sig(REGRESS, inputs, {"outputs": v}),
            # The following can be called but not answered.
            "regress_wide": sig(REGRESS, inputs, {"outputs": scores}),
            "regress_int": sig(REGRESS, inputs, {"outputs": tf.cast(flat, tf.int32, name="ints")}),
            "regress_short": sig(REGRESS, inputs, {"outputs": tf.identity(flat[:1], name="short")}),
            "regress_named": sig(REGRESS, inputs, {"value": flat}),
            "classify_rank": sig(CLASSIFY, inputs, {"scores": flat}),
            "classify_double": sig(CLASSIFY, inputs, {"scores": tf.cast(scores, tf.float64, name="doubles")}),
            "classify_count": sig(
                CLASSIFY, inputs, {"classes": tf.identity(classes[:, :2], name="two"), "scores": scores}
            ),
            "classify_batch": sig(CLASSIFY, inputs, {"scores": tf.identity(scores[:1], name="first")}),
            "classify_named": sig(CLASSIFY, {"examples": examples}, {"scores": scores}),
        }

    save_graph(path, build)


def mnist(path: Path) -> None:
    """A small fixed network over 784 pixels: probabilities and the best digit."""
    random = np.random.RandomState(20)
    hidden = tf.Variable(random.normal(0, 0.05, [784, 32]).astype(np.float32))
    out = tf.Variable(random.normal(0, 0.3, [32, 10]).astype(np.float32))

    @function(spec([None, 784], tf.float32, "images"))
    def serve(images: Any) -> dict[str, Any]:
        p = tf.nn.softmax(tf.matmul(tf.nn.relu(tf.matmul(images, hidden)), out))
        return {"probabilities": p, "digit": tf.argmax(p, axis=1)}

    module = tf.Module()
    module.hidden, module.out, module.serve = hidden, out, serve
    tf.saved_model.save(module, str(path), signatures={"serving_default": serve})


def ragged(path: Path) -> None:
    """Row sums of an int64 matrix of any width."""

    def build() -> dict[str, Any]:
        ids = tf1.placeholder(tf.int64, [None, None], name="ids")
        total = tf.reduce_sum(ids, axis=1, name="total")
        return {"serving_default": sig(PREDICT, {"ids": ids}, {"sum": total})}

    save_graph(path, build)


def slow(path: Path) -> None:
    """Waits in a loop: 150 ms, or (signature `wait`) the largest of `ms`."""

    def wait(seconds: Any) -> Any:
        start = tf.timestamp()
        return tf.while_loop(
            lambda now: now - start < seconds, lambda now: (tf.timestamp(),), (start,), parallel_iterations=1
        )

    @function(spec([None], tf.float32, "x"))
    def serve(x: Any) -> dict[str, Any]:
        with tf.control_dependencies(wait(tf.constant(0.15, tf.float64))):
            return {"y": tf.identity(x)}

    @function(spec([None], tf.float32, "ms"))
    def wait_ms(ms: Any) -> dict[str, Any]:
        with tf.control_dependencies(wait(tf.cast(tf.reduce_max(ms), tf.float64) / 1000)):
            return {"y": tf.identity(ms)}

    save_functions(path, serving_default=serve, wait=wait_ms)


def failing(path: Path) -> None:
    """INVALID_ARGUMENT if any input is negative."""

    def build() -> dict[str, Any]:
        x = tf1.placeholder(tf.float32, [None], name="x")
        check = tf1.assert_non_negative(x, message="x must not be negative", name="check")
        with tf.control_dependencies([check]):
            y = tf.sqrt(x, name="y")
        return {"serving_default": sig(PREDICT, {"x": x}, {"y": y})}

    save_graph(path, build)


def plus(path: Path, number: int) -> None:
    """y = x + number; used for versions that must be told apart."""

    @function(spec([None], tf.float32, "x"))
    def serve(x: Any) -> dict[str, Any]:
        return {"y": x + float(number)}

    save_functions(path, serving_default=serve)


def varint(n: int) -> bytes:
    """A number in protobuf's base-128 form."""
    out = b""
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def field(number: int, payload: bytes) -> bytes:
    """One length-delimited protobuf field."""
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def prediction_log(model: str, tensors: Mapping[str, Any]) -> bytes:
    """A PredictionLog (tensorflow_serving/apis) with a Predict request."""
    request = field(1, field(1, model.encode()) + field(3, b"serving_default"))
    for name, tensor in tensors.items():
        entry = field(1, name.encode()) + field(2, tensor.SerializeToString())
        request += field(2, entry)
    return field(6, field(1, request))


def write_warmup(path: Path, records: Sequence[bytes]) -> None:
    """The warm-up file of a version, as TFRecords."""
    extra = path / "assets.extra"
    extra.mkdir(parents=True)
    with tf.io.TFRecordWriter(str(extra / "tf_serving_warmup_requests")) as writer:
        for record in records:
            writer.write(record)


def write_file(path: Path, data: bytes) -> None:
    """A file of arbitrary bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def main(base: Path) -> None:
    """Every model below ``base``; the working directory becomes ``base``."""
    base = base.resolve()
    base.mkdir(parents=True, exist_ok=True)
    os.chdir(base)

    def fresh(name: str, *versions: int) -> list[Path]:
        shutil.rmtree(base / name, ignore_errors=True)
        (base / name).mkdir(parents=True)
        return [base / name / str(v) for v in versions]

    v123, v124 = fresh("half_plus_two", 123, 124)
    half_plus_two(v123, 0.5)
    half_plus_two(v124, 1.0 / 3)
    Path("asset.txt").unlink()
    for make in (half_plus_three, counter, matrix, dtypes, multi, strings, classifier, mnist, ragged, slow, failing):
        make(*fresh(make.__name__, 1))
    for number, path in enumerate(fresh("labels", 1, 2, 3), 1):
        plus(path, number)

    one = tf.make_tensor_proto([1.0, 2.0], tf.float32)
    (path,) = fresh("warmup", 1)
    half_plus_three(path)
    write_warmup(path, [prediction_log("warmup", {"x": one})] * 3)

    # Models that must not load.
    (path,) = fresh("warmup_fails", 1)  # the recorded request cannot be run
    half_plus_three(path)
    write_warmup(path, [prediction_log("warmup_fails", {"wrong": one})])
    (path,) = fresh("warmup_kind", 1)  # session_run_log (5) is not replayed
    half_plus_three(path)
    write_warmup(path, [field(5, b"")])
    (path,) = fresh("warmup_garbage", 1)  # not a TFRecord file
    half_plus_three(path)
    write_file(path / "assets.extra" / "tf_serving_warmup_requests", struct.pack("<Q", 40) * 8)
    (path,) = fresh("broken", 1)  # not a SavedModel
    write_file(path / "saved_model.pb", b"this is no protocol buffer")
    (path,) = fresh("empty", 1)  # no SavedModel at all
    write_file(path / "readme.txt", b"nothing here\n")
    (path,) = fresh("session_bundle", 1)  # the removed predecessor of SavedModel
    write_file(path / "export.meta", b"")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
