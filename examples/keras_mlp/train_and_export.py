"""Trains a Keras MLP on the iris flowers and exports it as a SavedModel whose inputs have names.

usage: train_and_export.py models/iris --keras_file=models/iris.keras
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import keras
import tensorflow as tf
from split import FEATURES, SPECIES, Flowers, split

SEED = 7
EPOCHS = 60


def main() -> int:
    """Train, print the accuracy on the flowers held out, export; 1 if the version is there already."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("directory", type=Path, help="of the model; gets a directory for the version")
    parser.add_argument("--model_version", type=int, default=1)
    parser.add_argument("--keras_file", type=Path, help="also keep the network here, to train it further")
    arguments = parser.parse_args()
    version: Path = arguments.directory / str(arguments.model_version)
    if version.exists():
        print(f"error: {version} is there already: remove it, or give another --model_version", file=sys.stderr)
        return 1
    network = trained(*split())
    export(network, version)
    print(f"Exported {version}")
    if arguments.keras_file:
        network.save(arguments.keras_file)
        print(f"Kept the network in {arguments.keras_file}")
    return 0


def trained(training: Flowers, held_out: Flowers) -> Any:
    """A network of centimetres, float [batch, 4], to probabilities, float [batch, 3]."""
    keras.utils.set_random_seed(SEED)
    # A part of the network, so that clients send what they measured and need no numbers from the training.
    normalisation = keras.layers.Normalization()
    normalisation.adapt(training.features)
    network = keras.Sequential(
        [
            keras.Input([len(FEATURES)]),
            normalisation,
            keras.layers.Dense(16, activation="relu"),
            keras.layers.Dense(16, activation="relu"),
            keras.layers.Dense(len(SPECIES), activation="softmax"),
        ]
    )
    network.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    network.fit(*training, epochs=EPOCHS, verbose=0)
    accuracy = network.evaluate(*held_out, verbose=0, return_dict=True)["accuracy"]
    print(f"Accuracy on {len(held_out.species)} flowers held out: {accuracy:.1%}")
    return network


def export(network: Any, version: Path) -> None:
    """Save the network with one signature: four inputs, float [batch] each, to probabilities and species."""

    def call(sepal_length: Any, sepal_width: Any, petal_length: Any, petal_width: Any) -> dict[str, Any]:
        features = tf.stack([sepal_length, sepal_width, petal_length, petal_width], axis=1)
        probabilities = network(features, training=False)
        return {"probabilities": probabilities, "species": tf.gather(SPECIES, tf.argmax(probabilities, axis=1))}

    module = tf.Module()
    # The variables themselves. With the network in their place the server would not find them: see the README.
    module.weights = [variable.value for variable in network.weights]
    module.call = tf.function(call, input_signature=[tf.TensorSpec([None], tf.float32, name) for name in FEATURES])
    version.parent.mkdir(parents=True, exist_ok=True)
    # Renamed when it is complete: a server that looks at the directory must not find a half.
    with tempfile.TemporaryDirectory(prefix="unfinished-", dir=version.parent) as unfinished:
        saved = Path(unfinished) / "saved_model"
        tf.saved_model.save(module, str(saved), signatures={"serving_default": module.call})
        saved.rename(version)


if __name__ == "__main__":
    sys.exit(main())
