"""Writes the SavedModel that tests of servers change the engine of; it runs TensorFlow.

usage: make_engines.py DIR

DIR/served/1 has one network behind three inputs: rows of numbers, indices of an embedding, and serialised tf.Examples,
for Predict, Classify and Regress.
"""

import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import numpy as np
import tensorflow as tf

tf1 = tf.compat.v1
saved_model = tf1.saved_model

WIDTH, HIDDEN, LAYERS, WORDS = 64, 512, 4, 10


class Network:
    """Layers whose weights, from a fixed seed, keep the answers apart."""

    def __init__(self) -> None:
        random = np.random.default_rng(0)
        sizes = [WIDTH, *[HIDDEN] * LAYERS, 3]

        def variable(name: str, rows: int, columns: int) -> Any:
            value = random.standard_normal((rows, columns)).astype(np.float32) * np.float32((2 / rows) ** 0.5)
            return tf1.get_variable(name, initializer=value, use_resource=True)

        self._weights = [variable(f"w{n}", rows, sizes[n + 1]) for n, rows in enumerate(sizes[:-1])]
        self.embedding = variable("embedding", WORDS, WIDTH)

    def __call__(self, x: Any) -> Any:
        """Three scores for each row."""
        for weights in self._weights[:-1]:
            x = tf.nn.relu(x @ weights)
        return x @ self._weights[-1]


def main(directory: Path) -> None:
    """Write it."""
    with tf1.Graph().as_default(), tf1.Session() as session:
        network = Network()
        x = tf1.placeholder(tf.float32, [None, WIDTH], name="x")
        ids = tf1.placeholder(tf.int32, [None, 2], name="ids")
        examples = tf1.placeholder(tf.string, [None], name="examples")
        y = network(x)
        looked_up = network(tf.reduce_sum(tf.gather(network.embedding, ids), 1))
        scores = network(tf1.parse_example(examples, {"x": tf1.FixedLenFeature([WIDTH], tf.float32)})["x"])
        build = saved_model.build_tensor_info
        signatures = {
            "serving_default": ({"x": build(x)}, {"y": build(y), "first": build(y[:, 0])}, "predict"),
            "lookup": ({"ids": build(ids)}, {"y": build(looked_up)}, "predict"),
            "classify": ({"inputs": build(examples)}, {"scores": build(scores)}, "classify"),
            "regress": ({"inputs": build(examples)}, {"outputs": build(scores[:, :1])}, "regress"),
        }
        definitions = {
            name: saved_model.build_signature_def(inputs, outputs, f"tensorflow/serving/{method}")
            for name, (inputs, outputs, method) in signatures.items()
        }
        session.run(tf1.global_variables_initializer())
        builder = saved_model.Builder(str(directory / "served" / "1"))
        builder.add_meta_graph_and_variables(session, ["serve"], definitions)
        builder.save()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
