"""Draws the pictures of this example: circles, squares and triangles on a noisy background, each with its true mask.

Only numpy; the same number always gives the same picture, so a client can draw what the training held out.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

CLASSES = ("background", "circle", "square", "triangle")
"""Names by class id, the value of a pixel in a mask."""

HELD_OUT = 1_000_000
"""The number of the first picture that training never saw."""

NOISE = 25.0

Pixels = NDArray[np.uint8]
Mask = NDArray[np.int32]


def draw(number: int, height: int = 64, width: int = 64) -> tuple[Pixels, Mask]:
    """Picture ``number``: uint8 [height, width, 3], and the class of each pixel: int32 [height, width]."""
    random = np.random.default_rng(number)
    picture = np.empty([height, width, 3])
    picture[:] = random.uniform(0, 255, 3)
    mask = np.zeros([height, width], np.int32)
    for _ in range(random.integers(1, 5)):
        kind = int(random.integers(1, len(CLASSES)))
        inside = _inside(kind, random, height, width)
        if mask[inside].any():
            continue  # shapes that cover each other are another task
        # A colour that is far from what is behind it; otherwise there would be nothing to see.
        picture[inside] = (picture[0, 0] + random.uniform(64, 191, 3)) % 256
        mask[inside] = kind
    noisy = picture + random.normal(0, random.uniform(0, NOISE), picture.shape)
    return noisy.clip(0, 255).astype(np.uint8), mask


def draw_many(first: int, count: int) -> tuple[Pixels, Mask]:
    """Pictures ``first`` to ``first + count - 1``: uint8 [count, 64, 64, 3] and int32 [count, 64, 64]."""
    pictures, masks = zip(*(draw(number) for number in range(first, first + count)), strict=True)
    return np.stack(pictures), np.stack(masks)


def mean_iou(masks: NDArray[Any], truth: NDArray[Any]) -> float:
    """Intersection over union of each class, over all pixels of all pictures together; the mean over the classes."""
    shares = []
    for kind in range(len(CLASSES)):
        found, wanted = masks == kind, truth == kind
        shares.append((found & wanted).sum() / max(1, (found | wanted).sum()))
    return float(np.mean(shares))


def _inside(kind: int, random: np.random.Generator, height: int, width: int) -> NDArray[np.bool_]:
    """The pixels of one shape at a random place, of random size, up to a third out of proportion."""
    size = random.uniform(0.16, 0.28) * min(height, width)
    stretch = random.uniform(0.87, 1.15)
    y = (np.arange(height)[:, None] - random.uniform(0.2, 0.8) * height) / (size * stretch)
    x = (np.arange(width)[None, :] - random.uniform(0.2, 0.8) * width) / (size / stretch)
    match CLASSES[kind]:
        case "circle":
            inside = x**2 + y**2 < 1
        case "square":
            inside = np.maximum(abs(x), abs(y)) < 0.9
        case _:
            inside = (y < 0.8) & (y > 2 * abs(x) - 1)
    return np.asarray(inside)
