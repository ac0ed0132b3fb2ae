"""Makes a network of which batching is worth it: three layers of 2048, random weights with a fixed seed.

Not trained: what it answers means nothing, but it costs what a trained one would cost.
"""

import argparse
import itertools
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

SEED = 7
SIZES = (512, 2048, 2048, 2048, 10)


def main() -> int:
    """Write version 1 of the model; 1 if it is there already."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path, help="the model: gets a directory 1")
    path: Path = parser.parse_args().directory / "1"
    if path.exists():
        print(f"error: {path} is there already; remove {path.parent} to begin anew", file=sys.stderr)
        return 1
    # A directory is served as soon as its name is a number, complete or not; so it gets that name last.
    unfinished = path.with_name("unfinished-1")
    export(unfinished)
    unfinished.rename(path)
    print(f"{path}: layers of {SIZES[1:]}, x is float [batch, {SIZES[0]}]")
    return 0


def export(path: Path) -> None:
    """Save the network; ``serving_default`` takes x, float [batch, 512], and gives scores, float [batch, 10]."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    import tensorflow as tf

    random = np.random.default_rng(SEED)
    module = tf.Module()
    module.weights = [
        tf.Variable(random.normal(0, np.sqrt(2 / rows), (rows, columns)).astype(np.float32))
        for rows, columns in itertools.pairwise(SIZES)
    ]

    def scores(x: Any) -> dict[str, Any]:
        for weights in module.weights[:-1]:
            x = tf.nn.relu(x @ weights)
        return {"scores": x @ module.weights[-1]}

    signature = tf.function(scores, input_signature=[tf.TensorSpec([None, SIZES[0]], tf.float32, name="x")])
    tf.saved_model.save(module, str(path), signatures={"serving_default": signature})


if __name__ == "__main__":
    sys.exit(main())
