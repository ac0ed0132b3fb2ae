"""A model in a script, as tutorials show it: `tf.saved_model.load`, and a call of its signature with an array.

usage: python -m tests.bench.baselines.script_time VERSION_DIRECTORY INPUT.npy
It is told what to do, and tells what it took, as model_time.py.
"""

import sys

import numpy as np
import tensorflow as tf

from tests.bench.baselines.bare_engine import Floats
from tests.bench.baselines.model_time import follow

if __name__ == "__main__":
    signature = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]

    def predict(x: Floats) -> Floats:
        """One call, with the answer as an array."""
        return np.asarray(signature(x=tf.constant(x))["y"].numpy())

    follow(predict, np.load(sys.argv[2]))
