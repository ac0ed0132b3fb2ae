"""Writes versions whose models are `.keras` files: `make_keras_files.py DIR`.

DIR/sum/1/model.keras gives 4096 times the sum of three numbers, twice; DIR/lambda/1/model.keras has Python code in it.
"""

import sys
from pathlib import Path

import keras


def write(directory: Path, *layers: keras.Layer) -> None:
    """A model of these layers, behind an input ``x`` of three numbers."""
    directory.mkdir(parents=True)
    keras.Sequential([keras.layers.Input((3,), name="x"), *layers]).save(directory / "model.keras")


def main() -> None:
    """Write all of them."""
    directory = Path(sys.argv[1])
    sums = [keras.layers.Dense(width, kernel_initializer="ones") for width in (4096, 2)]
    write(directory / "sum" / "1", *sums)
    write(directory / "lambda" / "1", keras.layers.Lambda(lambda x: x + 1))


if __name__ == "__main__":
    main()
