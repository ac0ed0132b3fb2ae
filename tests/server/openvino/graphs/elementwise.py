"""Graphs of what is computed element by element."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tests.server.openvino.graphs.case import Case, Outcome, floats, rows, weights

_X = {"x": ("float32", (None, 8))}
_TWO = {"x": ("float32", (None, 8)), "y": ("float32", (None, 8))}
_KERNEL = weights(8, 8)


def _one(name: str, outcome: Outcome, function: Callable[..., Any]) -> Case:
    return Case(name=name, outcome=outcome, signature=_X, function=function, inputs=rows(8))


def _two(name: str, outcome: Outcome, function: Callable[..., Any]) -> Case:
    pairs = zip(floats(3, 8), floats(3, 8)[3:] + floats(3, 8)[:3], strict=True)
    inputs = [{"x": x, "y": y} for x, y in pairs] + [{"x": weights(2, 8), "y": weights(1, 8)}]
    inputs += [{"x": weights(3, 8), "y": weights(2, 8)}]
    return Case(name=name, outcome=outcome, signature=_TWO, function=function, inputs=inputs)


_SMOOTH: dict[str, Callable[..., Any]] = {
    "abs": lambda tf, x: tf.abs(x),
    "neg": lambda tf, x: -x,
    "relu": lambda tf, x: tf.nn.relu(x),
    "relu6": lambda tf, x: tf.nn.relu6(x),
    "leaky_relu": lambda tf, x: tf.nn.leaky_relu(x, 0.3),
    "elu": lambda tf, x: tf.nn.elu(x),
    "selu": lambda tf, x: tf.nn.selu(x),
    "sigmoid": lambda tf, x: tf.sigmoid(x),
    "tanh": lambda tf, x: tf.tanh(x),
    "softplus": lambda tf, x: tf.nn.softplus(x),
    "softsign": lambda tf, x: tf.nn.softsign(x),
    "gelu": lambda tf, x: tf.nn.gelu(x),
    "gelu_approximate": lambda tf, x: tf.nn.gelu(x, approximate=True),
    "swish": lambda tf, x: tf.nn.silu(x),
    "hard_swish": lambda tf, x: x * tf.nn.relu6(x + 3.0) / 6.0,
    "mish": lambda tf, x: x * tf.tanh(tf.nn.softplus(x)),
    "erfc": lambda tf, x: tf.math.erfc(x),
    "exp_of_negative": lambda tf, x: tf.exp(-tf.abs(x)),
    "square": lambda tf, x: tf.square(x),
    "cube": lambda tf, x: tf.pow(x, 3.0),
    "given_back_as_bool": lambda tf, x: [x > 0.0, tf.shape(x), x @ _KERNEL],
    "reciprocal_by_division": lambda tf, x: 1.0 / x,
    "sqrt_of_square": lambda tf, x: tf.sqrt(tf.square(x)),
    "rsqrt_above_epsilon": lambda tf, x: tf.math.rsqrt(tf.square(x) + 1e-3),
    "log_above_epsilon": lambda tf, x: tf.math.log(tf.abs(x) + 1e-3),
    "sin": lambda tf, x: tf.sin(x),
    "cos": lambda tf, x: tf.cos(x),
    "atan": lambda tf, x: tf.atan(x),
    "bias_add": lambda tf, x: tf.nn.bias_add(x, weights(8)),
    "clip": lambda tf, x: tf.clip_by_value(x, -0.5, 0.5),
    "maximum_of_constant": lambda tf, x: tf.maximum(x, 0.25),
    "divided_by_constant": lambda tf, x: x / weights(8),
    "divided_by_large": lambda tf, x: x / (1.0 + tf.abs(x)),
    "add_of_old": lambda tf, x: tf.raw_ops.Add(x=x, y=weights(8)),
    "select_of_old": lambda tf, x: tf.raw_ops.Select(condition=x > 0.0, x=x, y=-2.0 * x),
    "add_n": lambda tf, x: tf.add_n([x, x * 2.0, tf.nn.relu(x)]),
    "where_input_is_positive": lambda tf, x: tf.where(x > 0.0, x, 0.1 * x),
    "where_inputs_are_equal": lambda tf, x: tf.where(tf.equal(x, 1.0), x @ _KERNEL, x),
    "zeros_and_ones_like": lambda tf, x: tf.zeros_like(x) + 2.0 * tf.ones_like(x) + x,
}
"""OpenVINO's."""

_EDGED: dict[str, Callable[..., Any]] = {
    "erf": lambda tf, x: tf.math.erf(x),
    "expm1": lambda tf, x: tf.math.expm1(-tf.abs(x)),
    "log1p": lambda tf, x: tf.math.log1p(tf.nn.relu(x)),
    "floor": lambda tf, x: tf.floor(x),
    "ceil": lambda tf, x: tf.math.ceil(x),
    "round": lambda tf, x: tf.round(x),
    "rint": lambda tf, x: tf.math.rint(x),
    "sign": lambda tf, x: tf.sign(x),
    "floor_of_computed": lambda tf, x: tf.floor(x @ _KERNEL),
    "step_of_computed": lambda tf, x: tf.where((x @ _KERNEL) > 0.0, 1.0, 0.0),
    "log": lambda tf, x: tf.math.log(x),
    "sqrt": lambda tf, x: tf.sqrt(x),
    "rsqrt": lambda tf, x: tf.math.rsqrt(x),
    "reciprocal": lambda tf, x: tf.math.reciprocal(x),
    "log_of_difference": lambda tf, x: tf.math.log(tf.abs(x - tf.reduce_mean(x, 1, keepdims=True)) + 1e-7),
    "sqrt_of_difference": lambda tf, x: tf.sqrt(tf.nn.relu(x @ _KERNEL)),
    "divided_by_difference": lambda tf, x: x / tf.maximum(x @ _KERNEL, 1e-7),
    "pow_by_half": lambda tf, x: tf.pow(x, 0.5),
    "pow_by_input": lambda tf, x: tf.pow(x, x),
    "constant_to_the_input": lambda tf, x: tf.pow(-2.0, x),
    "normalised_by_itself": lambda tf, x: x / tf.reduce_sum(x, axis=-1, keepdims=True),
    "standardised_without_epsilon": lambda tf, x: (
        (x - tf.reduce_mean(x, 1, keepdims=True)) / tf.math.reduce_std(x, 1, keepdims=True)
    ),
    "check_numerics": lambda tf, x: tf.debugging.check_numerics(x @ _KERNEL, "not finite"),
    "fake_quant": lambda tf, x: tf.quantization.fake_quant_with_min_max_args(x @ _KERNEL, -6, 6),
    "float_modulo": lambda tf, x: tf.math.floormod(x, 0.5),
    "digamma": lambda tf, x: tf.math.digamma(x),
    "acos": lambda tf, x: tf.acos(x),
    "tan": lambda tf, x: tf.tan(x),
}
"""TensorFlow's: poles, edges and steps."""

_EDGED_FIRST: dict[str, Callable[..., Any]] = {
    "floor_first": lambda tf, x: tf.floor(x) @ _KERNEL,
    "equal_of_computed": lambda tf, x: tf.cast(tf.equal(x * 0.1, x / 10.0), tf.float32),
    "is_finite": lambda tf, x: tf.where(tf.math.is_finite(x), x, 0.0),
    "is_nan": lambda tf, x: tf.where(tf.math.is_nan(x / x), 1.0, 0.0),
    "divided_first": lambda tf, x: tf.math.reciprocal(x) @ _KERNEL,
}
"""OpenVINO's behind those."""

_PAIRED: dict[str, tuple[Outcome, Callable[..., Any]]] = {
    "add": (Outcome.BODY, lambda tf, x, y: x + y),
    "subtract": (Outcome.BODY, lambda tf, x, y: x - y),
    "multiply": (Outcome.BODY, lambda tf, x, y: x * y),
    "maximum": (Outcome.BODY, lambda tf, x, y: tf.maximum(x, y)),
    "minimum": (Outcome.BODY, lambda tf, x, y: tf.minimum(x, y)),
    "squared_difference": (Outcome.BODY, lambda tf, x, y: tf.math.squared_difference(x, y)),
    "compared_inputs": (Outcome.BODY, lambda tf, x, y: tf.where(x >= y, x @ _KERNEL, y)),
    "divide": (Outcome.BODY, lambda tf, x, y: x / y),
    "divide_no_nan": (Outcome.REFUSED, lambda tf, x, y: tf.math.divide_no_nan(x, y)),
    "floor_divide": (Outcome.REFUSED, lambda tf, x, y: x // y),
    "modulo": (Outcome.REFUSED, lambda tf, x, y: tf.math.floormod(x, y)),
    "atan2": (Outcome.REFUSED, lambda tf, x, y: tf.atan2(x, y)),
    "xlogy": (Outcome.REFUSED, lambda tf, x, y: tf.math.xlogy(x, y)),
}


def cases() -> Iterator[Case]:
    """All of them."""
    for name, function in _SMOOTH.items():
        yield _one(name, Outcome.BODY, function)
    for name, function in _EDGED.items():
        yield _one(name, Outcome.REFUSED, function)
    for name, function in _EDGED_FIRST.items():
        yield _one(name, Outcome.HEAD, function)
    yield Case(
        name="gelu_by_erf",
        outcome=Outcome.BODY,
        signature=_X,
        function=lambda tf, x: 0.5 * x * (1.0 + tf.math.erf(x / 1.41421356)),
        inputs=rows(8),
        tolerance=2e-4,  # 1 + erf(-3 / 1.4) has lost four digits in either engine
    )
    for name, (outcome, both) in _PAIRED.items():
        yield _two(name, outcome, both)
    yield Case(
        name="logical",
        outcome=Outcome.BODY,
        signature={"x": ("float32", (None, 4)), "a": ("bool", (None, 4)), "b": ("bool", (None, 4))},
        function=lambda tf, x, a, b: tf.where(tf.logical_or(tf.logical_and(a, b), tf.logical_not(a)), x, -x),
        inputs=[
            {"x": weights(2, 4), "a": np.resize([True, False], (2, 4)), "b": np.resize([True, True, False], (2, 4))},
            {"x": weights(1, 4), "a": np.ones((1, 4), bool), "b": np.zeros((1, 4), bool)},
        ],
    )
