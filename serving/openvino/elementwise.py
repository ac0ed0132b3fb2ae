"""Rules of what is computed element by element: which floats OpenVINO may be given, and the range of what comes out.

A function with a pole or an edge is OpenVINO's only where its operand provably stays away from it: two engines round
differently, and there a rounding is the difference between a number and none.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import inf
from types import MappingProxyType

from serving.core.tensor import DataType
from serving.openvino.call import Call, Rule, broadcast, same_size, zip_sizes
from serving.openvino.facts import COUNTERS, MAX_INTEGER, Fact, TensorFlowOnlyError, integers
from serving.openvino.sizes import Size

Range = tuple[float, float]

SMALLEST = 1e-12
"""What a divisor, or the operand of a logarithm, is at least: Keras's own smallest epsilon."""

_HIDING = 0.5

SMALLEST_UNSTEADY = 1e-3
"""The same of what may be a difference of nearly equal numbers, of which only the first few digits are right."""

EXACT_FLOATS = 2**24
"""Integers up to here are floats without rounding."""


@dataclass(frozen=True, slots=True)
class _Unary:
    """A function of one float: where it may be computed, where its values lie, whether nothing is rounded.

    ``steady``: as of the operand if None.
    """

    image: Callable[[float, float], Range]
    least: float = -inf
    exact: bool = False
    coarse: bool = False
    steady: bool | None = None


def _between(low: float, high: float) -> Callable[[float, float], Range]:
    return lambda _low, _high: (low, high)


def _rising(function: Callable[[float], float]) -> Callable[[float, float], Range]:
    return lambda low, high: (function(low), function(high))


def _exp(value: float) -> float:
    return inf if value > 700 else math.exp(value)


def _absolute(low: float, high: float) -> Range:
    return max(low, -high, 0.0), max(-low, high)


def _square(low: float, high: float) -> Range:
    least, most = _absolute(low, high)
    return least * least, most * most


def _rsqrt(low: float, high: float) -> Range:
    return 1 / math.sqrt(high), 1 / math.sqrt(low)


_UNARY: Mapping[str, _Unary] = MappingProxyType(
    {
        "Abs": _Unary(_absolute, exact=True),
        "Neg": _Unary(lambda low, high: (-high, -low), exact=True),
        "Relu": _Unary(_rising(lambda x: max(x, 0.0)), exact=True),
        "Relu6": _Unary(_rising(lambda x: min(max(x, 0.0), 6.0)), exact=True),
        "Sigmoid": _Unary(_between(0.0, 1.0), steady=True),
        "Tanh": _Unary(_between(-1.0, 1.0)),
        "Elu": _Unary(_between(-1.0, inf)),
        "Selu": _Unary(_between(-2.0, inf)),
        "LeakyRelu": _Unary(_between(-inf, inf)),
        "Softplus": _Unary(_between(0.0, inf), steady=True),
        "Softsign": _Unary(_between(-1.0, 1.0)),
        "Erf": _Unary(_between(-1.0, 1.0), coarse=True),
        "Erfc": _Unary(_between(0.0, 2.0), steady=False),
        "Exp": _Unary(_rising(_exp), steady=True),
        "Log": _Unary(_between(-inf, inf), least=SMALLEST, steady=False),
        "Sqrt": _Unary(_rising(math.sqrt), least=0.0),
        "Rsqrt": _Unary(_rsqrt, least=SMALLEST),
        "Square": _Unary(_square, steady=True),
        "Sin": _Unary(_between(-1.0, 1.0), steady=False),
        "Cos": _Unary(_between(-1.0, 1.0), steady=False),
        "Atan": _Unary(_between(-1.6, 1.6)),
    }
)


def _unary(call: Call) -> tuple[Fact, ...]:
    call.floats()
    [fact] = call.inputs
    function = _UNARY[call.node.op]
    unsteady = function.least > -inf and not fact.is_steady
    if fact.low < (SMALLEST_UNSTEADY if unsteady else function.least):
        raise TensorFlowOnlyError(f"its operand may be as small as {fact.low:g}, where rounding decides")
    low, high = function.image(fact.low, fact.high)
    exact = fact.exact and function.exact
    steady = fact.is_steady if function.steady is None else function.steady
    result = Fact(dtype=fact.dtype, shape=fact.dims, low=low, high=high, exact=exact, steady=steady)
    return (replace(result, coarse=function.coarse),)


def _times(a: float, b: float) -> float:
    return 0.0 if a == 0 or b == 0 else a * b


def _multiplied(a: Range, b: Range) -> Range:
    corners = [_times(x, y) for x in a for y in b]
    return min(corners), max(corners)


def _added(a: Range, b: Range) -> Range:
    return a[0] + b[0], a[1] + b[1]


def _subtracted(a: Range, b: Range) -> Range:
    return a[0] - b[1], a[1] - b[0]


def _larger(a: Range, b: Range) -> Range:
    return max(a[0], b[0]), max(a[1], b[1])


def _smaller(a: Range, b: Range) -> Range:
    return min(a[0], b[0]), min(a[1], b[1])


def _difference_squared(a: Range, b: Range) -> Range:
    return _square(*_subtracted(a, b))


_BINARY: Mapping[str, Callable[[Range, Range], Range]] = MappingProxyType(
    {
        "Add": _added,
        "AddV2": _added,
        "BiasAdd": _added,
        "Sub": _subtracted,
        "Mul": _multiplied,
        "Maximum": _larger,
        "Minimum": _smaller,
        "SquaredDifference": _difference_squared,
    }
)

_SIZES: Mapping[str, Callable[[Size, Size], Size]] = MappingProxyType(
    {"Add": Size.__add__, "AddV2": Size.__add__, "Sub": Size.__sub__, "Mul": Size.__mul__}
)


def _binary(call: Call) -> tuple[Fact, ...]:
    a, b = call.inputs
    low, high = _BINARY[call.node.op]((a.low, a.high), (b.low, b.high))
    shape = broadcast((a.dims, b.dims))
    if call.node.op == "BiasAdd":
        _check_bias(call)
    if a.dtype in COUNTERS:
        return (_integer_result(call, (low, high), shape),)
    call.floats()
    if call.node.op == "Mul" and call.names[0] == call.names[1]:
        low, high = _square(a.low, a.high)
    exact = a.exact and b.exact and call.node.op in ("Maximum", "Minimum")
    coarse = (a.coarse or b.coarse) and not (_is_away(a) or _is_away(b))
    steady = a.is_steady and b.is_steady and (call.node.op not in _ADDING or a.sign * b.sign > 0)
    steady |= call.node.op == "SquaredDifference" or (call.node.op == "Mul" and call.names[0] == call.names[1])
    return (Fact(dtype=a.dtype, shape=shape, low=low, high=high, exact=exact, coarse=coarse, steady=steady),)


_ADDING = ("Add", "AddV2", "BiasAdd", "Sub")


def _check_bias(call: Call) -> None:
    if call.text("data_format", "NHWC") != "NHWC" or len(call.inputs[1].dims) != 1 or not call.inputs[0].dims:
        raise TensorFlowOnlyError("it adds to another axis than the last")
    same_size(call.inputs[0].dims[-1], call.inputs[1].dims[0])


def _is_away(fact: Fact) -> bool:
    """Whether a constant hides what is wrong with small values that it is added to."""
    return fact.exact and (fact.low >= _HIDING or fact.high <= -_HIDING)


def _integer_result(call: Call, values: Range, shape: tuple[Size, ...]) -> Fact:
    a, b = call.inputs
    sources = a.sources | b.sources
    function = _SIZES.get(call.node.op)
    if function is not None and a.elements is not None and b.elements is not None:
        count = max(len(a.elements), len(b.elements))
        pairs = zip(_repeated(a.elements, count), _repeated(b.elements, count), strict=False)
        return integers(a.dtype, shape, tuple(function(x, y) for x, y in pairs), sources)
    return within_32_bits(Fact(dtype=a.dtype, shape=shape, low=values[0], high=values[1], exact=True, sources=sources))


def _repeated(elements: tuple[Size, ...], count: int) -> tuple[Size, ...]:
    if len(elements) not in (1, count):
        raise TensorFlowOnlyError("it computes with shapes in an unusual way")
    return elements * count if len(elements) == 1 else elements


def within_32_bits(fact: Fact) -> Fact:
    """The same. TensorFlowOnlyError if OpenVINO's 32 bits may not hold it, or a wrap-around would be needed."""
    if not -MAX_INTEGER <= fact.low <= fact.high <= MAX_INTEGER:
        raise TensorFlowOnlyError(f"it computes in {fact.dtype.word}, and its range is not known to fit 32 bits")
    return fact


def _divided(call: Call) -> tuple[Fact, ...]:
    call.floats()
    a, b = call.inputs
    least = SMALLEST if b.is_steady else SMALLEST_UNSTEADY
    if not (b.exact or b.low >= least or b.high <= -least):
        raise TensorFlowOnlyError("its divisor may be zero, or so close to it that rounding decides")
    low, high = (-inf, inf) if b.low <= 0 <= b.high else _multiplied((a.low, a.high), (1 / b.high, 1 / b.low))
    steady = a.is_steady and b.is_steady
    return (Fact(dtype=a.dtype, shape=broadcast((a.dims, b.dims)), low=low, high=high, steady=steady),)


def _added_up(call: Call) -> tuple[Fact, ...]:
    call.floats()
    low, high = sum(fact.low for fact in call.inputs), sum(fact.high for fact in call.inputs)
    shape = call.inputs[0].dims
    for fact in call.inputs[1:]:
        for one, other in zip_sizes(shape, fact.dims):
            same_size(one, other)
    return (Fact(dtype=DataType.FLOAT, shape=shape, low=low, high=high),)


_MAX_POWER = 4


def _power(call: Call) -> tuple[Fact, ...]:
    call.floats()
    a, b = call.inputs
    shape = broadcast((a.dims, b.dims))
    power = b.low
    if b.low != b.high or power not in range(1, _MAX_POWER + 1):
        raise TensorFlowOnlyError("its exponent is not one constant of 1, 2, 3 and 4")
    low, high = _square(a.low, a.high) if power % 2 == 0 else (a.low, a.high)
    if power > 2:
        low, high = (0.0, inf) if low >= 0 else (-inf, inf)
    return (Fact(dtype=a.dtype, shape=shape, low=low, high=high),)


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        **dict.fromkeys(_UNARY, _unary),
        **dict.fromkeys(_BINARY, _binary),
        "AddN": _added_up,
        "RealDiv": _divided,
        "Pow": _power,
    }
)
