"""Writes SavedModels of which OpenVINO may compute only what comes behind a head, for the tests beside it.

usage: make_headed.py DIR

DIR/words/1 looks words up in a vocabulary file, DIR/pictures/1 decodes pictures and resizes them, DIR/parsed/1 parses
tf.Examples; DIR/unsized/1 decodes pictures of as many colours as they have. What each of them makes of that is a small
network.
"""

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import keras
import tensorflow as tf

_WORDS, _WIDTH, _SIZE = 40, 16, 24


class Headed:
    """The networks, with weights from a fixed seed, which TensorFlow saves with ``module``."""

    def __init__(self, module: Any, vocabulary: Path) -> None:
        random = tf.random.Generator.from_seed(0)
        module.lookup = keras.layers.StringLookup(vocabulary=str(vocabulary))
        module.embedding = tf.Variable(random.normal([_WORDS + 1, _WIDTH]))
        module.hidden = tf.Variable(random.normal([_WIDTH, _WIDTH]))
        module.kernel = tf.Variable(random.normal([3, 3, 3, _WIDTH]) * 0.1)
        module.last = tf.Variable(random.normal([_WIDTH, 4]))
        self._module = module

    def _dense(self, x: Any) -> dict[str, Any]:
        return {"y": tf.nn.relu(x @ self._module.hidden) @ self._module.last}

    def words(self, words: Any) -> dict[str, Any]:
        """Rows of six words, of which those that are not in the vocabulary are all the same."""
        return self._dense(tf.reduce_mean(tf.gather(self._module.embedding, self._module.lookup(words)), 1))

    def pictures(self, jpegs: Any) -> dict[str, Any]:
        """Pictures of any size."""
        return self._convolved(tf.map_fn(_picture, jpegs, fn_output_signature=tf.float32))

    def unsized(self, jpegs: Any) -> dict[str, Any]:
        """The same, and nothing but the pictures says that they have three colours."""
        return self._convolved(tf.map_fn(_picture_as_it_is, jpegs, fn_output_signature=tf.float32))

    def _convolved(self, images: Any) -> dict[str, Any]:
        features = tf.nn.relu(tf.nn.conv2d(images, self._module.kernel, 2, "SAME"))
        return self._dense(tf.reduce_mean(features, [1, 2]))

    def parsed(self, examples: Any) -> dict[str, Any]:
        """Examples with 16 numbers each."""
        features = {"x": tf.io.FixedLenFeature([_WIDTH], tf.float32)}
        return self._dense(tf.io.parse_example(examples, features)["x"])


def _picture(jpeg: Any) -> Any:
    return tf.image.resize(tf.io.decode_jpeg(jpeg, channels=3), [_SIZE, _SIZE]) / 255.0


def _picture_as_it_is(jpeg: Any) -> Any:
    return tf.image.resize(tf.io.decode_jpeg(jpeg), [_SIZE, _SIZE]) / 255.0


def main(directory: Path) -> None:
    """Write them all."""
    module = tf.Module()
    with tempfile.TemporaryDirectory() as files:
        vocabulary = Path(files, "words.txt")
        vocabulary.write_text("".join(f"word{number}\n" for number in range(_WORDS)))
        headed = Headed(module, vocabulary)
        for name, function, shape in (
            ("words", headed.words, [None, 6]),
            ("pictures", headed.pictures, [None]),
            ("unsized", headed.unsized, [None]),
            ("parsed", headed.parsed, [None]),
        ):
            module.served = tf.function(function, input_signature=[tf.TensorSpec(shape, tf.string)])
            tf.saved_model.save(module, str(directory / name / "1"), signatures=module.served)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
