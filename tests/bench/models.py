"""Writes the models of the benchmark, each once, into a cache directory: half_plus_two, mlp, resnet and strings; and
those of keras_models.py, by that.

Each has a float input `x` and a float output `y`, but strings, which counts those in `x`. TensorFlow is imported in a
child process only.
"""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.bench import keras_models
from tests.bench.results import BenchError
from tests.bench.servers import ROOT

NAMES = ("half_plus_two", "mlp", "resnet")
STRINGS = "strings"
OWN = frozenset((*NAMES, STRINGS))
VERSION = "1"
SEED = 1


def ensure(directory: Path, names: Iterable[str]) -> None:
    """Write those of ``names`` that ``directory`` lacks. BenchError if that fails."""
    missing = [name for name in sorted(names) if not (directory / name / VERSION / "saved_model.pb").exists()]
    for module, theirs in (("keras_models", keras_models.BUILDERS.keys() & missing), ("models", {*missing} & OWN)):
        command = [sys.executable, "-m", f"tests.bench.{module}", str(directory), *sorted(theirs)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False) if theirs else None
        if done and done.returncode:
            raise BenchError(f"the models were not written: {done.stderr[-500:].strip()}")


def _export(name: str, version: Path) -> None:
    import tensorflow as tf

    shape: list[int | None]
    dtype = tf.float32
    tf.keras.utils.set_random_seed(SEED)
    match name:
        case "half_plus_two":
            shape, module, function = [None], *_half_plus_two(tf)
        case "mlp":
            shape, module, function = [None, 784], *_network(tf, _mlp(tf))
        case "resnet":
            shape, module, function = [None, 224, 224, 3], *_network(tf, tf.keras.applications.ResNet50(weights=None))
        case "strings":
            shape, dtype, module, function = [None], tf.string, tf.Module(), lambda x: {"y": tf.size(x)}
        case _:
            raise ValueError(f"unknown model {name!r}; expected one of {sorted(OWN)}")
    module.call = tf.function(function, input_signature=[tf.TensorSpec(shape, dtype, name="x")])
    # saved_model.pb appears last: an export that was cut short is written anew.
    tf.saved_model.save(module, str(version), signatures=module.call)


def _half_plus_two(tf: Any) -> tuple[Any, Any]:
    module = tf.Module()
    module.a, module.b = tf.Variable(0.5), tf.Variable(2.0)
    return module, lambda x: {"y": module.a * x + module.b}


def _mlp(tf: Any) -> Any:
    layers = tf.keras.layers
    return tf.keras.Sequential([tf.keras.Input((784,)), layers.Dense(256, "relu"), layers.Dense(10, "softmax")])


def _network(tf: Any, network: Any) -> tuple[Any, Any]:
    # Saved as it is, a Keras network leaves out values that a server needs to restore its weights.
    module = tf.Module()
    module.weights = [variable.value for variable in network.weights]
    return module, lambda x: {"y": network(x, training=False)}


if __name__ == "__main__":
    for each in sys.argv[2:]:
        _export(each, Path(sys.argv[1]) / each / VERSION)
