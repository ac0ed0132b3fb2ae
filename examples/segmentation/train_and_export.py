"""Trains a small U-Net on drawn shapes and exports it as a SavedModel that gives masks in any size asked for.

Not a training recipe: it has just the parts that the client and the server are to be shown with.
"""

import argparse
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

from shapes import CLASSES, HELD_OUT, draw_many, mean_iou

SEED = 7
SIZE = 64
TRAINING_PICTURES = 1600
EPOCHS = 6
EVALUATED_PICTURES = 50
REQUIRED_IOU = 0.8


def main() -> int:
    """Train, print the mean IoU on pictures held out, export; 1 and no export if it is below ``REQUIRED_IOU``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="the model's directory; gets the version 1")
    model: Path = parser.parse_args().model
    if (model / "1").exists():
        parser.error(f"{model / '1'} is there already: remove it to make it anew")
    _quiet()
    started = time.perf_counter()
    network = train()
    print(f"trained in {time.perf_counter() - started:.0f} s")
    call = serving_function(network)
    pictures, truth = draw_many(HELD_OUT, EVALUATED_PICTURES)
    iou = mean_iou(call(pictures, SIZE, SIZE)["mask"].numpy(), truth)
    print(f"mean IoU {iou:.4f} on {EVALUATED_PICTURES} pictures held out", flush=True)
    if iou < REQUIRED_IOU:
        print(f"error: nothing is exported below {REQUIRED_IOU}", file=sys.stderr)
        return 1
    export(network, call, model)
    print(f"exported {model / '1'}")
    return 0


def train() -> Any:
    """A trained network: float [batch, 64, 64, 3] from 0 to 1 -> scores, float [batch, 64, 64, classes]."""
    import keras

    keras.utils.set_random_seed(SEED)
    pictures, masks = draw_many(0, TRAINING_PICTURES)
    network = unet()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    rate = keras.optimizers.schedules.CosineDecay(6e-3, EPOCHS * -(-TRAINING_PICTURES // 16))
    # With XLA, Keras's choice, compiling would take longer than it gains.
    network.compile(keras.optimizers.Adam(rate), loss, jit_compile=False)
    print(f"training on {TRAINING_PICTURES} pictures for {EPOCHS} epochs", flush=True)
    network.fit(pictures / 255, masks, epochs=EPOCHS, batch_size=16, verbose=0, callbacks=[_epoch_lines()])
    return network


def unet() -> Any:
    """A network that goes down to 4 x 4 in steps and up again, where each step up also sees what the way down had."""
    import keras
    from keras import layers

    def convolved(x: Any, filters: int, strides: int = 1) -> Any:
        x = layers.Conv2D(filters, 3, strides, padding="same", use_bias=False)(x)
        return layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))

    picture = keras.Input([SIZE, SIZE, 3])
    # Half the size from the start: as good here, and trained in half the time.
    x, passed, strides = picture, [], 2
    for filters in (8, 16, 32):
        x = convolved(x, filters, strides)
        passed.append(x)
        x, strides = layers.MaxPooling2D()(x), 1
    x = convolved(x, 64)
    for filters in (32, 16, 8):
        x = layers.Concatenate()([layers.UpSampling2D()(x), passed.pop()])
        x = convolved(x, filters)
    scores = layers.Conv2D(len(CLASSES), 1)(x)
    return keras.Model(picture, layers.UpSampling2D(interpolation="bilinear")(scores))


def serving_function(network: Any) -> Any:
    """What is served: a picture of any size in, a mask of the size that the caller wants out."""
    import tensorflow as tf

    def segment(image: Any, height: Any, width: Any) -> dict[str, Any]:
        small = tf.image.resize(tf.cast(image, tf.float32) / 255, [SIZE, SIZE], antialias=True)
        # The scores are resized and not the classes: between a 1 and a 3 there is no 2.
        scores = tf.image.resize(network(small, training=False), tf.stack([height, width]))
        return {"mask": tf.argmax(scores, axis=-1, output_type=tf.int32)}

    image = tf.TensorSpec([None, None, None, 3], tf.uint8, name="image")
    height = tf.TensorSpec([], tf.int32, name="height")
    width = tf.TensorSpec([], tf.int32, name="width")
    return tf.function(segment, input_signature=[image, height, width])


def export(network: Any, call: Any, model: Path) -> None:
    """Save ``call`` as the ``serving_default`` of version 1: first elsewhere, so that no half is ever served."""
    import tensorflow as tf

    # Saved as it is, a Keras network leaves out values that a server needs to restore its weights.
    module = tf.Module()
    module.weights = [variable.value for variable in network.weights]
    unfinished = model / "unfinished"
    tf.saved_model.save(module, str(unfinished), signatures={"serving_default": call})
    unfinished.rename(model / "1")


def _epoch_lines() -> Any:
    """A callback that prints one plain line after each epoch."""
    import keras

    def line(epoch: int, logs: dict[str, float]) -> None:
        print(f"epoch {epoch + 1}/{EPOCHS} loss {logs['loss']:.3f}", flush=True)

    return keras.callbacks.LambdaCallback(on_epoch_end=line)


def _quiet() -> None:
    """Silence what TensorFlow says when it is imported: devices that are not there, instructions that could be used."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    warnings.filterwarnings("ignore")


if __name__ == "__main__":
    sys.exit(main())
