"""Graphs in which rounding or ties decide: the largest, the sorted, the unequal, and shapes that depend on values."""

from collections.abc import Callable, Iterator
from typing import Any

from tests.server.openvino.graphs.case import Case, Outcome, rows, weights

_KERNEL = weights(8, 8)

_GRAPHS: dict[str, tuple[Outcome, Callable[..., Any]]] = {
    "argmax": (Outcome.REFUSED, lambda tf, x: tf.argmax(x, 1)),
    "argmax_of_computed": (Outcome.REFUSED, lambda tf, x: tf.argmax(x @ _KERNEL, 1)),
    "argmin": (Outcome.REFUSED, lambda tf, x: tf.argmin(x, 1)),
    "best_row": (Outcome.REFUSED, lambda tf, x: tf.gather(_KERNEL, tf.argmax(x @ _KERNEL, 1))),
    "top_k": (Outcome.REFUSED, lambda tf, x: list(tf.math.top_k(x @ _KERNEL, 3))),
    "top_k_first": (Outcome.HEAD, lambda tf, x: tf.math.top_k(x, 4).values @ weights(4, 2)),
    "sort": (Outcome.REFUSED, lambda tf, x: tf.sort(x @ _KERNEL)),
    "argsort": (Outcome.REFUSED, lambda tf, x: tf.argsort(x @ _KERNEL)),
    "in_top_k": (Outcome.REFUSED, lambda tf, x: tf.math.in_top_k(tf.argmax(x, 1), x @ _KERNEL, 2)),
    "where_places": (Outcome.REFUSED, lambda tf, x: tf.where(x > 0)),
    "boolean_mask": (Outcome.REFUSED, lambda tf, x: tf.boolean_mask(x, x[:, 0] > 0)),
    "unique": (Outcome.REFUSED, lambda tf, x: tf.unique(tf.reshape(x, [-1]))[0]),
    "non_max_suppression": (
        Outcome.REFUSED,
        lambda tf, x: tf.image.non_max_suppression(x[:, :4], x[:, 4], 2),
    ),
    "dropout_of_threshold": (
        Outcome.REFUSED,
        lambda tf, x: tf.where(tf.reduce_max(x @ _KERNEL, 1, keepdims=True) > 1.0, x, 0.0),
    ),
    "histogram": (Outcome.REFUSED, lambda tf, x: tf.histogram_fixed_width(x, [0.0, 1.0])),
    "bucketize": (
        Outcome.HEAD,
        lambda tf, x: tf.one_hot(tf.raw_ops.Bucketize(input=x, boundaries=[0.0, 1.0, 2.0]), 4) @ weights(4, 2),
    ),
    "median": (Outcome.REFUSED, lambda tf, x: tf.sort(x @ _KERNEL, 1)[:, 4]),
    "random": (Outcome.HEAD, lambda tf, x: (x @ _KERNEL) + tf.random.stateless_uniform(tf.shape(x), [1, 2])),
}


def cases() -> Iterator[Case]:
    """All of them."""
    for name, (outcome, function) in _GRAPHS.items():
        yield Case(
            name=name,
            outcome=outcome,
            signature={"x": ("float32", (None, 8))},
            function=function,
            inputs=rows(8),
        )
