"""Rules of loops that go a known number of times, and of the lists that they read and write, as recurrent layers do.

A loop is OpenVINO's when integers alone decide how often it goes: floats differ in their last bits, and a loop that one
engine leaves a step earlier than the other answers something else.
"""

from collections.abc import Mapping
from dataclasses import replace
from math import inf
from types import MappingProxyType

from serving.core.tensor import DataType
from serving.openvino.call import Call, Rule
from serving.openvino.facts import MAX_SIZE, Fact, Shape, TensorFlowOnlyError
from serving.openvino.nodes import Function
from serving.openvino.sizes import Size, known
from serving.openvino.slices import in_range

_LISTED = (DataType.FLOAT, DataType.BOOL)


def _reserved(call: Call) -> tuple[Fact, ...]:
    [count] = call.elements(1)
    dtype = call.dtype("element_dtype", DataType.INVALID)
    if dtype not in _LISTED or count.low < 1:
        raise TensorFlowOnlyError(f"it keeps a list of {dtype.word}, or one without elements")
    return (Fact(dtype=dtype, shape=None, count=count, wanted=_wanted(call, 0)),)


def _wanted(call: Call, index: int) -> tuple[int, ...] | None:
    """The sizes that an input asks of a list's elements: -1 for any, and a lone -1 for any rank."""
    sizes = tuple(-1 if size.value is None else size.value for size in call.elements(index))
    if any(size.value is None for size in call.elements(index)):
        raise TensorFlowOnlyError("its list's elements have a shape that depends on the request")
    return sizes if call.inputs[index].dims else None


def _check_fits(wanted: tuple[int, ...] | None, shape: Shape) -> None:
    if wanted is None:
        return
    if len(wanted) != len(shape) or any(a not in (-1, size.value) for a, size in zip(wanted, shape, strict=True)):
        raise TensorFlowOnlyError("the elements of its list need not have the shape that it asks for")


def _list_of(call: Call) -> tuple[Fact, ...]:
    fact = call.inputs[0]
    if fact.dtype not in _LISTED or len(fact.dims) < 2:
        raise TensorFlowOnlyError(f"it makes a list of {fact.dtype.word}, or of single numbers")
    _check_fits(_wanted(call, 1), fact.dims[1:])
    return (replace(fact, shape=fact.dims[1:], count=fact.dims[0], filled=True),)


def _items(call: Call) -> tuple[Fact, Size]:
    fact = call.inputs[0]
    if fact.count is None:
        raise TensorFlowOnlyError("it takes what is no list")
    return fact, fact.count


def _all_items(call: Call, wanted: int) -> tuple[Fact, Size]:
    fact, count = _items(call)
    if not fact.filled:
        raise TensorFlowOnlyError("it reads a list before all of it is written")
    _check_fits(_wanted(call, wanted), fact.dims)
    return fact, count


def _item(call: Call) -> tuple[Fact, ...]:
    fact, count = _all_items(call, 2)
    in_range(call.inputs[1], count)
    return (replace(fact, shape=fact.dims, count=None, wanted=None, filled=False),)


def _item_set(call: Call) -> tuple[Fact, ...]:
    fact, count = _items(call)
    index, item = call.inputs[1], call.inputs[2]
    if not (count in index.below or (index.numbers == (0,) and count.value == 1)):
        raise TensorFlowOnlyError("it writes elements of a list in another order than one by one")
    if item.dtype is not DataType.FLOAT:
        raise TensorFlowOnlyError(f"it writes a list of {item.dtype.word}")
    if fact.shape is not None and fact.shape != item.dims:
        raise TensorFlowOnlyError("the elements of its list have different shapes")
    _check_fits(fact.wanted, item.dims)
    return (replace(fact, dtype=item.dtype, shape=item.dims, low=-inf, high=inf, exact=False),)


def _stacked(call: Call) -> tuple[Fact, ...]:
    fact, count = _all_items(call, 1)
    if call.integer("num_elements", -1) not in (-1, count.value):
        raise TensorFlowOnlyError("its list need not have as many elements as it asks for")
    return (replace(fact, shape=(count, *fact.dims), count=None, wanted=None, filled=False),)


def _while(call: Call) -> tuple[Fact, ...]:
    condition = Function(call.functions[call.node.attr["cond"].func.name])
    body = Function(call.functions[call.node.attr["body"].func.name])
    count = len(call.inputs)
    counters = {i for i in range(count) if body.adds_one(i) and call.inputs[i].numbers == (0,)}
    kept = {i for i in range(count) if body.keeps(i)}
    times = _times(call, condition, counters, kept)
    facts = tuple(
        _counting(fact, times) if i in counters else fact if i in kept else _changing(fact)
        for i, fact in enumerate(call.inputs)
    )
    condition.facts(facts, call.rules, call.functions)
    # One turn shows of what shape a list's elements are, the next that it stays so.
    for _ in range(2):
        after = body.facts(facts, call.rules, call.functions)
        merged = tuple(
            old if i in counters | kept else _merged(old, new)
            for i, (old, new) in enumerate(zip(facts, after, strict=True))
        )
        if merged == facts:
            return tuple(replace(fact, below=frozenset(), filled=fact.shape is not None) for fact in facts)
        facts = merged
    raise TensorFlowOnlyError("what its body does to its variables does not settle")


def _times(call: Call, condition: Function, counters: set[int], kept: set[int]) -> Size:
    """How often it goes: the one size that all its counters are compared with."""
    limits = set()
    for left, right in condition.comparisons() or ():
        if left not in {condition.arguments[i] for i in counters}:
            raise TensorFlowOnlyError("other things than counters decide how often it goes")
        limits.add(_limit(call, condition, kept, right))
    if len(limits) != 1:
        raise TensorFlowOnlyError("how often it goes is not one size")
    [limit] = limits
    if limit.low < 1:
        raise TensorFlowOnlyError("it may not go even once")
    return limit


def _limit(call: Call, condition: Function, kept: set[int], tensor: str) -> Size:
    number = condition.constant(tensor)
    if number is not None:
        return known(number)
    if tensor in condition.arguments:
        index = condition.arguments.index(tensor)
        elements = call.inputs[index].elements
        if index in kept and elements is not None and len(elements) == 1:
            return elements[0]
    raise TensorFlowOnlyError("how often it goes is not known from shapes")


def _counting(fact: Fact, times: Size) -> Fact:
    high = times.value - 1 if times.value is not None else MAX_SIZE
    return replace(fact, high=high, elements=None, below=frozenset((times,)))


def _changing(fact: Fact) -> Fact:
    if fact.count is None and not fact.is_float:
        raise TensorFlowOnlyError(f"its body computes in {fact.dtype.word}, and does not count")
    return replace(fact, low=-inf, high=inf, exact=False, elements=None)


def _merged(old: Fact, new: Fact) -> Fact:
    """What holds before and after one turn."""
    if old.dtype != new.dtype or old.count != new.count or old.shape not in (None, new.shape):
        raise TensorFlowOnlyError("its body changes the shapes of its variables")
    return replace(old, shape=new.shape)


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "TensorListReserve": _reserved,
        "TensorListFromTensor": _list_of,
        "TensorListGetItem": _item,
        "TensorListSetItem": _item_set,
        "TensorListStack": _stacked,
        **dict.fromkeys(("While", "StatelessWhile"), _while),
    }
)
