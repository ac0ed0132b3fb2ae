"""Trains a small convolutional network on handwritten digits and exports it as a version of a model.

usage: train_and_export.py [--training_iteration=x] [--model_version=y] export_dir
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

# Else TensorFlow tells of GPUs that are not there and of instructions that it uses.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import keras
import numpy as np
import tensorflow as tf
from digits_data import SEED, SIDE, Split, load

BATCH = 50
LABELS = [str(digit) for digit in range(10)]


def main() -> int:
    """Train, print the error rate on the images that were held out, export; 1 if the version is there already."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--training_iteration", type=int, default=500, help=f"batches of {BATCH} images (500)")
    parser.add_argument("--model_version", type=int, default=1, help="a larger number is a newer version (1)")
    parser.add_argument("export_dir", type=Path, help="the model: the directory that has the versions")
    flags = parser.parse_args()
    if flags.training_iteration < 1 or flags.model_version < 1:
        parser.error("--training_iteration and --model_version must be positive")
    version = flags.export_dir / str(flags.model_version)
    if version.exists():
        print(f"error: {version} is there already; remove it, or give another --model_version", file=sys.stderr)
        return 1

    training, tests = load()
    print(f"Training model on {len(training.labels)} images, {flags.training_iteration} batches of {BATCH}...")
    network = train(training, flags.training_iteration)
    print("Done training!")
    wrong = np.argmax(network.predict(tests.images, verbose=0), axis=1) != tests.labels
    print(f"Error rate on the {len(wrong)} test images: {100 * np.mean(wrong):g}%")
    print(f"Exporting trained model to {version}")
    export(network, version)
    print("Done exporting!")
    return 0


def train(training: Split, iterations: int) -> Any:
    """A network from flat images, float [batch, SIDE * SIDE], to scores, float [batch, 10], that add up to 1."""
    keras.utils.set_random_seed(SEED)
    network = keras.Sequential(
        [
            keras.Input([SIDE * SIDE]),
            keras.layers.Reshape([SIDE, SIDE, 1]),
            keras.layers.Conv2D(32, 3, padding="same", activation="relu"),
            keras.layers.Conv2D(32, 3, padding="same", activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.25),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    network.compile("adam", "sparse_categorical_crossentropy")
    batches = tf.data.Dataset.from_tensor_slices((training.images, training.labels))
    batches = batches.shuffle(len(training.labels), seed=SEED).repeat().batch(BATCH)
    network.fit(batches, steps_per_epoch=iterations, shuffle=False, verbose=0)
    return network


def export(network: Any, version: Path) -> None:
    """Save the network with two signatures.

    predict_images, for Predict: images, float [batch, SIDE * SIDE] -> scores, float [batch, 10], by digit.
    serving_default, for Classify: inputs, tf.Examples with the image as feature "x" -> classes, string [batch, 10],
    and scores, float [batch, 10], the best first.
    """

    def predict_images(images: Any) -> dict[str, Any]:
        return {"scores": network(images, training=False)}

    def classify(inputs: Any) -> dict[str, Any]:
        features = tf.io.parse_example(inputs, {"x": tf.io.FixedLenFeature([SIDE * SIDE], tf.float32)})
        scores, digits = tf.math.top_k(network(features["x"], training=False), len(LABELS))
        return {"classes": tf.gather(tf.constant(LABELS), digits), "scores": scores}

    # Saved as it is, a Keras network leaves out values that a server needs to restore its weights.
    model = tf.Module()
    model.weights = [variable.value for variable in network.weights]
    image = tf.TensorSpec([None, SIDE * SIDE], tf.float32, name="images")
    example = tf.TensorSpec([None], tf.string, name="inputs")
    signatures = {
        "predict_images": tf.function(predict_images, input_signature=[image]),
        "serving_default": tf.function(classify, input_signature=[example]),
    }
    version.parent.mkdir(parents=True, exist_ok=True)
    # Renamed when it is complete: a server that looks at the directory must not find a half.
    with tempfile.TemporaryDirectory(prefix="unfinished-", dir=version.parent) as unfinished:
        saved = Path(unfinished) / "saved_model"
        tf.saved_model.save(model, str(saved), signatures=signatures)
        # TensorFlow 2 says "predict" of every signature; the metadata shall say that this one is for Classify.
        methods = tf.compat.v1.saved_model.signature_def_utils.MethodNameUpdater(str(saved))
        methods.replace_method_name(signature_key="serving_default", method_name="tensorflow/serving/classify")
        methods.save()
        saved.rename(version)


if __name__ == "__main__":
    sys.exit(main())
