"""Fisher's iris flowers from scikit-learn, split the same way for the training and for the client; no TensorFlow."""

from typing import Any, NamedTuple

FEATURES = ("sepal_length", "sepal_width", "petal_length", "petal_width")
"""The names of the columns, in centimetres; they are the model's inputs."""

SPECIES = ("setosa", "versicolor", "virginica")
"""The names of the classes 0, 1 and 2."""


class Flowers(NamedTuple):
    """features: float [flowers, 4]; species: int64 [flowers], 0 to 2."""

    features: Any
    species: Any


def split() -> tuple[Flowers, Flowers]:
    """100 flowers to train with and 50 held out, the same ones in each process."""
    from sklearn.datasets import load_iris
    from sklearn.model_selection import train_test_split

    features, species = load_iris(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(
        features, species, test_size=50, stratify=species, random_state=7
    )
    return Flowers(train_x, train_y), Flowers(test_x, test_y)
