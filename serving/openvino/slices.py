"""Rules of what takes parts of a tensor: slices by constants, and lookups by indices that provably are in range."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from serving.openvino.call import Call, Rule, axis_of, same_size
from serving.openvino.facts import COUNTERS, Fact, IndexRangeError, TensorFlowOnlyError, integers
from serving.openvino.moves import moves
from serving.openvino.sizes import Size, known, symbol


def in_range(index: Fact, size: Size) -> None:
    """TensorFlowOnlyError unless every index is one of ``size``; IndexRangeError if its inputs could see to it."""
    if index.dtype not in COUNTERS:
        raise TensorFlowOnlyError(f"its indices are {index.dtype.word}")
    if index.low >= 0 and (index.high < size.low or size in index.below):
        return
    reason = "its indices are not known to be in range"
    if size.value is None or not index.sources:
        raise TensorFlowOnlyError(reason)
    over = (max(0, -index.low), max(0, index.high - size.value + 1))
    raise IndexRangeError(reason, index.sources, size.value, over)


def _gathered(call: Call) -> tuple[Fact, ...]:
    moves(call, 0)
    table, index = call.inputs[0], call.inputs[1]
    axis = call.axis(2, len(table.dims)) if call.node.op == "GatherV2" else 0
    batch = axis_of(call.integer("batch_dims"), len(index.dims) + 1)
    if batch > axis:
        raise TensorFlowOnlyError("it gathers in an unusual way")
    for own, other in zip(table.dims[:batch], index.dims[:batch], strict=True):
        same_size(own, other)
    in_range(index, table.dims[axis])
    shape = (*table.dims[:axis], *index.dims[batch:], *table.dims[axis + 1 :])
    if table.elements is not None and len(table.dims) == 1 and index.numbers is not None:
        elements = tuple(table.elements[i] for i in index.numbers)
        return (integers(table.dtype, shape, elements, table.sources),)
    return (replace(table.moved(shape), sources=frozenset()),)


def _one_hot(call: Call) -> tuple[Fact, ...]:
    index, on, off = call.inputs[0], call.inputs[2], call.inputs[3]
    call.floats(2, 3)
    [depth] = call.numbers(1)
    in_range(index, known(depth))
    rank = len(index.dims)
    axis = axis_of(call.integer("axis", -1), rank + 1)
    shape = (*index.dims[:axis], known(depth), *index.dims[axis:])
    low, high = min(on.low, off.low), max(on.high, off.high)
    return (Fact(dtype=on.dtype, shape=shape, low=low, high=high, exact=on.exact and off.exact),)


def _sliced(call: Call) -> tuple[Fact, ...]:
    moves(call, 0)
    fact, begins, counts = call.inputs[0], call.numbers(1), call.elements(2)
    shape = []
    for size, begin, count in zip(fact.dims, begins, counts, strict=True):
        taken = size - known(begin) if count.value == -1 else count
        if begin < 0 or taken.low < 1 or (size - known(begin) - taken).low < 0:
            raise TensorFlowOnlyError("it slices beyond what a size may have")
        shape.append(taken)
    return (fact.moved(tuple(shape)),)


def _strided(call: Call) -> tuple[Fact, ...]:
    moves(call, 0)
    fact = call.inputs[0]
    axes = _slice_axes(call, len(fact.dims))
    shape: list[Size] = []
    picked: list[range] = []
    source = 0
    for axis in axes:
        if axis is None:
            shape.append(known(1))
            continue
        size = fact.dims[source]
        source += 1
        if isinstance(axis, int):
            if (size - known(axis if axis >= 0 else -axis - 1)).low < 1:
                raise TensorFlowOnlyError(f"it takes element {axis} of a size that may be smaller")
            at = axis if axis >= 0 else (size.value or 0) + axis
            picked.append(range(at, at + 1))
        else:
            shape.append(_slice_size(axis, size))
            picked.append(range(*axis.indices(size.value)) if size.value is not None else range(0))
    if fact.elements is not None and len(fact.dims) == 1:
        elements = tuple(fact.elements[i] for i in picked[0])
        return (integers(fact.dtype, tuple(shape), elements, fact.sources),)
    return (fact.moved(tuple(shape)),)


Axis = slice | int | None
"""What is taken of one axis: a part, one element, or nothing because the axis is new."""


def _slice_axes(call: Call, rank: int) -> list[Axis]:
    begins, ends = call.elements(1), call.elements(2)
    strides = call.numbers(3)
    masks = {name: call.integer(f"{name}_mask") for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")}

    def has(name: str, index: int) -> bool:
        return bool(masks[name] >> index & 1)

    axes: list[Axis] = []
    ellipsis = None
    for index, (begin, end, stride) in enumerate(zip(begins, ends, strides, strict=True)):
        if has("ellipsis", index):
            ellipsis = len(axes)
        elif has("new_axis", index):
            axes.append(None)
        elif has("shrink_axis", index):
            if has("begin", index) or stride != 1:
                raise TensorFlowOnlyError("it takes an element in an unusual way")
            axes.append(_constant(begin))
        else:
            first = None if has("begin", index) else _constant(begin)
            axes.append(slice(first, None if has("end", index) else _constant(end), stride))
    missing = rank - sum(axis is not None for axis in axes)
    if missing < 0 or 0 in strides:
        raise TensorFlowOnlyError("it slices more axes than there are")
    place = len(axes) if ellipsis is None else ellipsis
    return [*axes[:place], *[slice(None)] * missing, *axes[place:]]


def _constant(size: Size) -> int:
    if size.value is None:
        raise TensorFlowOnlyError("it slices by a size that is not known")
    return size.value


def _slice_size(part: slice, size: Size) -> Size:
    if part in (slice(None), slice(None, None, 1), slice(0, None, 1), slice(None, None, -1)):
        return size
    if size.value is not None:
        count = len(range(*part.indices(size.value)))
        if count < 1:
            raise TensorFlowOnlyError("it takes an empty slice")
        return known(count)
    first, last = part.start or 0, part.stop
    if part.step == 1 and first >= 0 and (last is None or last < 0) and (size + known((last or 0) - first)).low >= 1:
        return size + known((last or 0) - first)
    if part.step == 1 and last is not None and 0 <= first < last <= size.low:
        return known(last - first)
    from_front = part.step >= 1 and first == 0 and last is not None and last > 0
    from_end = part.step >= 1 and first < 0 and last is None
    if not (from_front or from_end):
        raise TensorFlowOnlyError("it takes a slice that may be empty")
    return symbol(f"({size})[{part.start}:{part.stop}:{part.step}]")


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        **dict.fromkeys(("Gather", "GatherV2"), _gathered),
        "OneHot": _one_hot,
        "Slice": _sliced,
        "StridedSlice": _strided,
    }
)
