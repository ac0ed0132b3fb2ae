"""Models as people have them: seven networks without training, written by Keras's own `model.export`, each once.

usage: python -m tests.bench.keras_models FOLDER [NAME ...]

Each has one input `x` and one output `y` and is FOLDER/NAME/1. Weights are random from a fixed seed and scaled so that
different inputs get different answers: with flat ones any wrong answer would pass for the right one.
"""

import os
import sys
import time
from collections.abc import Callable, Mapping
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tests.bench.keras_inputs import VOCABULARY, inputs

if TYPE_CHECKING:
    import keras

Array = NDArray[Any]

VERSION = "1"
SEED = 1
CLASSES = 10
LEAST_SPREAD = 0.1
"""How much answers to different inputs must differ, relative to them; an engine may err by a thousandth of that."""

_STAGES = ((64, 1, 80, 4), (64, 2, 3, 1), (128, 2, 3, 1), (256, 3, 3, 1), (512, 2, 3, 1))
"""Of the audio model: filters, convolutions, their width, their stride; behind each stage a quarter is left."""

_CALIBRATION_ROWS = 16
_SPREAD_ROWS = 8


def export(name: str, folder: Path) -> float:
    """Write a model; how much its answers differ. ValueError if that is less than LEAST_SPREAD."""
    import keras

    keras.utils.set_random_seed(SEED)
    network = BUILDERS[name]()
    _calibrate(network, inputs(name, _CALIBRATION_ROWS, SEED))
    found = spread(np.asarray(network(inputs(name, _SPREAD_ROWS, SEED + 1))["y"]))
    if not found >= LEAST_SPREAD:
        raise ValueError(f"the answers of {name} differ by {found:.1e}; expected at least {LEAST_SPREAD:.0e}")
    network.export(str(folder / name / VERSION), format="tf_saved_model", verbose=False)
    return found


def spread(answers: Array) -> float:
    """How far the two rows that are most alike differ, relative to the largest value of all."""
    rows = answers.reshape(len(answers), -1).astype(np.float64)
    differences = [float(np.abs(one - other).max()) for one, other in combinations(rows, 2)]
    return min(differences) / float(np.abs(rows).max())


def _calibrate(network: "keras.Model", x: Array) -> None:
    """Give each normalisation the statistics of ``x`` as it arrives there, so that no layer's output fades or grows."""
    import keras

    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0
    network(x, training=True)


def _images(application: Callable[..., Any], preprocess: Callable[[Any], Any]) -> "keras.Model":
    """A network of Keras's own for 224 x 224 pixels of 0 to 255, with the preprocessing that belongs to it."""
    import keras

    x = keras.Input((224, 224, 3), name="x")
    base = application(weights=None, input_tensor=preprocess(x), classifier_activation=None)
    return keras.Model(x, {"y": base.output})


def _resnet50() -> "keras.Model":
    from keras.applications import resnet50

    return _images(resnet50.ResNet50, resnet50.preprocess_input)


def _mobilenetv2() -> "keras.Model":
    from keras.applications import mobilenet_v2

    return _images(mobilenet_v2.MobileNetV2, mobilenet_v2.preprocess_input)


def _efficientnetb0() -> "keras.Model":
    from keras.applications import efficientnet

    # Its first layers are its preprocessing.
    return _images(efficientnet.EfficientNetB0, lambda x: x)


def _transformer() -> "keras.Model":
    """An encoder: token ids [n, 128], 4 layers of width 256 with 4 heads and 1024 between, a classifier."""
    import keras
    from keras import layers

    x = keras.Input((128,), dtype="int32", name="x")
    normal = keras.initializers.RandomNormal(stddev=1.0, seed=SEED)
    state = layers.Embedding(VOCABULARY, 256, embeddings_initializer=normal)(x)
    state += layers.Embedding(128, 256, embeddings_initializer=normal)(keras.ops.arange(128))
    for _ in range(4):
        attended = layers.MultiHeadAttention(4, 64)(state, state)
        state = layers.LayerNormalization()(state + attended)
        inner = layers.Dense(1024, "gelu", kernel_initializer="he_normal")(state)
        state = layers.LayerNormalization()(state + layers.Dense(256)(inner))
    return keras.Model(x, {"y": layers.Dense(CLASSES)(layers.GlobalAveragePooling1D()(state))})


def _lstm() -> "keras.Model":
    """100 steps of 64 numbers through two layers of 256 and 128."""
    import keras
    from keras import layers

    x = keras.Input((100, 64), name="x")
    state = layers.LSTM(128)(layers.LSTM(256, return_sequences=True)(x))
    return keras.Model(x, {"y": layers.Dense(CLASSES)(state)})


def _mlp() -> "keras.Model":
    """784 numbers through four layers of 512."""
    import keras
    from keras import layers

    x = state = keras.Input((784,), name="x")
    for _ in range(4):
        state = layers.Dense(512, "relu", kernel_initializer="he_normal")(state)
    return keras.Model(x, {"y": layers.Dense(CLASSES)(state)})


def _audio() -> "keras.Model":
    """A second of sound at 16 kHz through ten convolutions over time."""
    import keras
    from keras import layers

    x = keras.Input((16000,), name="x")
    state = layers.Reshape((16000, 1))(x)
    for filters, depth, width, stride in (
        (64, 1, 80, 4),
        (64, 2, 3, 1),
        (128, 2, 3, 1),
        (256, 3, 3, 1),
        (512, 2, 3, 1),
    ):
        for _ in range(depth):
            state = layers.Conv1D(filters, width, stride, padding="same", kernel_initializer="he_normal")(state)
            state = layers.ReLU()(layers.BatchNormalization()(state))
        state = layers.MaxPooling1D(4)(state)
    return keras.Model(x, {"y": layers.Dense(CLASSES)(layers.GlobalAveragePooling1D()(state))})


BUILDERS: Mapping[str, Callable[[], "keras.Model"]] = {
    "resnet50": _resnet50,
    "mobilenetv2": _mobilenetv2,
    "efficientnetb0": _efficientnetb0,
    "transformer": _transformer,
    "lstm": _lstm,
    "mlp4x512": _mlp,
    "audio": _audio,
}


def main(folder: Path, names: list[str]) -> int:
    """0, or 2 for a name that is none."""
    if unknown := set(names) - set(BUILDERS):
        print(f"no model {', '.join(sorted(unknown))}; there are {', '.join(BUILDERS)}", file=sys.stderr)
        return 2
    for name in names or BUILDERS:
        began = time.monotonic()
        found = export(name, folder)
        print(
            f"{folder / name}: answers differ by {found:.2f}, written in {time.monotonic() - began:.1f} s", flush=True
        )
    return 0


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
