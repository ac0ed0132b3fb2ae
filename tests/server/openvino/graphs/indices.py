"""Graphs in which inputs are indices, or integers that are computed with."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tests.server.openvino.graphs.case import Array, Case, Inputs, Outcome, weights

_TABLE = weights(10, 4)
_IDS = [
    [[0, 1, 2], [9, 9, 0]],
    [[3, 4, 5]],
    [[10, 0, 0]],
    [[-1, 0, 0]],
    [[-10, 5, 1]],
    [[-11, 5, 1]],
    [[2**31 - 1, 0, 1]],
    [[-(2**31), 0, 1]],
    [[2**24 + 1, 0, 1]],
    [[0, 0, 0]],
    [[7, 7, 7], [1, 2, 3], [0, 0, 9]],
]


def _ids(dtype: str) -> list[Inputs]:
    return [{"ids": np.array(rows, dtype)} for rows in _IDS]


_LARGE = [{"ids": np.array(rows, np.int64)} for rows in ([[2**32, 0, 1]], [[2**32 + 3, 1, 1]], [[-(2**40), 1, 1]])]


def _of_ids(
    name: str, outcome: Outcome, function: Callable[..., Any], dtype: str = "int32", inputs: list[Inputs] | None = None
) -> Case:
    more = _LARGE if dtype == "int64" else []
    return Case(
        name=name,
        outcome=outcome,
        signature={"ids": (dtype, (None, 3))},
        function=function,
        inputs=[*_ids(dtype), *more] if inputs is None else inputs,
    )


def _wrapped(tf: Any, ids: Any) -> Any:
    """As Keras's Embedding takes ids from the end."""
    return tf.gather(_TABLE, tf.where(ids < 0, ids + 10, ids))


def _masked_mean(tf: Any, ids: Any) -> Any:
    mask = tf.cast(tf.not_equal(ids, 0), tf.float32)[..., None]
    return tf.reduce_sum(tf.gather(_TABLE, ids) * mask, 1) / tf.maximum(tf.reduce_sum(mask, 1), 1.0)


def _masked_mean_of_keras(tf: Any, ids: Any) -> Any:
    """Keras's pooling divides by how many are left, which may be none."""
    mask = tf.cast(tf.not_equal(ids, 0), tf.float32)[..., None]
    return tf.reduce_sum(tf.gather(_TABLE, ids) * mask, 1) / tf.reduce_sum(mask, 1)


_BODY, _HEAD, _REFUSED = Outcome.BODY, Outcome.HEAD, Outcome.REFUSED

_OF_IDS: dict[str, tuple[Outcome, str, Callable[..., Any]]] = {
    "embedding": (_BODY, "int32", lambda tf, ids: tf.gather(_TABLE, ids)),
    "embedding_of_old": (_BODY, "int32", lambda tf, ids: tf.raw_ops.Gather(params=_TABLE, indices=ids)),
    "embedding_of_int64": (_BODY, "int64", lambda tf, ids: tf.gather(_TABLE, ids)),
    "embedding_from_the_end": (_BODY, "int32", _wrapped),
    "embedding_from_the_end_of_int64": (_BODY, "int64", _wrapped),
    "embedding_moved_by_one": (_BODY, "int32", lambda tf, ids: tf.gather(_TABLE, ids + 1)),
    "embedding_of_cast": (_BODY, "int64", lambda tf, ids: tf.gather(_TABLE, tf.cast(ids, tf.int32))),
    "embedding_of_moved_ids": (
        _BODY,
        "int32",
        lambda tf, ids: tf.gather(_TABLE, tf.concat([tf.reshape(tf.transpose(ids), [3, -1]), [[1], [2], [3]]], 1)),
    ),
    "embedding_of_clipped": (_BODY, "int32", lambda tf, ids: tf.gather(_TABLE, tf.clip_by_value(ids, 0, 9))),
    "embedding_of_clipped_too_far": (_BODY, "int32", lambda tf, ids: tf.gather(_TABLE, tf.clip_by_value(ids, 0, 10))),
    "embedding_of_constant": (
        _BODY,
        "int32",
        lambda tf, ids: tf.gather(_TABLE, [1, 9, 0]) + tf.gather(_TABLE, ids),
    ),
    "masked_mean": (_BODY, "int32", _masked_mean),
    "masked_mean_of_keras": (_BODY, "int32", _masked_mean_of_keras),
    "gather_of_quotient": (_HEAD, "int32", lambda tf, ids: tf.gather(_TABLE, ids // 3) @ weights(4, 4)),
    "gather_of_remainder": (_HEAD, "int32", lambda tf, ids: tf.gather(_TABLE, ids % 10) @ weights(4, 4)),
    "gather_of_product": (_HEAD, "int64", lambda tf, ids: tf.gather(_TABLE, ids * ids) @ weights(4, 4)),
    "gather_nd": (
        _REFUSED,
        "int32",
        lambda tf, ids: tf.gather_nd(weights(10, 10, 10), ids),
    ),
    "one_hot": (_BODY, "int32", lambda tf, ids: tf.one_hot(ids, 10) @ _TABLE),
    "one_hot_of_int64": (_BODY, "int64", lambda tf, ids: tf.one_hot(ids, 10, 0.9, 0.1, axis=1)),
    "scatter": (
        _REFUSED,
        "int32",
        lambda tf, ids: tf.scatter_nd(tf.reshape(ids, [-1, 1]), tf.ones([tf.size(ids)]), [10]),
    ),
    "tensor_scatter": (
        _REFUSED,
        "int32",
        lambda tf, ids: tf.tensor_scatter_nd_update(_TABLE, ids[:, :1], tf.zeros([tf.shape(ids)[0], 4])),
    ),
    "segment_sum": (
        _REFUSED,
        "int32",
        lambda tf, ids: tf.math.segment_sum(tf.gather(_TABLE, [0, 1, 2]), ids[0]),
    ),
    "unsorted_segment_sum": (
        _REFUSED,
        "int32",
        lambda tf, ids: tf.math.unsorted_segment_sum(tf.ones(tf.shape(ids)), ids, 10),
    ),
    "bincount": (_REFUSED, "int32", lambda tf, ids: tf.math.bincount(ids, minlength=10, maxlength=10, axis=-1)),
    "sparse_to_dense": (
        _REFUSED,
        "int64",
        lambda tf, ids: tf.sparse.to_dense(tf.SparseTensor(ids[:, :1], tf.ones([tf.shape(ids)[0]]), [10])),
    ),
    "embedding_lookup_sparse": (
        _REFUSED,
        "int64",
        lambda tf, ids: tf.nn.safe_embedding_lookup_sparse(
            tf.constant(_TABLE), tf.sparse.from_dense(ids), None, combiner="sum"
        ),
    ),
    "sequence_mask": (
        _BODY,
        "int32",
        lambda tf, ids: tf.cast(tf.sequence_mask(ids, 5), tf.float32) @ weights(5, 2),
    ),
    "int32_arithmetic": (_HEAD, "int32", lambda tf, ids: tf.cast(ids * 3 - 7, tf.float32) @ weights(3, 2)),
    "int64_arithmetic": (_HEAD, "int64", lambda tf, ids: tf.cast(ids * ids + 1, tf.float32) @ weights(3, 2)),
    "int32_overflow": (_HEAD, "int32", lambda tf, ids: tf.cast(ids * 65536, tf.float32) @ weights(3, 2)),
    "integers_given_back": (_BODY, "int64", lambda tf, ids: ids * 2),
    "int32_division": (_HEAD, "int32", lambda tf, ids: tf.cast(ids // 2, tf.float32) @ weights(3, 2)),
    "int32_truncated_division": (
        _HEAD,
        "int32",
        lambda tf, ids: tf.cast(tf.truncatediv(ids, 2), tf.float32) @ weights(3, 2),
    ),
    "int32_modulo": (_HEAD, "int32", lambda tf, ids: tf.cast(ids % 3, tf.float32) @ weights(3, 2)),
    "true_division_of_integers": (_REFUSED, "int32", lambda tf, ids: tf.cast(ids / 3, tf.float32)),
    "bits": (_HEAD, "int32", lambda tf, ids: tf.cast(tf.bitwise.bitwise_and(ids, 5), tf.float32) @ weights(3, 2)),
    "sum_of_integers": (
        _HEAD,
        "int32",
        lambda tf, ids: tf.cast(tf.reduce_sum(ids, 1), tf.float32)[:, None] @ weights(1, 2),
    ),
    "mean_of_integers": (
        _HEAD,
        "int32",
        lambda tf, ids: tf.cast(tf.reduce_mean(ids, 1), tf.float32)[:, None] @ weights(1, 2),
    ),
    "largest_of_integers": (_BODY, "int32", lambda tf, ids: tf.gather(_TABLE, tf.reduce_max(ids, 1))),
}


def _bytes(*shape: int) -> list[Inputs]:
    values: list[Array] = [np.zeros(shape), np.full(shape, 255), np.arange(np.prod(shape)).reshape(shape) % 256]
    return [{"x": value.astype(np.uint8)} for value in values]


def cases() -> Iterator[Case]:
    """All of them."""
    for name, (outcome, dtype, function) in _OF_IDS.items():
        yield _of_ids(name, outcome, function, dtype)
    yield Case(
        name="gather_along_rows",
        outcome=_BODY,
        signature={"x": ("float32", (None, 6, 4)), "ids": ("int32", (None, 2))},
        function=lambda tf, x, ids: tf.gather(x, ids, batch_dims=1),
        inputs=[
            {"x": weights(2, 6, 4), "ids": np.array([[0, 5], [3, 3]], np.int32)},
            {"x": weights(2, 6, 4), "ids": np.array([[0, 6], [3, 3]], np.int32)},
            {"x": weights(2, 6, 4), "ids": np.array([[0, 5]], np.int32)},
            {"x": weights(1, 6, 4), "ids": np.array([[-1, 5]], np.int32)},
        ],
    )
    yield Case(
        name="gather_of_open_size",
        outcome=_HEAD,
        signature={"x": ("float32", (None, 4)), "ids": ("int32", (None,))},
        function=lambda tf, x, ids: tf.gather(x, ids) @ weights(4, 4),
        inputs=[{"x": weights(3, 4), "ids": np.array(ids, np.int32)} for ids in ([0, 2], [1], [3, 0], [-1])],
    )
    yield Case(
        name="pixels",
        outcome=_BODY,
        signature={"x": ("uint8", (None, 4, 4, 3))},
        function=lambda tf, x: tf.reduce_mean(tf.cast(x, tf.float32) / 127.5 - 1.0, [1, 2]),
        inputs=_bytes(2, 4, 4, 3),
    )
    yield Case(
        name="uint8_arithmetic",
        outcome=_HEAD,
        signature={"x": ("uint8", (None, 6))},
        function=lambda tf, x: tf.cast(x + x, tf.float32) @ weights(6, 2),
        inputs=_bytes(3, 6),
    )
    yield from _types()


def _types() -> Iterator[Case]:
    """Types that OpenVINO computes otherwise, or not at all."""
    for dtype in ("float64", "float16", "bfloat16", "complex64", "int16", "uint32", "uint64"):
        numpy = "float32" if dtype == "bfloat16" else dtype
        ones: list[Inputs] = [] if dtype == "bfloat16" else [{"x": np.ones((2, 4), numpy)}]
        yield Case(
            name=f"arithmetic_in_{dtype}",
            outcome=_REFUSED,
            signature={"x": (dtype, (None, 4))},
            function=lambda tf, x: x * x + x,
            inputs=ones,
        )
    yield Case(
        name="float64_inside",
        outcome=_HEAD,
        signature={"x": ("float32", (None, 4))},
        function=lambda tf, x: tf.cast(tf.cast(x, tf.float64) * (1.0 + 1e-12), tf.float32) @ weights(4, 2),
        inputs=[{"x": weights(2, 4)}],
    )
    yield Case(
        name="float_to_integer",
        outcome=_HEAD,
        signature={"x": ("float32", (None, 4))},
        function=lambda tf, x: tf.gather(_TABLE, tf.cast(x, tf.int32)) @ weights(4, 2),
        inputs=[
            {"x": np.array([[0.9, 1.1, 9.99, 3.0]], np.float32)},
            {"x": np.array([[-0.9, 1e10, 3.0, 4.0]], np.float32)},
            {"x": np.array([[np.nan, 1.0, 3.0, 4.0]], np.float32)},
        ],
    )
