"""What the models of keras_models.py are asked: inputs that differ from one another, from a fixed seed."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Random = np.random.Generator

VOCABULARY = 8192
"""How many tokens the transformer knows."""

_TILES = 14


def inputs(name: str, rows: int, seed: int) -> Array:
    """``rows`` inputs of a model, [rows, ...] in its data type."""
    random = np.random.default_rng(seed)
    return np.stack([INPUTS[name](random) for _ in range(rows)])


def _image(random: Random) -> Array:
    """224 x 224 pixels, 0 to 255: tiles with colours of their own, a contrast of its own, and noise."""
    tiles = random.random((_TILES, _TILES, 3)) * random.uniform(0.2, 1.0) + random.uniform(0.0, 0.2, 3)
    size = 224 // _TILES
    pixels = tiles.repeat(size, axis=0).repeat(size, axis=1) + random.normal(0.0, 0.05, (224, 224, 3))
    return np.asarray(np.clip(pixels, 0.0, 1.0) * 255, np.float32)


def _sound(random: Random) -> Array:
    """A second at 16 kHz: three tones of their own, and noise."""
    seconds = np.arange(16000) / 16000
    tones = np.sin(2 * np.pi * random.uniform(80.0, 4000.0, (3, 1)) * seconds).sum(axis=0)
    return np.asarray(tones * random.uniform(0.1, 0.3) + random.normal(0.0, 0.05, 16000), np.float32)


def _tokens(random: Random) -> Array:
    return random.integers(0, VOCABULARY, 128, np.int32)


def _steps(random: Random) -> Array:
    return random.normal(0.0, 1.0, (100, 64)).astype(np.float32)


def _numbers(random: Random) -> Array:
    return random.random(784, np.float32)


INPUTS: Mapping[str, Callable[[Random], Array]] = {
    "resnet50": _image,
    "mobilenetv2": _image,
    "efficientnetb0": _image,
    "transformer": _tokens,
    "lstm": _steps,
    "mlp4x512": _numbers,
    "audio": _sound,
}
"""One row of each model's input."""
