"""Exports Keras's ResNet-50 for serving: image files in, ImageNet classes out, as version 1 of a model.

Not a training script: the weights are yours, or random ones that show how it is served and know nothing.
"""

import argparse
import os
import shutil
import sys
import tempfile
import textwrap
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from answers import CLASSES, EXPECTED_CLASSES

HERE = Path(__file__).parent
RANDOM = "random"
SEED = 7
SIZE = 224
SHORTER_SIDE = 256
WEIGHT_FILES = (".h5", ".keras")
WARMUP_FILE = "assets.extra/tf_serving_warmup_requests"


def main() -> None:
    """Write ``MODEL/1``, with a warm-up request in it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="directory of the model's versions, such as models/resnet")
    parser.add_argument(
        "--weights",
        default=RANDOM,
        help="a file that Keras wrote (.weights.h5, .h5, .keras), a directory with one such file, or a SavedModel, "
        "which is copied (default: random)",
    )
    options = parser.parse_args()
    version: Path = options.model / "1"
    if version.exists():
        sys.exit(f"error: {version} is there already; remove it to export anew")
    weights = None if options.weights == RANDOM else weights_at(Path(options.weights))
    _quiet()
    version.parent.mkdir(parents=True, exist_ok=True)
    # Renamed when it is complete: a server that looks at the directory must not find a half.
    with tempfile.TemporaryDirectory(prefix="unfinished-", dir=version.parent) as unfinished:
        saved = Path(unfinished) / "saved_model"
        write(saved, weights)
        if not (saved / WARMUP_FILE).exists():
            write_warmup(saved / WARMUP_FILE, (HERE / "flower.jpg").read_bytes())
        saved.rename(version)
    print(f"Exported {version}")


def weights_at(path: Path) -> Path:
    """The weights file or the SavedModel that ``path`` is or, if it is a directory, holds. Ends the program if none."""
    found = [path]
    if path.is_dir() and not (path / "saved_model.pb").exists():
        found = sorted(file for file in path.iterdir() if file.suffix in WEIGHT_FILES)
    if len(found) != 1 or not (found[0].is_dir() or (found[0].is_file() and found[0].suffix in WEIGHT_FILES)):
        names = ", ".join(file.name for file in found) if path.exists() else "not there"
        sys.exit(
            f"error: --weights={path}: expected a file that ends in {' or '.join(WEIGHT_FILES)}, a directory with one "
            f"of them, or a SavedModel; found: {names or 'none'}"
        )
    return found[0]


def write(version: Path, weights: Path | None) -> None:
    """Copy the SavedModel ``weights``, or save the network with these weights; None is random ones."""
    if weights is not None and weights.is_dir():
        print(f"Copying the SavedModel {weights}", flush=True)
        check(weights)
        shutil.copytree(weights, version)
        return
    save(network(weights), version)


def check(saved_model: Path) -> None:
    """End the program if the model's ``serving_default`` is not what the clients ask for."""
    from google.protobuf.message import DecodeError

    from serving.protos import message

    try:
        saved = message("tensorflow.SavedModel").FromString((saved_model / "saved_model.pb").read_bytes())
    except DecodeError:
        sys.exit(f"error: --weights={saved_model}: its saved_model.pb is damaged; expected a SavedModel")
    served = [graph.signature_def for graph in saved.meta_graphs if list(graph.meta_info_def.tags) == ["serve"]]
    inputs = sorted(name for signatures in served for name in signatures["serving_default"].inputs)
    outputs = sorted(name for signatures in served for name in signatures["serving_default"].outputs)
    if inputs != ["image_bytes"] or "probabilities" not in outputs:
        sys.exit(
            f"error: --weights={saved_model}: expected a serving_default of image_bytes to probabilities; "
            f"found: {', '.join(inputs) or 'none'} to {', '.join(outputs) or 'none'}"
        )
    for signatures in served:
        shape = signatures["serving_default"].outputs["probabilities"].tensor_shape
        if not shape.unknown_rank:
            check_classes(saved_model, [size.size for size in shape.dim])


def check_classes(weights: Path | None, shape: Sequence[int]) -> None:
    """End the program unless the probabilities are [batch, classes] with a name for each class; -1 is any number."""
    if len(shape) != 2 or shape[1] not in (*CLASSES, -1):
        sys.exit(
            f"error: --weights={weights or RANDOM}: expected probabilities of {EXPECTED_CLASSES}; "
            f"found: the shape {list(shape)}"
        )


def network(weights: Path | None) -> Any:
    """ResNet-50: prepared images, float32 [batch, 224, 224, 3], to probabilities, float32 [batch, classes].

    Ends the program if Keras cannot use the weights, or if ``labels.txt`` has names for another number of classes.
    """
    import keras

    try:
        resnet = read(weights)
        shape = resnet(keras.ops.zeros([1, SIZE, SIZE, 3])).shape
    # What Keras finds wrong with a file, with the layers in it, and with what they take and give.
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        reason = textwrap.shorten(str(error), 256, placeholder=" ...")
        sys.exit(f"error: --weights={weights}: Keras cannot use it as a ResNet50: {reason}")
    check_classes(weights, shape)
    return resnet


def read(weights: Path | None) -> Any:
    """The whole network of a .keras file, else Keras's with the weights of the file; None is random ones."""
    import keras

    if weights is None:
        print("Warning: the weights are random, so the labels mean nothing (--weights=FILE takes yours)", flush=True)
        keras.utils.set_random_seed(SEED)
        return keras.applications.ResNet50(weights=None)
    print(f"Reading {weights}", flush=True)
    if weights.suffix == ".keras":
        return keras.models.load_model(weights, compile=False)
    resnet = keras.applications.ResNet50(weights=None)
    resnet.load_weights(weights)
    return resnet


def save(resnet: Any, version: Path) -> None:
    """Save ``serving_default``: image_bytes, string [batch], to classes, int64 [batch], and probabilities."""
    import keras
    import tensorflow as tf

    def classify(image_bytes: Any) -> dict[str, Any]:
        images = tf.map_fn(decode, image_bytes, fn_output_signature=tf.TensorSpec([SIZE, SIZE, 3], tf.float32))
        probabilities = resnet(keras.applications.resnet50.preprocess_input(images), training=False)
        return {"classes": tf.argmax(probabilities, axis=-1), "probabilities": probabilities}

    module = tf.Module()
    # Saved as it is, a Keras network leaves out values that a server needs to restore its weights.
    module.weights = [variable.value for variable in resnet.weights]
    signature = tf.function(classify, input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
    tf.saved_model.save(module, str(version), signatures={"serving_default": signature})


def decode(image_bytes: Any) -> Any:
    """One JPEG or PNG file as float32 [224, 224, 3], RGB from 0 to 255: its middle, with its proportions kept."""
    import tensorflow as tf

    image = tf.io.decode_image(image_bytes, channels=3, expand_animations=False)
    height, width = tf.shape(image)[0], tf.shape(image)[1]
    shorter = tf.minimum(height, width)
    height, width = height * SHORTER_SIDE // shorter, width * SHORTER_SIDE // shorter
    top, left = (height - SIZE) // 2, (width - SIZE) // 2
    # Not tf.image.crop_to_bounding_box: the assertions in it count as state, which keeps a model from being optimised.
    cropped = tf.image.resize(image, [height, width])[top : top + SIZE, left : left + SIZE]
    return tf.ensure_shape(cropped, [SIZE, SIZE, 3])


def write_warmup(path: Path, image: bytes) -> None:
    """A request that the server makes before the version is available; optimisation at load tries it as well."""
    import tensorflow as tf

    from serving.protos import PredictionLog

    record = PredictionLog()
    request = record.predict_log.request
    request.model_spec.name = "resnet"
    request.inputs["image_bytes"].ParseFromString(tf.make_tensor_proto([image]).SerializeToString())
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as file:
        file.write(record.SerializeToString())


def _quiet() -> None:
    """Silence what TensorFlow says when it is imported: devices that are not there, instructions that could be used."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    warnings.filterwarnings("ignore")


if __name__ == "__main__":
    main()
