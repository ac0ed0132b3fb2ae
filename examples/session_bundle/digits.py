"""scikit-learn's handwritten digits, split the same way for the training and for the client; no TensorFlow."""

from typing import Any, NamedTuple

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
"""The names of the classes 0 to 9."""


class Digits(NamedTuple):
    """images: float32 [digits, 64], ink from 0 to 1; labels: int64 [digits], 0 to 9."""

    images: Any
    labels: Any


def split() -> tuple[Digits, Digits]:
    """About 1200 digits to train with and 597 held out, the same ones in each process."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(
        images.astype("float32") / 16, labels, test_size=597, random_state=7
    )
    return Digits(train_x, train_y), Digits(test_x, test_y)
