"""Makes the small model that the walk-throughs of this folder serve: y = slope * x + offset.

Not a recipe for a model of your own: it exists so that an answer tells which model, and which version, has given it.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Any


def main() -> int:
    """Write one version of the model; 1 if it is there already."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path, help="the model: gets a directory that is named by the version")
    parser.add_argument("--version", type=int, default=1)
    parser.add_argument("--slope", type=float, default=1.0)
    parser.add_argument("--offset", type=float, default=0.0)
    arguments = parser.parse_args()
    path: Path = arguments.directory / str(arguments.version)
    if path.exists():
        print(f"error: {path} is there already; remove {arguments.directory} to begin anew", file=sys.stderr)
        return 1
    # A directory is served as soon as its name is a number, complete or not; so it gets that name last.
    unfinished = path.with_name(f"unfinished-{path.name}")
    export(unfinished, arguments.slope, arguments.offset)
    unfinished.rename(path)
    print(f"{path}: y = {arguments.slope:g} * x + {arguments.offset:g}")
    return 0


def export(path: Path, slope: float, offset: float) -> None:
    """Save the model; the signature ``serving_default`` takes and gives float [batch]."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    import tensorflow as tf

    module = tf.Module()
    module.slope = tf.Variable(slope)
    module.offset = tf.Variable(offset)

    def line(x: Any) -> dict[str, Any]:
        return {"y": module.slope * x + module.offset}

    signature = tf.function(line, input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    tf.saved_model.save(module, str(path), signatures={"serving_default": signature})


if __name__ == "__main__":
    sys.exit(main())
