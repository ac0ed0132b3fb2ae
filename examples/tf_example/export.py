"""Fits two linear models of wine with scikit-learn and exports them as one SavedModel over serialised tf.Examples.

The SavedModel is written with TensorFlow 1's builder: three MetaGraphs, chosen by tags, that share the same variables.
"""

import argparse
import os
import shutil
import warnings
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

SEED = 7
DROPPED = 0.3


class Tag(StrEnum):
    """The tag of each MetaGraph: what it is for."""

    SERVE = "serve"
    TRAIN = "train"
    MOBILE = "mobile"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """What was learned: the names of features and cultivars, and the values of the model's variables by name."""

    features: list[str]
    cultivars: list[str]
    variables: dict[str, NDArray[np.float32]]


def main() -> None:
    """Fit, print how good it is on the wines held out, export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="the model's directory; gets the version 1")
    model: Path = parser.parse_args().model
    if (model / "1").exists():
        parser.error(f"{model / '1'} is there already: remove it to make it anew")
    _quiet()
    fitted = fit()
    export(fitted, model)
    print(f"exported {model / '1'} with the tag sets {', '.join(Tag)}")


def fit() -> Fitted:
    """Learn, from all measurements but the alcohol, which of three cultivars a wine is from, and its alcohol."""
    from sklearn.datasets import load_wine
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.model_selection import train_test_split
    from sklearn.preprocessing import StandardScaler

    wine = load_wine()
    # Column 0 is the alcohol.
    split = train_test_split(wine.data[:, 1:], wine.target, wine.data[:, 0], test_size=1 / 3, random_state=SEED)
    train_x, test_x, train_cultivar, test_cultivar, train_alcohol, test_alcohol = split
    scaler = StandardScaler().fit(train_x)
    cultivar = LogisticRegression().fit(scaler.transform(train_x), train_cultivar)
    alcohol = LinearRegression().fit(scaler.transform(train_x), train_alcohol)
    accuracy = cultivar.score(scaler.transform(test_x), test_cultivar)
    error = abs(alcohol.predict(scaler.transform(test_x)) - test_alcohol).mean()
    print(f"{len(test_x)} wines held out: the cultivar is right for {accuracy:.1%},")
    print(f"and the alcohol is off by {error:.2f} percent by volume on average", flush=True)
    values = {
        "mean": scaler.mean_,
        "scale": scaler.scale_,
        "cultivar_weights": cultivar.coef_.T,
        "cultivar_bias": cultivar.intercept_,
        "alcohol_weights": alcohol.coef_[:, None],
        "alcohol_bias": alcohol.intercept_[None],
    }
    return Fitted(
        features=list(wine.feature_names[1:]),
        cultivars=list(wine.target_names),
        variables={name: value.astype(np.float32) for name, value in values.items()},
    )


def export(fitted: Fitted, model: Path) -> None:
    """Write version 1: first elsewhere, so that no half is ever served."""
    import tensorflow as tf

    unfinished = model / "unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    builder = tf.compat.v1.saved_model.Builder(str(unfinished))
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        signatures = build(fitted, Tag.SERVE)
        session.run(tf.compat.v1.global_variables_initializer())
        # The values of the variables are stored once, with the first MetaGraph.
        builder.add_meta_graph_and_variables(session, [Tag.SERVE], signatures)
    for tag in (Tag.TRAIN, Tag.MOBILE):
        with tf.Graph().as_default():
            builder.add_meta_graph([tag], build(fitted, tag))
    builder.save()
    unfinished.rename(model / "1")


def build(fitted: Fitted, tag: Tag) -> dict[str, Any]:
    """Add to the default graph what ``tag`` is for; returns the signatures by name.

    All of them take ``inputs`` (Predict: ``examples``), serialised tf.Examples: string [batch].
    """
    import tensorflow as tf

    examples = tf.compat.v1.placeholder(tf.string, [None], name="examples")
    parsed = tf.io.parse_example(examples, {name: tf.io.FixedLenFeature([], tf.float32) for name in fitted.features})
    # Variables of the same name in several MetaGraphs are one on the disk.
    get = tf.compat.v1.get_variable
    variables = {name: get(name, initializer=value, use_resource=True) for name, value in fitted.variables.items()}
    x = tf.stack([parsed[name] for name in fitted.features], axis=1)
    x = dropped((x - variables["mean"]) / variables["scale"], tag)
    cultivar_weights = rounded(variables["cultivar_weights"], tag)
    scores = tf.nn.softmax(x @ cultivar_weights + variables["cultivar_bias"])
    classes = tf.tile([fitted.cultivars], [tf.shape(scores)[0], 1])
    make = tf.compat.v1.saved_model
    classify = make.classification_signature_def(examples, classes, scores)
    signatures = {"serving_default": classify, "classify_cultivar": classify}
    if tag is Tag.MOBILE:
        return signatures
    alcohol = x @ variables["alcohol_weights"] + variables["alcohol_bias"]
    outputs = {"probabilities": scores, "alcohol": alcohol[:, 0]}
    return signatures | {
        "regress_alcohol": make.regression_signature_def(examples, alcohol),
        "predict": make.predict_signature_def({"examples": examples}, outputs),
    }


def dropped(x: Any, tag: Tag) -> Any:
    """The features, [batch, features], for training with some of them left out at random."""
    import tensorflow as tf

    match tag:
        case Tag.TRAIN:
            return tf.nn.dropout(x, rate=DROPPED)
        case Tag.SERVE | Tag.MOBILE:
            return x
        case _:
            assert_never(tag)


def rounded(weights: Any, tag: Tag) -> Any:
    """The weights as they are, or for a phone as 255 steps from minus the largest one to the largest one."""
    import tensorflow as tf

    match tag:
        case Tag.MOBILE:
            step = tf.reduce_max(tf.abs(weights)) / 127
            return tf.round(weights / step) * step
        case Tag.SERVE | Tag.TRAIN:
            return weights
        case _:
            assert_never(tag)


def _quiet() -> None:
    """Silence what TensorFlow says when it is imported, and of the builder, which is old and does its work."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    warnings.filterwarnings("ignore")
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")


if __name__ == "__main__":
    main()
