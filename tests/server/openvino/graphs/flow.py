"""Graphs with loops, branches and assertions, and with a first part that only TensorFlow has."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tests.server.openvino.graphs.case import Array, Case, Inputs, Outcome, floats, rows, weights

_BODY, _HEAD, _REFUSED = Outcome.BODY, Outcome.HEAD, Outcome.REFUSED
_KERNEL = weights(4, 4) * 0.3


def _recurrent(tf: Any, x: Any, length: Any) -> Any:
    """As Keras writes recurrent layers: a list that a counter reads, and one that it fills."""
    given = tf.TensorArray(tf.float32, length).unstack(tf.transpose(x, [1, 0, 2]))
    made = tf.TensorArray(tf.float32, length, element_shape=(None, 4))

    def body(time: Any, state: Any, made: Any) -> Any:
        state = tf.tanh(given.read(time) + state @ _KERNEL)
        return time + 1, state, made.write(time, state)

    start = tf.zeros([tf.shape(x)[0], 4])
    _, state, made = tf.while_loop(lambda time, *_: time < length, body, (0, start, made), maximum_iterations=length)
    return [state, tf.transpose(made.stack(), [1, 0, 2])]


def _half_filled(tf: Any, x: Any) -> Any:
    made = tf.TensorArray(tf.float32, 6, element_shape=(None, 4))
    _, made = tf.while_loop(lambda i, *_: i < 3, lambda i, made: (i + 1, made.write(i, x[:, 0] @ _KERNEL)), (0, made))
    return made.stack()


def _until_small(tf: Any, x: Any) -> Any:
    return tf.while_loop(lambda y: tf.reduce_max(tf.abs(y)) > 0.5, lambda y: (y * 0.5 @ (tf.eye(4)),), (x,))[0]


def _powers(tf: Any, x: Any) -> Any:
    return tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, tf.tanh(y @ _KERNEL)), (0, x))[1]


def _powers_by_input(tf: Any, x: Any) -> Any:
    times = tf.cast(x[0, 0, 0], tf.int32)
    return tf.while_loop(lambda i, y: i < times, lambda i, y: (i + 1, tf.tanh(y @ _KERNEL)), (0, x))[1]


def _read_beyond(tf: Any, x: Any) -> Any:
    given = tf.TensorArray(tf.float32, 6).unstack(tf.transpose(x, [1, 0, 2]))
    return tf.while_loop(
        lambda i, y: i < 7, lambda i, y: (i + 1, y + given.read(i) @ _KERNEL), (0, tf.zeros([tf.shape(x)[0], 4]))
    )[1]


def _growing(tf: Any, x: Any) -> Any:
    return tf.while_loop(
        lambda i, y: i < 3,
        lambda i, y: (i + 1, tf.concat([y, y @ _KERNEL], 0)),
        (0, x[0]),
        shape_invariants=(tf.TensorShape([]), tf.TensorShape([None, 4])),
    )[1]


def _asserted(tf: Any, x: Any) -> Any:
    with tf.control_dependencies([tf.debugging.assert_less(tf.reduce_max(x), 5.0)]):
        return tf.identity(x) @ _KERNEL


def _asserted_after(tf: Any, x: Any) -> Any:
    found = x @ _KERNEL
    with tf.control_dependencies([tf.debugging.assert_less(tf.reduce_max(found), 5.0)]):
        return tf.identity(found)


def _printed(tf: Any, x: Any) -> Any:
    with tf.control_dependencies([tf.print(tf.shape(x)[0])]):
        return tf.identity(x) @ _KERNEL


_GRAPHS: dict[str, tuple[Outcome, Callable[..., Any]]] = {
    "recurrent": (_BODY, lambda tf, x: _recurrent(tf, x, 6)),
    "loop": (_BODY, _powers),
    "loop_by_input": (_REFUSED, _powers_by_input),
    "loop_until": (_REFUSED, _until_small),
    "loop_reads_beyond": (_REFUSED, _read_beyond),
    "loop_grows": (_REFUSED, _growing),
    "list_half_filled": (_REFUSED, _half_filled),
    "mapped": (_BODY, lambda tf, x: tf.map_fn(lambda row: tf.tanh(row @ _KERNEL), x)),
    "scanned": (_REFUSED, lambda tf, x: tf.scan(lambda a, b: tf.tanh(a + b @ _KERNEL), tf.transpose(x, [1, 0, 2]))),
    "branch": (
        _REFUSED,
        lambda tf, x: tf.cond(tf.reduce_sum(x) > 0.0, lambda: x @ _KERNEL, lambda: x @ weights(4, 4)),
    ),
    "switch": (
        _REFUSED,
        lambda tf, x: tf.switch_case(
            tf.cast(tf.reduce_sum(x), tf.int32), [lambda: x @ _KERNEL, lambda: x @ weights(4, 4)]
        ),
    ),
    "asserted": (_HEAD, _asserted),
    "asserted_after": (_REFUSED, _asserted_after),
    "check_numerics_first": (_HEAD, lambda tf, x: tf.debugging.check_numerics(x, "not finite") @ _KERNEL),
    "printed": (_HEAD, _printed),
    "ensured_shape": (_HEAD, lambda tf, x: tf.ensure_shape(x, [2, 6, 4]) @ _KERNEL),
    "gradient_stopped": (_BODY, lambda tf, x: tf.stop_gradient(x) @ _KERNEL),
    "optional": (_BODY, lambda tf, x: tf.grad_pass_through(tf.identity)(x) @ _KERNEL),
}


def _special() -> list[Array]:
    return [np.full((2, 6, 4), value, np.float32) for value in (np.nan, np.inf, -np.inf, 3e38)]


def cases() -> Iterator[Case]:
    """All of them."""
    inputs = [*rows(6, 4), *({"x": x} for x in (*_special(), *floats(2, 6, 4)))]
    for name, (outcome, function) in _GRAPHS.items():
        signature = {"x": ("float32", (None, 6, 4))}
        yield Case(name=name, outcome=outcome, signature=signature, function=function, inputs=inputs)
    yield Case(
        name="recurrent_of_open_length",
        outcome=_BODY,
        signature={"x": ("float32", (None, None, 4))},
        function=lambda tf, x: _recurrent(tf, x, tf.shape(x)[1]),
        inputs=[{"x": weights(*shape, 4)} for shape in ((1, 6), (3, 2), (2, 1), (2, 0), (0, 3))],
    )
    yield Case(
        name="loop_with_variable",
        outcome=_BODY,
        signature={"x": ("float32", (None, 6, 4))},
        function=lambda tf, x, variable: tf.while_loop(
            lambda i, y: i < 3, lambda i, y: (i + 1, tf.tanh(y @ variable)), (0, x)
        )[1],
        inputs=rows(6, 4),
        variable=_KERNEL,
    )
    yield Case(
        name="branch_by_flag",
        outcome=_REFUSED,
        signature={"x": ("float32", (None, 4)), "flag": ("bool", ())},
        function=lambda tf, x, flag: tf.cond(flag, lambda: x @ _KERNEL, lambda: -x),
        inputs=[],
    )
    yield from _heads()


def _heads() -> Iterator[Case]:
    yield Case(
        name="words",
        outcome=_HEAD,
        signature={"words": ("string", (None, 3))},
        function=lambda tf, words: tf.reduce_mean(
            tf.gather(weights(16, 4), tf.strings.to_hash_bucket_fast(words, 16)) @ _KERNEL, 1
        ),
        inputs=[{"words": np.array(rows_, object)} for rows_ in ([["a", "b", "c"]], [["", "x", "y"], ["a", "a", "a"]])],
    )
    yield Case(
        name="numbers_as_text",
        outcome=_HEAD,
        signature={"text": ("string", (None, 4))},
        function=lambda tf, text: tf.strings.to_number(text) @ _KERNEL,
        inputs=[{"text": np.array(rows_, object)} for rows_ in ([["1", "2", "3.5", "-1e3"]], [["1", "2", "x", "4"]])],
    )
    yield Case(
        name="text_given_back",
        outcome=_HEAD,
        signature={"text": ("string", (None, 1)), "x": ("float32", (None, 4))},
        function=lambda tf, text, x: [x @ _KERNEL, tf.strings.lower(text)],
        inputs=[{"text": np.array([["A"], ["B"]], object), "x": weights(2, 4)}],
    )
    yield Case(
        name="parsed_examples",
        outcome=_HEAD,
        signature={"examples": ("string", (None,))},
        function=lambda tf, examples: (
            tf.io.parse_example(examples, {"x": tf.io.FixedLenFeature([4], tf.float32)})["x"] @ _KERNEL
        ),
        inputs=_examples(),
    )
    yield Case(
        name="decoded_images",
        outcome=_HEAD,
        signature={"images": ("string", (None,))},
        function=_decoded,
        inputs=[{"images": np.array(files, object)} for files in ([_PNG], [_PNG, _PNG], [b"none"], [_PNG, b""])],
    )


def _decoded(tf: Any, images: Any) -> Any:
    def one(image: Any) -> Any:
        pixels = tf.io.decode_png(image, 3)
        return tf.ensure_shape(tf.image.resize(tf.cast(pixels, tf.float32), [8, 8]), [8, 8, 3])

    return tf.nn.conv2d(tf.map_fn(one, images, tf.float32), weights(3, 3, 3, 4), 2, "SAME")


def _examples() -> list[Inputs]:
    """Serialised tf.Examples with 4 floats, with 3, and what is none."""
    four = bytes.fromhex("0a1b0a190a017812141212" + "0a10" + "0000803f00000040000040400000803f")
    return [{"examples": np.array(batch, object)} for batch in ([four], [four, four], [b"no example"], [four, b""])]


_PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000002000000020802000000fdd49a73"
    "0000001649444154789c63e03a21f79fa181819189392ac00d001b4003660a3abb6a0000000049454e44ae426082"
)
"""Two by two pixels."""
