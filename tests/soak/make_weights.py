"""Writes a SavedModel with 16 MiB of weights, which adds 5: usage make_weights.py DIR makes DIR/heavy/1."""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import tensorflow as tf

ROWS, COLUMNS = 4096, 1024


class Heavy(tf.Module):  # type: ignore[misc, unused-ignore]
    """Adds the first weight."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = tf.Variable(tf.fill([ROWS, COLUMNS], 5.0))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])  # type: ignore[untyped-decorator, unused-ignore]
    def add(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """``y`` of as many rows as ``x`` has."""
        return {"y": x + tf.gather(self.weights, 0)[0]}


def main() -> None:
    """What the module says."""
    model = Heavy()
    tf.saved_model.save(model, f"{sys.argv[1]}/heavy/1", signatures={"serving_default": model.add})


if __name__ == "__main__":
    main()
