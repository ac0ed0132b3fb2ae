"""Made the two models that `make serve` shows: half_plus_two, and digits, a small image classifier trained here.

They are in `models` beside this, so that serving them needs no training; this makes them anew, there or elsewhere. Not
a training recipe: both exist to have something to call. Needs no package that the server does not have.
"""

import argparse
import os
import shutil
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

DATA = Path(__file__).with_name("digits.npz")
SEED = 7
EPOCHS = 12
REQUIRED_ACCURACY = 0.95
INK = 16
"""The darkest that a pixel of the data set is."""


def main() -> int:
    """Make what is missing below the given directory; 1 if digits is bad."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path, help="gets half_plus_two and digits; those that are there are kept")
    models: Path = parser.parse_args().directory.absolute()
    _quiet()
    if not _exported(models / "half_plus_two"):
        make_half_plus_two(models / "half_plus_two")
    if not _exported(models / "digits"):
        accuracy = make_digits(models / "digits")
        if accuracy < REQUIRED_ACCURACY:
            print(f"error: digits is right on {accuracy:.1%}, expected {REQUIRED_ACCURACY:.0%}", file=sys.stderr)
            return 1
    print(f"Demo models: {models} (remove it to make them anew)", flush=True)
    return 0


def make_half_plus_two(model: Path) -> None:
    """Export version 1 of ``y = x / 2 + 2``: x and y are float [batch]."""
    import tensorflow as tf

    print("half_plus_two: exporting", flush=True)
    module = tf.Module()
    module.a = tf.Variable(0.5, name="a")
    module.b = tf.Variable(2.0, name="b")

    def half_plus_two(x: Any) -> dict[str, Any]:
        return {"y": tf.add(tf.multiply(module.a, x), module.b)}

    _export(module, half_plus_two, tf.TensorSpec([None], tf.float32, name="x"), model)


def make_digits(model: Path) -> float:
    """Train on two thirds of the digits, export version 1 if it is good, and return the held-out accuracy.

    images: float [batch, 8, 8, 1], ink from 0 (paper) upwards, of any scale, for the darkest pixel counts as 16, as
    it is in the data set; probabilities: float [batch, 10]; classes: int64 [batch].
    """
    import tensorflow as tf

    train_x, train_y, test_x, test_y = _split()
    print(f"digits: training on {len(train_x)} images for {EPOCHS} epochs", flush=True)
    network = _network()
    network.fit(train_x, train_y, epochs=EPOCHS, batch_size=32, verbose=0, callbacks=[_epoch_lines()])
    accuracy = float(network.evaluate(test_x, test_y, verbose=0, return_dict=True)["accuracy"])
    print(f"digits: right on {accuracy:.1%} of {len(test_x)} images held out", flush=True)

    def classify(images: Any) -> dict[str, Any]:
        darkest = tf.reduce_max(images, axis=[1, 2, 3], keepdims=True)
        # Paper without ink has to be divided by something.
        probabilities = network(images * (INK / tf.maximum(darkest, 1e-6)), training=False)
        return {"probabilities": probabilities, "classes": tf.argmax(probabilities, axis=-1)}

    if accuracy >= REQUIRED_ACCURACY:
        # Saved as it is, a Keras network leaves out values that a server needs to restore its weights.
        module = tf.Module()
        module.weights = [variable.value for variable in network.weights]
        _export(module, classify, tf.TensorSpec([None, 8, 8, 1], tf.float32, name="images"), model)
    return accuracy


def _split() -> tuple[Any, Any, Any, Any]:
    """Images and labels to train on, then those that training never sees: float [number, 8, 8, 1], uint8 [number]."""
    import numpy as np

    with np.load(DATA) as digits:
        images, labels = digits["images"][..., None].astype("float32"), digits["labels"]
    order = np.random.RandomState(SEED).permutation(len(labels))
    held_out = -(-len(labels) // 3)
    test, train = order[:held_out], order[held_out:]
    return images[train], labels[train], images[test], labels[test]


def _network() -> Any:
    """Two convolutions and two dense layers, compiled, with weights from ``SEED``."""
    import keras

    keras.utils.set_random_seed(SEED)
    network = keras.Sequential(
        [
            keras.Input([8, 8, 1]),
            keras.layers.Rescaling(1 / INK),
            keras.layers.Conv2D(32, 3, padding="same", activation="relu"),
            keras.layers.Conv2D(32, 3, activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.25),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    network.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return network


def _epoch_lines() -> Any:
    """A callback that prints one plain line after each epoch; Keras's own bar floods a log file."""
    import keras

    def line(epoch: int, logs: dict[str, float]) -> None:
        print(f"digits: epoch {epoch + 1}/{EPOCHS} loss {logs['loss']:.3f} accuracy {logs['accuracy']:.3f}", flush=True)

    return keras.callbacks.LambdaCallback(on_epoch_end=line)


def _export(module: Any, call: Any, spec: Any, model: Path) -> None:
    """Save ``call`` as the ``serving_default`` of version 1, in place of one without a saved_model.pb."""
    import tensorflow as tf

    function = tf.function(call, input_signature=[spec])
    model.mkdir(parents=True, exist_ok=True)
    # Renamed when it is complete: a server that looks at the directory must not find a half.
    with tempfile.TemporaryDirectory(prefix="unfinished-", dir=model) as unfinished:
        saved = Path(unfinished) / "saved_model"
        tf.saved_model.save(module, str(saved), signatures={"serving_default": function})
        # What is left of a version that was damaged; a directory with files in it cannot be renamed to.
        shutil.rmtree(model / "1", ignore_errors=True)
        saved.rename(model / "1")


def _exported(model: Path) -> bool:
    return (model / "1" / "saved_model.pb").exists()


def _quiet() -> None:
    """Silence what TensorFlow says when it is imported: devices that are not there, instructions that could be used."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    warnings.filterwarnings("ignore")


if __name__ == "__main__":
    sys.exit(main())
