"""Scikit-learn's handwritten digits, split the same way for training, for the clients and for whoever counts errors."""

from dataclasses import dataclass

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

SIDE = 8  # images are SIDE x SIDE; MNIST's are 28 x 28
TESTS = 1000
SEED = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Images: float32 [number, SIDE * SIDE], ink from 0.0 to 1.0. Labels: int64 [number], 0 to 9."""

    images: np.ndarray
    labels: np.ndarray


def load() -> tuple[Split, Split]:
    """The images to train on, and the ``TESTS`` images that training never sees."""
    digits = load_digits()
    images = (digits.data / 16).astype(np.float32)
    train_images, test_images, train_labels, test_labels = train_test_split(
        images, digits.target, test_size=TESTS, random_state=SEED, stratify=digits.target
    )
    return Split(images=train_images, labels=train_labels), Split(images=test_images, labels=test_labels)
