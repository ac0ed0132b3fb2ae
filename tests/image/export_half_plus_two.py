"""Writes the small models of the image tests. Run as a process of its own, for it imports TensorFlow.

usage: python export_half_plus_two.py MODELS_DIRECTORY
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

SLOW_SECONDS = 2.0


Compute = Callable[[Any, Any], Any]
"""From the model and its input ``x`` to its output ``y``."""


def half_plus_two(model: Any, x: Any) -> Any:
    """y = x / 2 + 2."""
    return x * model.half + model.two


def slow_half_plus_two(model: Any, x: Any) -> Any:
    """The same, once SLOW_SECONDS have passed: a call that is under way for a known time on any machine."""
    begun = tf.timestamp()
    turns = tf.while_loop(lambda _: tf.timestamp() - begun < SLOW_SECONDS, lambda n: (n + 1,), (tf.constant(0),))[0]
    return half_plus_two(model, x) + 0.0 * tf.cast(turns, tf.float32)


def save(compute: Compute, directory: Path, *, added: float = 2.0) -> None:
    """Write a SavedModel with the variables half and two, whose serving_default takes float32 of any length."""
    model = tf.Module()
    model.half = tf.Variable(0.5)
    model.two = tf.Variable(added)
    signature = [tf.TensorSpec([None], tf.float32, name="x")]
    predict = tf.function(lambda x: {"y": compute(model, x)}, input_signature=signature)
    tf.saved_model.save(model, str(directory), signatures={"serving_default": predict})


def main() -> None:
    models = Path(sys.argv[1])
    save(half_plus_two, models / "half_plus_two" / "1")
    save(slow_half_plus_two, models / "slow" / "1")
    save(half_plus_two, models / "half_plus_three" / "1", added=3.0)


if __name__ == "__main__":
    main()
