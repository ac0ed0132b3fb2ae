"""Writes SavedModels that the optimiser has something to do with, for the tests beside it; it runs TensorFlow.

usage: make_optimizable.py DIR

DIR/images/1 folds and packs: convolutions and normalisations. DIR/texts/1 takes the bytes of images, DIR/tensors/1 a
serialised tensor. DIR/counting/1 is the first with a counter in it. DIR/two_inputs/1 has signatures with different
inputs, DIR/twins/1 two that do the same.
"""

import os
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import tensorflow as tf

_LAYERS, _CHANNELS, _SIZE = 3, 48, 16


class Network:
    """A small convolutional network with weights from a fixed seed, which TensorFlow saves with ``module``."""

    def __init__(self, module: Any) -> None:
        random = tf.random.Generator.from_seed(0)
        widths = [3, *[_CHANNELS] * _LAYERS]
        module.kernels = [tf.Variable(random.normal([3, 3, a, b]) * 0.1) for a, b in pairwise(widths)]
        module.scales = [tf.Variable(random.uniform([_CHANNELS]) + 0.5) for _ in range(_LAYERS)]
        module.offsets = [tf.Variable(random.normal([_CHANNELS])) for _ in range(_LAYERS)]
        module.counter = tf.Variable(0)
        self._module = module

    def _features(self, images: Any) -> Any:
        module = self._module
        for kernel, scale, offset in zip(module.kernels, module.scales, module.offsets, strict=True):
            images = tf.nn.relu(tf.nn.conv2d(images, kernel, 1, "SAME") * scale + offset)
        return images

    def serve(self, x: Any) -> dict[str, Any]:
        """Three outputs of images."""
        y = self._features(x)
        return {"y": tf.reduce_mean(y, [1, 2]), "largest": tf.reduce_max(y, [1, 2]), "mean": tf.reduce_mean(y)}

    def read(self, s: Any) -> dict[str, Any]:
        """One output of strings, each the bytes of an image."""
        x = tf.reshape(tf.io.decode_raw(s, tf.uint8), [-1, _SIZE, _SIZE, 3])
        return {"y": tf.reduce_mean(self._features(tf.cast(x, tf.float32)), [1, 2])}

    def parse(self, s: Any) -> dict[str, Any]:
        """One output of a string, which is a serialised tensor."""
        x = tf.reshape(tf.io.parse_tensor(s, tf.float32), [-1, _SIZE, _SIZE, 3])
        return {"y": tf.reduce_mean(self._features(x), [1, 2])}

    def count(self, x: Any) -> dict[str, Any]:
        """One output of images, and how many calls there were."""
        return {"y": self._features(x), "calls": self._module.counter.assign_add(1)}


def main(directory: Path) -> None:
    """Write them all."""
    images = [tf.TensorSpec([None, _SIZE, _SIZE, 3], tf.float32, "x")]
    texts = [tf.TensorSpec([None], tf.string, "s")]
    module = tf.Module()
    network = Network(module)
    module.serve = tf.function(network.serve, input_signature=images)
    module.read = tf.function(network.read, input_signature=texts)
    module.parse = tf.function(network.parse, input_signature=[tf.TensorSpec([], tf.string, "s")])
    module.count = tf.function(network.count, input_signature=images)
    for name, signatures in {
        "images": {"serving_default": module.serve},
        "texts": {"serving_default": module.read},
        "tensors": {"serving_default": module.parse},
        "counting": {"serving_default": module.count},
        "twins": {"serving_default": module.serve, "serve": module.serve},
        "two_inputs": {"serving_default": module.serve, "texts": module.read},
    }.items():
        tf.saved_model.save(module, str(directory / name / "1"), signatures=signatures)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
