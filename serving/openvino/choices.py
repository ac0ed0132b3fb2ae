"""Rules of what compares, chooses and changes types: only of what both engines have the same bits of.

A comparison of computed floats may fall out otherwise in the other engine, and then what is chosen is another value.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from serving.core.tensor import DataType
from serving.openvino.call import Call, Rule, broadcast
from serving.openvino.elementwise import EXACT_FLOATS, Range, within_32_bits
from serving.openvino.facts import COUNTERS, Fact, TensorFlowOnlyError


def _compared(call: Call) -> tuple[Fact, ...]:
    a, b = call.inputs
    if not (a.exact and b.exact) or a.dtype is DataType.STRING:
        raise TensorFlowOnlyError("it compares computed numbers, which rounding may turn over")
    shape = broadcast((a.dims, b.dims))
    low, high = _truth(call.node.op, a, b)
    return (Fact(dtype=DataType.BOOL, shape=shape, low=low, high=high, exact=True),)


def _truth(name: str, a: Fact, b: Fact) -> Range:
    """0 to 1, or one of them if the ranges decide."""
    if name in ("Greater", "GreaterEqual"):
        name, a, b = name.replace("Greater", "Less"), b, a
    apart = a.high < b.low or b.high < a.low
    always = {
        "Less": a.high < b.low,
        "LessEqual": a.high <= b.low,
        "Equal": a.low == a.high == b.low == b.high,
        "NotEqual": apart,
    }[name]
    never = {
        "Less": a.low >= b.high,
        "LessEqual": a.low > b.high,
        "Equal": apart,
        "NotEqual": a.low == a.high == b.low == b.high,
    }[name]
    return float(always), float(not never)


def _logical(call: Call) -> tuple[Fact, ...]:
    if any(fact.dtype is not DataType.BOOL for fact in call.inputs):
        raise TensorFlowOnlyError("it does not compute in bool")
    shape = broadcast(tuple(fact.dims for fact in call.inputs))
    return (Fact(dtype=DataType.BOOL, shape=shape, low=0, high=1, exact=True),)


def _selected(call: Call) -> tuple[Fact, ...]:
    condition, a, b = call.inputs
    if a.dtype not in (DataType.FLOAT, *COUNTERS):
        raise TensorFlowOnlyError(f"it chooses between values of {a.dtype.word}")
    shapes = (condition.dims, a.dims, b.dims)
    if call.node.op == "Select" and not condition.dims == a.dims == b.dims:
        raise TensorFlowOnlyError("it chooses whole rows")
    shape = broadcast(shapes)
    taken = tuple(fact for fact, can in ((a, condition.high >= 1), (b, condition.low <= 0)) if can)
    return (
        Fact(
            dtype=a.dtype,
            shape=shape,
            low=min(fact.low for fact in taken),
            high=max(fact.high for fact in taken),
            exact=a.exact and b.exact,
            steady=a.is_steady and b.is_steady,
            sources=a.sources | b.sources,
        ),
    )


_TO_FLOAT = frozenset((*COUNTERS, DataType.BOOL, DataType.UINT8))


def _cast(call: Call) -> tuple[Fact, ...]:
    [fact] = call.inputs
    target = call.dtype("DstT", DataType.INVALID)
    if fact.dtype == target:
        return (fact,)
    if target is DataType.FLOAT and fact.dtype in _TO_FLOAT:
        if not -EXACT_FLOATS <= fact.low <= fact.high <= EXACT_FLOATS:
            raise TensorFlowOnlyError("it makes floats of integers that may be too large for them")
        return (replace(fact, dtype=target, elements=None, sources=frozenset(), below=frozenset(), whole=True),)
    if target in COUNTERS and fact.dtype in _TO_FLOAT:
        return (within_32_bits(replace(fact, dtype=target)),)
    raise TensorFlowOnlyError(f"it makes {target.word} of {fact.dtype.word}")


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        **dict.fromkeys(("Less", "LessEqual", "Greater", "GreaterEqual", "Equal", "NotEqual"), _compared),
        **dict.fromkeys(("LogicalAnd", "LogicalOr", "LogicalNot"), _logical),
        **dict.fromkeys(("Select", "SelectV2"), _selected),
        "Cast": _cast,
    }
)
