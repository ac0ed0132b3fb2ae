"""Writes ResNet-50 as a SavedModel that takes image files, two sample images, and what the model says of them.

Run as a process of its own, for it imports TensorFlow; the weights are random, from a fixed seed.

usage: python export_resnet.py MODEL_DIRECTORY SAMPLES_DIRECTORY
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

SEED = 7
SIZE = 224


def decode(image_bytes: Any) -> Any:
    """A JPEG or PNG string as float32 [SIZE, SIZE, 3]."""
    image = tf.io.decode_image(image_bytes, channels=3, expand_animations=False)
    return tf.ensure_shape(tf.image.resize(image, [SIZE, SIZE]), [SIZE, SIZE, 3])


def resnet_of_images() -> tuple[Any, Any]:
    """ResNet-50 and its signature: image_bytes, a batch of strings, to classes (int64) and probabilities (float)."""
    tf.keras.utils.set_random_seed(SEED)
    network = tf.keras.applications.ResNet50(weights=None)
    model = tf.Module()
    # The variables below Keras' own: a Keras model as an attribute would be saved with each of them twice, of which a
    # session restores the copy that the graph does not read.
    model.weights = [weight.value for weight in network.weights]

    def classify(image_bytes: Any) -> Any:
        images = tf.map_fn(decode, image_bytes, fn_output_signature=tf.TensorSpec([SIZE, SIZE, 3], tf.float32))
        prepared = tf.keras.applications.resnet50.preprocess_input(images)
        probabilities = network(prepared, training=False)
        return {"classes": tf.argmax(probabilities, axis=-1, output_type=tf.int64), "probabilities": probabilities}

    signature = [tf.TensorSpec([None], tf.string, name="image_bytes")]
    return model, tf.function(classify, input_signature=signature)


def sample_images() -> dict[str, bytes]:
    """Two pictures of shapes that are not the network's, so that resizing is part of what is compared."""
    rows, columns = np.mgrid[0:300, 0:400]
    waves = np.stack([np.sin(rows / 17), np.cos(columns / 23), np.sin((rows + columns) / 31)], axis=-1)
    wavy = np.uint8(127.5 + 127.5 * waves)
    noisy = np.random.default_rng(SEED).integers(0, 256, (128, 96, 3), dtype=np.uint8)
    return {
        "waves.jpg": tf.io.encode_jpeg(wavy, quality=90).numpy(),
        "noise.png": tf.io.encode_png(noisy).numpy(),
    }


def main() -> None:
    model_directory, samples_directory = map(Path, sys.argv[1:])
    model, classify = resnet_of_images()
    tf.saved_model.save(model, str(model_directory / "1"), signatures={"serving_default": classify})
    samples_directory.mkdir(parents=True, exist_ok=True)
    images = sample_images()
    for name, data in images.items():
        (samples_directory / name).write_bytes(data)
    answers = classify(tf.constant(list(images.values())))
    expected = {
        name: {"class": int(answers["classes"][row]), "probabilities": answers["probabilities"][row].numpy().tolist()}
        for row, name in enumerate(images)
    }
    (samples_directory / "expected.json").write_text(json.dumps(expected))


if __name__ == "__main__":
    main()
