"""Makes half_plus_two and half_plus_three, the models of TensorFlow Serving's own documentation, anew.

They compute y = x / 2 + 2 and y = x / 2 + 3, and exist to be called with curl. They are not copies of the originals.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

# Else TensorFlow tells of GPUs that are not there and of instructions that it uses.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import tensorflow as tf

VERSION = 123  # as in the documentation
ADDED = {"half_plus_two": 2.0, "half_plus_three": 3.0}

CONFIG = """model_config_list {{
  config {{ name: "half_plus_two" base_path: "{directory}/half_plus_two" model_platform: "tensorflow" }}
  config {{ name: "half_plus_three" base_path: "{directory}/half_plus_three" model_platform: "tensorflow" }}
}}
"""


def main() -> int:
    """Export both models, unless they are there, and write the configuration that names them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path, help="gets half_plus_two/123, half_plus_three/123 and half_plus.config")
    directory: Path = parser.parse_args().directory.absolute()
    for name, added in ADDED.items():
        version = directory / name / str(VERSION)
        if version.exists():
            print(f"{version} is there already")
        else:
            export(version, added)
            print(f"Exported {version}")
    config = directory / "half_plus.config"
    config.write_text(CONFIG.format(directory=directory))
    print(f"Wrote {config}")
    return 0


def export(version: Path, added: float) -> None:
    """Save y = x / 2 + ``added`` with a Predict, a Regress and a Classify signature.

    serving_default: x, float [batch] -> y, float [batch].
    tensorflow/serving/regress: inputs, tf.Examples with a float "x" -> outputs, float [batch, 1].
    tensorflow/serving/classify: inputs, the same -> scores, float [batch, 1]; labels it has none.
    """
    model = tf.Module()
    model.half = tf.Variable(0.5)
    model.added = tf.Variable(added)

    def y_of_examples(examples: Any) -> Any:
        features = tf.io.parse_example(examples, {"x": tf.io.FixedLenFeature([1], tf.float32)})
        return model.half * features["x"] + model.added

    def predict(x: Any) -> dict[str, Any]:
        return {"y": model.half * x + model.added}

    def regress(inputs: Any) -> dict[str, Any]:
        return {"outputs": y_of_examples(inputs)}

    def classify(inputs: Any) -> dict[str, Any]:
        return {"scores": y_of_examples(inputs)}

    x = tf.TensorSpec([None], tf.float32, name="x")
    examples = tf.TensorSpec([None], tf.string, name="inputs")
    signatures = {
        "serving_default": tf.function(predict, input_signature=[x]),
        "tensorflow/serving/regress": tf.function(regress, input_signature=[examples]),
        "tensorflow/serving/classify": tf.function(classify, input_signature=[examples]),
    }
    version.parent.mkdir(parents=True, exist_ok=True)
    # Renamed when it is complete: a server that looks at the directory must not find a half.
    with tempfile.TemporaryDirectory(prefix="unfinished-", dir=version.parent) as unfinished:
        saved = Path(unfinished) / "saved_model"
        tf.saved_model.save(model, str(saved), signatures=signatures)
        # TensorFlow 2 says "predict" of every signature. Here each is named like its method.
        methods = tf.compat.v1.saved_model.signature_def_utils.MethodNameUpdater(str(saved))
        for name in ("tensorflow/serving/regress", "tensorflow/serving/classify"):
            methods.replace_method_name(signature_key=name, method_name=name)
        methods.save()
        saved.rename(version)


if __name__ == "__main__":
    sys.exit(main())
