"""Graphs of what moves values, and whose shapes hold for some numbers of rows, or for all."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tests.server.openvino.graphs.case import Array, Case, Inputs, Outcome, Spec, floats, rows, weights

_BODY, _HEAD, _REFUSED = Outcome.BODY, Outcome.HEAD, Outcome.REFUSED
_KERNEL = weights(4, 4)

# Each ends in a product, so that moving alone is not all there is.
_OF_ROWS: dict[str, tuple[Outcome, Callable[..., Any]]] = {
    "reshape_by_rows": (_BODY, lambda tf, x: tf.reshape(x, [-1, 2, 3, 4]) @ _KERNEL),
    "reshape_to_flat": (_BODY, lambda tf, x: tf.reshape(x, [tf.shape(x)[0], 24]) @ weights(24, 2)),
    "reshape_of_merged_rows": (_BODY, lambda tf, x: tf.reshape(x, [-1, 4]) @ _KERNEL),
    "reshape_that_few_rows_have": (_HEAD, lambda tf, x: tf.reshape(x, [-1, 5]) @ weights(5, 2)),
    "reshape_of_two_rows": (_HEAD, lambda tf, x: tf.reshape(x, [2, 24]) @ weights(24, 2)),
    "added_to_two_rows": (_REFUSED, lambda tf, x: (x @ _KERNEL) + weights(2, 6, 4)),
    "joined_with_two_rows": (_REFUSED, lambda tf, x: tf.concat([x @ _KERNEL, weights(2, 6, 4)], 2)),
    "two_rows_below": (_BODY, lambda tf, x: tf.concat([x @ _KERNEL, weights(2, 6, 4)], 0)),
    "first_row": (_BODY, lambda tf, x: x[0] @ _KERNEL),
    "last_row": (_BODY, lambda tf, x: x[-1] @ _KERNEL),
    "second_row": (_REFUSED, lambda tf, x: (x @ _KERNEL)[1]),
    "first_two_rows": (_BODY, lambda tf, x: x[:2] @ _KERNEL),
    "all_but_first_row": (_REFUSED, lambda tf, x: tf.reduce_sum((x @ _KERNEL)[1:], 0)),
    "mean_of_rows": (_BODY, lambda tf, x: tf.reduce_mean(x @ _KERNEL, 0)),
    "rows_with_rows": (_BODY, lambda tf, x: tf.reshape(x, [-1, 24]) @ tf.transpose(tf.reshape(x, [-1, 24]))),
    "transpose": (_BODY, lambda tf, x: tf.matmul(_KERNEL, tf.transpose(x, [0, 2, 1]))),
    "expand_and_squeeze": (_BODY, lambda tf, x: tf.squeeze(x[:, None], 1) @ _KERNEL),
    "squeeze_of_rows": (_REFUSED, lambda tf, x: tf.squeeze(x @ _KERNEL)),
    "concat": (_BODY, lambda tf, x: tf.concat([x, x * 2.0, tf.nn.relu(x)], -1) @ weights(12, 2)),
    "stack": (_BODY, lambda tf, x: tf.stack([x, -x], 1) @ _KERNEL),
    "unstack": (_BODY, lambda tf, x: sum(tf.unstack(x, axis=1)) @ _KERNEL),
    "split": (_BODY, lambda tf, x: tf.split(x, 3, 1)[1] @ _KERNEL),
    "split_unevenly": (_BODY, lambda tf, x: tf.split(x, [1, 3, 2], 1)[2] @ _KERNEL),
    "split_of_rows": (_REFUSED, lambda tf, x: tf.split(x @ _KERNEL, 2, 0)[1]),
    "strided_slice": (_BODY, lambda tf, x: x[:, 1:5:2, ::-1] @ _KERNEL),
    "strided_slice_from_end": (_BODY, lambda tf, x: x[:, -2:, :-1] @ weights(3, 2)),
    "strided_slice_backwards": (_BODY, lambda tf, x: x[:, 4:1:-1] @ _KERNEL),
    "strided_slice_beyond": (_BODY, lambda tf, x: x[:, 2:100] @ _KERNEL),
    "ellipsis_and_new_axis": (_BODY, lambda tf, x: x[..., None, 1:3] @ weights(2, 2)),
    "slice": (_BODY, lambda tf, x: tf.slice(x, [0, 1, 0], [-1, 3, 4]) @ _KERNEL),
    "tile": (_BODY, lambda tf, x: tf.tile(x, [1, 2, 1]) @ _KERNEL),
    "tile_of_constant": (
        _BODY,
        lambda tf, x: tf.concat([tf.tile(weights(1, 1, 4), [tf.shape(x)[0], 1, 1]), x], 1) @ _KERNEL,
    ),
    "broadcast_to": (
        _BODY,
        lambda tf, x: (x + tf.broadcast_to(weights(1, 4), [tf.shape(x)[0], 6, 4])) @ _KERNEL,
    ),
    "fill": (_BODY, lambda tf, x: (x + tf.fill([tf.shape(x)[0], 1, 4], 0.5)) @ _KERNEL),
    "range": (
        _BODY,
        lambda tf, x: x * tf.cast(tf.range(tf.shape(x)[1]), tf.float32)[:, None] @ _KERNEL,
    ),
    "range_of_rows": (
        _BODY,
        lambda tf, x: x * tf.cast(tf.range(tf.shape(x)[0]), tf.float32)[:, None, None] @ _KERNEL,
    ),
    "reverse": (_BODY, lambda tf, x: tf.reverse(x, [1]) @ _KERNEL),
    "pad": (_BODY, lambda tf, x: tf.pad(x, [[0, 0], [1, 2], [0, 0]]) @ _KERNEL),
    "pad_with_constant": (_BODY, lambda tf, x: tf.pad(x, [[0, 0], [1, 2], [0, 0]], constant_values=3.0) @ _KERNEL),
    "pad_reflected": (_BODY, lambda tf, x: tf.pad(x, [[0, 0], [1, 2], [0, 0]], "REFLECT") @ _KERNEL),
    "pad_mirrored": (_BODY, lambda tf, x: tf.pad(x, [[0, 0], [1, 2], [0, 0]], "SYMMETRIC") @ _KERNEL),
    "pad_of_rows_reflected": (_REFUSED, lambda tf, x: tf.pad(x @ _KERNEL, [[1, 1], [0, 0], [0, 0]], "REFLECT")),
    "roll": (_REFUSED, lambda tf, x: tf.roll(x @ _KERNEL, 1, 1)),
    "cumsum": (_BODY, lambda tf, x: tf.cumsum(x, 1) @ _KERNEL),
    "cumsum_backwards": (_BODY, lambda tf, x: tf.cumsum(x, 1, exclusive=True, reverse=True) @ _KERNEL),
    "cumprod": (_REFUSED, lambda tf, x: tf.math.cumprod(x @ _KERNEL, 1)),
    "matrix_diag": (_HEAD, lambda tf, x: tf.linalg.diag(x) @ _KERNEL),
    "band_part": (_HEAD, lambda tf, x: tf.linalg.band_part(x, -1, 0) @ _KERNEL),
    "size_and_rank": (
        _BODY,
        lambda tf, x: x @ _KERNEL * tf.cast(tf.rank(x), tf.float32) * tf.cast(tf.shape(x)[1], tf.float32),
    ),
    "number_of_rows": (_BODY, lambda tf, x: x @ _KERNEL / tf.cast(tf.shape(x)[0], tf.float32)),
    "number_of_elements": (_BODY, lambda tf, x: x @ _KERNEL / tf.cast(tf.size(x), tf.float32)),
    "passed_through": (_HEAD, lambda tf, x: [x @ _KERNEL, x]),
    "one_tensor_twice": (_BODY, lambda tf, x: [x @ _KERNEL, tf.identity(x @ _KERNEL)]),
    "inner_tensor_given_back": (_BODY, lambda tf, x: _inner(tf, x)),
    "constant_given_back": (_HEAD, lambda tf, x: [x @ _KERNEL, tf.constant(weights(3))]),
}


def _inner(tf: Any, x: Any) -> list[Any]:
    hidden = tf.nn.relu(x @ _KERNEL)
    return [hidden, hidden @ _KERNEL]


_TWO_OPEN: dict[str, Spec] = {"x": ("float32", (None, None, 4)), "y": ("float32", (None, None, 4))}


def _pair(x: tuple[int, ...], y: tuple[int, ...]) -> dict[str, Array]:
    return {"x": weights(*x), "y": weights(*y)}


_PAIRS: list[Inputs] = [
    _pair((2, 3, 4), (2, 3, 4)),
    _pair((2, 3, 4), (2, 1, 4)),
    _pair((2, 3, 4), (1, 3, 4)),
    _pair((2, 3, 4), (2, 5, 4)),
    _pair((2, 3, 4), (3, 3, 4)),
    _pair((1, 1, 4), (1, 1, 4)),
    _pair((2, 0, 4), (2, 0, 4)),
]


def cases() -> Iterator[Case]:
    """All of them."""
    for name, (outcome, function) in _OF_ROWS.items():
        yield Case(
            name=name,
            outcome=outcome,
            signature={"x": ("float32", (None, 6, 4))},
            function=function,
            inputs=[{"x": x} for x in (*floats(3, 6, 4), weights(1, 6, 4), weights(2, 6, 4), weights(5, 6, 4))]
            + [{"x": np.zeros((0, 6, 4), np.float32)}, {"x": weights(2, 5, 4)}, {"x": weights(6, 4)}],
        )
    for name, function in {
        "open_sizes_added": lambda tf, x, y: (x + y) @ _KERNEL,
        "open_sizes_multiplied": lambda tf, x, y: tf.matmul(x, y, transpose_b=True),
        "open_sizes_joined": lambda tf, x, y: tf.concat([x, y], 1) @ _KERNEL,
        "open_sizes_attended": lambda tf, x, y: tf.nn.softmax(tf.matmul(x, y, transpose_b=True)) @ y,
    }.items():
        yield Case(name=name, outcome=_BODY, signature=_TWO_OPEN, function=function, inputs=_PAIRS)
    yield Case(
        name="open_size_met_by_a_constant",
        outcome=_REFUSED,
        signature={"x": ("float32", (None, None, 4))},
        function=lambda tf, x: x @ _KERNEL + weights(3, 4),
        inputs=[{"x": weights(2, 3, 4)}, {"x": weights(2, 1, 4)}, {"x": weights(2, 4, 4)}],
    )
    yield Case(
        name="open_channels",
        outcome=_REFUSED,
        signature={"x": ("float32", (None, None))},
        function=lambda tf, x: x @ weights(4, 2),
        inputs=[{"x": weights(2, 4)}, {"x": weights(2, 5)}],
    )
    yield Case(
        name="unknown_rank",
        outcome=_REFUSED,
        signature={"x": ("float32", None)},
        function=lambda tf, x: tf.nn.relu(x) * 2.0,
        inputs=[{"x": weights(2, 4)}],
    )
    yield Case(
        name="no_rows_at_all",
        outcome=_BODY,
        signature={"x": ("float32", (4,))},
        function=lambda tf, x: tf.linalg.matvec(_KERNEL, x),
        inputs=[{"x": x} for x in floats(4)],
    )
    yield Case(
        name="single_number",
        outcome=_BODY,
        signature={"x": ("float32", ())},
        function=lambda tf, x: tf.tanh(x * weights(4)),
        inputs=[{"x": np.array(value, np.float32)} for value in (0.0, -1.0, 3.0)],
    )
    yield Case(
        name="seven_axes",
        outcome=_BODY,
        signature={"x": ("float32", (None, 2, 3, 2, 3, 2, 2))},
        function=lambda tf, x: tf.reduce_sum(tf.transpose(tf.tanh(x), [0, 6, 2, 5, 1, 3, 4]) * 2.0, [1, 3]),
        inputs=rows(2, 3, 2, 3, 2, 2),
    )
    yield Case(
        name="fixed_rows",
        outcome=_BODY,
        signature={"x": ("float32", (2, 3))},
        function=lambda tf, x: tf.reshape(x, [-1, 6]) @ weights(6, 2),
        inputs=[{"x": weights(2, 3)}, {"x": weights(1, 3)}],
    )
