"""Rules of what sums up: along axes, over a row's elements, and the functions that are made of such sums."""

from collections.abc import Mapping
from math import inf
from types import MappingProxyType

from serving.core.tensor import DataType
from serving.openvino.call import Call, Rule, axis_of, broadcast, same_size
from serving.openvino.elementwise import EXACT_FLOATS, within_32_bits
from serving.openvino.facts import COUNTERS, Fact, Shape, TensorFlowOnlyError, integers
from serving.openvino.sizes import Size, known, product, total


def _reduced_axes(call: Call, rank: int) -> frozenset[int]:
    axes = [axis_of(axis, rank) for axis in call.numbers(1)]
    if len(set(axes)) != len(axes):
        raise TensorFlowOnlyError("it names an axis twice")
    return frozenset(axes)


def _without(call: Call, shape: Shape, axes: frozenset[int]) -> Shape:
    if call.flag("keep_dims"):
        return tuple(known(1) if axis in axes else size for axis, size in enumerate(shape))
    return tuple(size for axis, size in enumerate(shape) if axis not in axes)


def _reduced(call: Call) -> tuple[Fact, ...]:
    fact = call.inputs[0]
    axes = _reduced_axes(call, len(fact.dims))
    shape = _without(call, fact.dims, axes)
    if fact.dtype in COUNTERS:
        return (_of_integers(call, fact, shape, product(size for a, size in enumerate(fact.dims) if a in axes)),)
    call.floats(0)
    name, count = call.node.op, product(size for axis, size in enumerate(fact.dims) if axis in axes)
    if name == "Prod":
        raise TensorFlowOnlyError("it multiplies floats along an axis")
    low, high = fact.low, fact.high
    if name == "Sum":
        most = count.high
        low, high = (low * count.low if low >= 0 else low * most), (high * most if high > 0 else high * count.low)
    counted = name == "Sum" and fact.whole and -EXACT_FLOATS <= low <= high <= EXACT_FLOATS
    exact = fact.exact and (name in ("Max", "Min") or counted)
    steady = fact.is_steady and (name in ("Max", "Min") or fact.sign != 0)
    whole = exact and fact.whole
    return (Fact(dtype=fact.dtype, shape=shape, low=low, high=high, exact=exact, steady=steady, whole=whole),)


def _of_integers(call: Call, fact: Fact, shape: Shape, count: Size) -> Fact:
    name, elements = call.node.op, fact.elements
    if name in ("Sum", "Prod") and elements is not None and not shape:
        result = product(elements) if name == "Prod" else total(elements)
        return integers(fact.dtype, shape, (result,), fact.sources)
    if name in ("Max", "Min"):
        return Fact(dtype=fact.dtype, shape=shape, low=fact.low, high=fact.high, exact=True, sources=fact.sources)
    if name == "Sum" and count.value is not None:
        low, high = min(fact.low * count.value, fact.low), max(fact.high * count.value, fact.high)
        return within_32_bits(Fact(dtype=fact.dtype, shape=shape, low=low, high=high, exact=True, sources=fact.sources))
    raise TensorFlowOnlyError(f"it computes in {fact.dtype.word}")


def _all_or_any(call: Call) -> tuple[Fact, ...]:
    fact = call.inputs[0]
    if fact.dtype is not DataType.BOOL:
        raise TensorFlowOnlyError("it does not compute in bool")
    shape = _without(call, fact.dims, _reduced_axes(call, len(fact.dims)))
    return (Fact(dtype=DataType.BOOL, shape=shape, low=fact.low, high=fact.high, exact=True),)


def _softmax(call: Call) -> tuple[Fact, ...]:
    call.floats()
    [fact] = call.inputs
    low, high = (0.0, 1.0) if call.node.op == "Softmax" else (-inf, 0.0)
    if not fact.dims:
        raise TensorFlowOnlyError("it has no axis to sum over")
    return (Fact(dtype=fact.dtype, shape=fact.dims, low=low, high=high, steady=call.node.op == "Softmax"),)


def _cumulative(call: Call) -> tuple[Fact, ...]:
    call.floats(0)
    fact = call.inputs[0]
    call.axis(1, len(fact.dims))
    low, high = (0.0 if fact.low >= 0 else -inf), (0.0 if fact.high <= 0 else inf)
    return (Fact(dtype=fact.dtype, shape=fact.dims, low=low, high=high),)


def _matmul(call: Call) -> tuple[Fact, ...]:
    call.floats()
    a, b = (fact.dims for fact in call.inputs)
    batched = call.node.op != "MatMul"
    names = ("adj_x", "adj_y") if batched else ("transpose_a", "transpose_b")
    if min(len(a), len(b)) < 2 or (not batched and (len(a), len(b)) != (2, 2)):
        raise TensorFlowOnlyError("it multiplies what are no matrices")
    rows, inner = (a[-1], a[-2]) if call.flag(names[0]) else (a[-2], a[-1])
    other, columns = (b[-1], b[-2]) if call.flag(names[1]) else (b[-2], b[-1])
    same_size(inner, other)
    return (_products(call, (*broadcast((a[:-2], b[:-2])), rows, columns)),)


def _products(call: Call, shape: Shape) -> Fact:
    """Sums of products: of numbers that are not below 0, they are not either."""
    positive = all(fact.low >= 0 for fact in call.inputs)
    steady = positive and all(fact.is_steady for fact in call.inputs)
    return Fact(dtype=DataType.FLOAT, shape=shape, low=0 if positive else -inf, steady=steady)


def _einsum(call: Call) -> tuple[Fact, ...]:
    call.floats()
    given, arrow, result = call.text("equation").replace(" ", "").partition("->")
    sizes: dict[str, Size] = {}
    terms = given.split(",")
    if not arrow or "." in given or len(terms) != len(call.inputs):
        raise TensorFlowOnlyError("its equation leaves axes out")
    for term, fact in zip(terms, call.inputs, strict=True):
        if len(set(term)) != len(term) or len(term) != len(fact.dims):
            raise TensorFlowOnlyError("its equation takes a diagonal")
        for letter, size in zip(term, fact.dims, strict=True):
            sizes[letter] = same_size(sizes.get(letter, size), size)
    if not set(result) <= set(sizes) or len(set(result)) != len(result):
        raise TensorFlowOnlyError("its equation is none")
    return (_products(call, tuple(sizes[letter] for letter in result)),)


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        **dict.fromkeys(("Sum", "Mean", "Max", "Min", "Prod"), _reduced),
        **dict.fromkeys(("All", "Any"), _all_or_any),
        **dict.fromkeys(("Softmax", "LogSoftmax"), _softmax),
        "Cumsum": _cumulative,
        **dict.fromkeys(("MatMul", "BatchMatMul", "BatchMatMulV2"), _matmul),
        "Einsum": _einsum,
    }
)
