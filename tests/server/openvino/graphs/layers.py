"""Graphs of the layers that models are made of."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tests.server.openvino.graphs.case import Case, Outcome, floats, rows, weights

_BODY, _HEAD, _REFUSED = Outcome.BODY, Outcome.HEAD, Outcome.REFUSED


def _normalised(tf: Any, x: Any, epsilon: float) -> Any:
    mean, variance = tf.nn.moments(x, [-1], keepdims=True)
    return tf.nn.batch_normalization(x, mean, variance, weights(4), weights(4), epsilon)


def _batch_normalised(tf: Any, x: Any) -> Any:
    scale = abs(weights(4)) + 0.5
    return tf.raw_ops.FusedBatchNormV3(
        x=x, scale=scale, offset=scale, mean=weights(4), variance=scale, epsilon=1e-3, is_training=False
    ).y


def _heads(x: Any) -> Any:
    return x[..., None, :] * weights(2, 1)


_OF_IMAGES: dict[str, tuple[Outcome, Callable[..., Any]]] = {
    "conv2d_same": (_BODY, lambda tf, x: tf.nn.conv2d(x, weights(3, 3, 4, 5), 1, "SAME")),
    "conv2d_valid_strided": (_BODY, lambda tf, x: tf.nn.conv2d(x, weights(3, 2, 4, 5), 2, "VALID")),
    "conv2d_same_strided": (_BODY, lambda tf, x: tf.nn.conv2d(x, weights(3, 3, 4, 5), [1, 2, 3, 1], "SAME")),
    "conv2d_dilated": (_BODY, lambda tf, x: tf.nn.conv2d(x, weights(3, 3, 4, 5), 1, "SAME", dilations=2)),
    "conv2d_padded": (
        _BODY,
        lambda tf, x: tf.nn.conv2d(x, weights(3, 3, 4, 5), 2, [[0, 0], [1, 2], [2, 0], [0, 0]]),
    ),
    "conv2d_grouped": (_BODY, lambda tf, x: tf.nn.conv2d(x, weights(3, 3, 2, 6), 1, "SAME")),
    "depthwise": (_BODY, lambda tf, x: tf.nn.depthwise_conv2d(x, weights(3, 3, 4, 2), [1, 2, 2, 1], "SAME")),
    "separable": (
        _BODY,
        lambda tf, x: tf.nn.separable_conv2d(x, weights(3, 3, 4, 1), weights(1, 1, 4, 5), [1, 1, 1, 1], "VALID"),
    ),
    "conv2d_transposed": (
        _BODY,
        lambda tf, x: tf.nn.conv2d_transpose(x, weights(3, 3, 5, 4), [tf.shape(x)[0], 14, 12, 5], 2, "SAME"),
    ),
    "max_pool": (_BODY, lambda tf, x: tf.nn.max_pool2d(x, 3, 2, "SAME")),
    "max_pool_valid": (_BODY, lambda tf, x: tf.nn.max_pool2d(x, 2, 2, "VALID")),
    "average_pool_same": (_BODY, lambda tf, x: tf.nn.avg_pool2d(x, 3, 2, "SAME")),
    "average_pool_valid": (_BODY, lambda tf, x: tf.nn.avg_pool2d(x, [2, 3], 1, "VALID")),
    "max_pool_with_places": (_REFUSED, lambda tf, x: tf.nn.max_pool_with_argmax(x, 2, 2, "VALID")[0]),
    "fractional_pool": (_REFUSED, lambda tf, x: tf.nn.fractional_max_pool(x, 1.5, seed=1)[0]),
    "global_max": (_BODY, lambda tf, x: tf.reduce_max(x, [1, 2])),
    "global_mean": (_BODY, lambda tf, x: tf.reduce_mean(x, [1, 2], keepdims=True)),
    "fused_batch_norm": (_BODY, _batch_normalised),
    "bias_first": (_REFUSED, lambda tf, x: tf.nn.bias_add(x * 2.0, weights(7), "NCHW")),
    "local_response_normalisation": (_REFUSED, lambda tf, x: tf.nn.local_response_normalization(x)),
    "resize_bilinear": (_BODY, lambda tf, x: tf.image.resize(x, [14, 9])),
    "resize_bilinear_smaller": (_BODY, lambda tf, x: tf.image.resize(x, [3, 4])),
    "resize_bilinear_of_corners": (_REFUSED, lambda tf, x: tf.compat.v1.image.resize_bilinear(x, [9, 9], True)),
    "resize_bilinear_old": (_BODY, lambda tf, x: tf.compat.v1.image.resize_bilinear(x, [14, 9])),
    "resize_nearest": (_BODY, lambda tf, x: tf.image.resize(x, [14, 12], "nearest") * 2.0),
    "resize_nearest_uneven": (_HEAD, lambda tf, x: tf.image.resize(x, [10, 9], "nearest") * 2.0),
    "resize_bicubic": (_HEAD, lambda tf, x: tf.image.resize(x, [10, 9], "bicubic") * 2.0),
    "resize_area": (_HEAD, lambda tf, x: tf.image.resize(x, [5, 3], "area") * 2.0),
    "depth_to_space": (_BODY, lambda tf, x: tf.nn.depth_to_space(x, 2) * weights(1)),
    "space_to_depth": (_BODY, lambda tf, x: tf.nn.space_to_depth(x[:, :6], 2) * weights(16)),
    "space_to_batch": (
        _REFUSED,
        lambda tf, x: tf.batch_to_space(tf.space_to_batch(x * 2.0, [2, 2], [[1, 0], [0, 0]]), [2, 2], [[1, 0], [0, 0]]),
    ),
    "dilation": (_REFUSED, lambda tf, x: tf.nn.dilation2d(x, weights(3, 3, 4), [1, 1, 1, 1], "SAME", "NHWC", [1] * 4)),
    "image_patches": (
        _HEAD,
        lambda tf, x: tf.image.extract_patches(x, [1, 3, 3, 1], [1, 2, 2, 1], [1, 1, 1, 1], "SAME") @ weights(36, 2),
    ),
    "adjusted_contrast": (_HEAD, lambda tf, x: tf.image.adjust_contrast(x, 0.5) * 2.0),
    "rgb_to_hsv": (_HEAD, lambda tf, x: tf.image.rgb_to_hsv(x[..., :3]) * 2.0),
}

_OF_SEQUENCES: dict[str, tuple[Outcome, Callable[..., Any]]] = {
    "conv1d": (_BODY, lambda tf, x: tf.nn.conv1d(x, weights(3, 4, 5), 2, "SAME")),
    "conv1d_causal": (
        _BODY,
        lambda tf, x: tf.nn.conv1d(tf.pad(x, [[0, 0], [2, 0], [0, 0]]), weights(3, 4, 5), 1, "VALID"),
    ),
    "dense": (_BODY, lambda tf, x: tf.nn.relu(tf.tensordot(x, weights(4, 5), 1) + weights(5))),
    "layer_norm": (_BODY, lambda tf, x: _normalised(tf, x, 1e-3)),
    "softmax": (_BODY, lambda tf, x: tf.nn.softmax(x)),
    "softmax_of_rows": (_BODY, lambda tf, x: tf.nn.softmax(x, axis=1)),
    "log_softmax": (_BODY, lambda tf, x: tf.nn.log_softmax(x)),
    "logsumexp": (_HEAD, lambda tf, x: tf.reduce_logsumexp(x, 1)),
    "l2_normalise": (_BODY, lambda tf, x: tf.math.l2_normalize(x, -1, 1e-6)),
    "batched_product_of_old": (_BODY, lambda tf, x: tf.raw_ops.BatchMatMul(x=x, y=x, adj_y=True)),
    "norm": (_BODY, lambda tf, x: tf.norm(x, axis=-1)),
    "attention": (
        _BODY,
        lambda tf, x: tf.nn.softmax(tf.matmul(x, x, transpose_b=True) / 2.0 + weights(7, 7)) @ x,
    ),
    "attention_masked": (
        _BODY,
        lambda tf, x: tf.nn.softmax(tf.where(x[:, None, :, 0] > 0.0, tf.matmul(x, x, transpose_b=True), -1e9)) @ x,
    ),
    "attention_masked_by_lowest": (
        _BODY,
        lambda tf, x: (
            tf.nn.softmax(tf.matmul(x, x, transpose_b=True) + tf.cast(x[:, None, :, 0] <= 0.0, tf.float32) * -3.4e38)
            @ x
        ),
    ),
    "attention_masked_by_infinity": (
        _REFUSED,
        lambda tf, x: tf.nn.softmax(tf.where(x[:, None, :, 0] > 0.0, tf.matmul(x, x, transpose_b=True), -np.inf)) @ x,
    ),
    "attention_of_heads": (
        _BODY,
        lambda tf, x: tf.einsum(
            "bhts,bshd->bthd",
            tf.nn.softmax(tf.einsum("bthd,bshd->bhts", _heads(x), _heads(x))),
            _heads(x),
        ),
    ),
    "einsum_transposed": (_BODY, lambda tf, x: tf.einsum("bth->htb", x) * 2.0),
    "einsum_summed": (_BODY, lambda tf, x: tf.einsum("bth->b", x * x) * 2.0),
    "reduced_over_nothing": (_BODY, lambda tf, x: tf.reduce_mean(x * 2.0, [])),
    "einsum": (_BODY, lambda tf, x: tf.einsum("bth,hij->bitj", x, weights(4, 2, 3))),
    "einsum_of_two": (_BODY, lambda tf, x: tf.einsum("bth,bsh->bts", x, x)),
    "einsum_with_ellipsis": (_REFUSED, lambda tf, x: tf.einsum("...h,hi->...i", x, weights(4, 2))),
    "einsum_of_diagonal": (_REFUSED, lambda tf, x: tf.einsum("bii->bi", x[:, :4] * 2.0)),
    "sum": (_BODY, lambda tf, x: tf.reduce_sum(x, 1)),
    "mean": (_BODY, lambda tf, x: tf.reduce_mean(x, [1, 2])),
    "max": (_BODY, lambda tf, x: tf.reduce_max(x, -1, keepdims=True)),
    "min": (_BODY, lambda tf, x: tf.reduce_min(x, -1)),
    "product": (_REFUSED, lambda tf, x: tf.reduce_prod(x, -1)),
    "variance": (_BODY, lambda tf, x: tf.math.reduce_variance(x, 1)),
    "any": (_BODY, lambda tf, x: tf.where(tf.reduce_any(x > 2.0, -1, keepdims=True), x, 0.0)),
    "all": (_BODY, lambda tf, x: tf.where(tf.reduce_all(x < 2.0, -1, keepdims=True), x, 0.0)),
    "fft": (_REFUSED, lambda tf, x: tf.abs(tf.signal.rfft(tf.transpose(x * 2.0, [0, 2, 1])))),
    "stft_first": (
        _HEAD,
        lambda tf, x: tf.abs(tf.signal.stft(tf.reshape(x, [-1, 28]), 8, 4)) @ weights(5, 2),
    ),
    "determinant": (_REFUSED, lambda tf, x: tf.linalg.det(x[:, :4])),
    "inverse": (_REFUSED, lambda tf, x: tf.linalg.inv(x[:, :4])),
    "cholesky": (_REFUSED, lambda tf, x: tf.linalg.cholesky(tf.matmul(x, x, transpose_a=True) + tf.eye(4))),
    "ctc_decoded": (
        _REFUSED,
        lambda tf, x: tf.nn.ctc_greedy_decoder(tf.transpose(x, [1, 0, 2]), tf.fill([tf.shape(x)[0]], 7))[1],
    ),
}


def cases() -> Iterator[Case]:
    """All of them."""
    for name, (outcome, function) in _OF_IMAGES.items():
        yield Case(
            name=name,
            outcome=outcome,
            signature={"x": ("float32", (None, 7, 6, 4))},
            function=function,
            inputs=[{"x": x} for x in (*floats(2, 7, 6, 4), weights(1, 7, 6, 4), weights(5, 7, 6, 4))],
        )
    for name, (outcome, function) in _OF_SEQUENCES.items():
        yield Case(
            name=name,
            outcome=outcome,
            signature={"x": ("float32", (None, 7, 4))},
            function=function,
            inputs=rows(7, 4),
        )
    yield Case(
        name="conv2d_of_open_size",
        outcome=_BODY,
        signature={"x": ("float32", (None, None, None, 4))},
        function=lambda tf, x: tf.reduce_mean(tf.nn.conv2d(x, weights(3, 3, 4, 5), 2, "SAME"), [1, 2]),
        inputs=[{"x": weights(*shape, 4)} for shape in ((1, 7, 6), (2, 8, 8), (1, 1, 1), (3, 2, 9))],
    )
    yield Case(
        name="average_pool_3d",
        outcome=_BODY,
        signature={"x": ("float32", (None, 5, 6, 7, 2))},
        function=lambda tf, x: tf.nn.avg_pool3d(x, 2, 2, "SAME"),
        inputs=rows(5, 6, 7, 2),
    )
    yield Case(
        name="conv3d",
        outcome=_BODY,
        signature={"x": ("float32", (None, 5, 6, 7, 2))},
        function=lambda tf, x: tf.nn.max_pool3d(
            tf.nn.conv3d(x, weights(3, 3, 3, 2, 4), [1, 1, 1, 1, 1], "SAME"), 2, 2, "VALID"
        ),
        inputs=rows(5, 6, 7, 2),
    )
