"""Rules of what moves values without computing: reshaping, joining, cutting, and shapes themselves."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from serving.core.tensor import DataType
from serving.openvino.call import Call, Rule, axis_of, broadcast, same_size
from serving.openvino.facts import COUNTERS, MAX_SIZE, Fact, Shape, TensorFlowOnlyError, integers, joined
from serving.openvino.sizes import Size, known, product, total

MOVED = frozenset((DataType.FLOAT, DataType.BOOL, *COUNTERS))
"""Types whose values OpenVINO is let move."""


def moves(call: Call, *indices: int) -> None:
    """TensorFlowOnlyError unless these inputs, or all, are of types that OpenVINO is let move."""
    for fact in [call.inputs[i] for i in indices] if indices else call.inputs:
        if fact.dtype not in MOVED or fact.count is not None:
            raise TensorFlowOnlyError(f"it moves values of {fact.dtype.word}")


def _same(call: Call) -> tuple[Fact, ...]:
    return call.inputs


def _shape(call: Call) -> tuple[Fact, ...]:
    dtype = call.dtype("out_type", DataType.INT32)
    shape = call.inputs[0].dims
    return (integers(dtype, (known(len(shape)),), shape),)


def _size(call: Call) -> tuple[Fact, ...]:
    return (integers(call.dtype("out_type", DataType.INT32), (), (product(call.inputs[0].dims),)),)


def _rank(call: Call) -> tuple[Fact, ...]:
    return (integers(DataType.INT32, (), (known(len(call.inputs[0].dims)),)),)


def _reshaped(call: Call) -> tuple[Fact, ...]:
    moves(call, 0)
    fact = call.inputs[0]
    wanted = call.elements(1)
    count, fixed = product(fact.dims), product(size for size in wanted if size.value != -1)
    if any(size.value != -1 and size.low < 1 for size in wanted):
        raise TensorFlowOnlyError("it reshapes to sizes that may be below 1")
    open_axes = [axis for axis, size in enumerate(wanted) if size.value == -1]
    if not open_axes and count == fixed:
        return (fact.moved(wanted, fact.elements),)
    rest = count.divided(fixed) if len(open_axes) == 1 else None
    if rest is None:
        raise TensorFlowOnlyError("it reshapes to a shape that only some numbers of rows have")
    return (fact.moved(tuple(rest if size.value == -1 else size for size in wanted), fact.elements),)


def _squeezed(call: Call) -> tuple[Fact, ...]:
    moves(call)
    [fact] = call.inputs
    shape = fact.dims
    axes = {axis_of(axis, len(shape)) for axis in call.integers("squeeze_dims")}
    if not axes:
        if any(size.value is None for size in shape):
            raise TensorFlowOnlyError("it drops sizes that are 1, and not every size is known")
        axes = {axis for axis, size in enumerate(shape) if size.value == 1}
    if any(shape[axis].value != 1 for axis in axes):
        raise TensorFlowOnlyError("it drops a size that may be other than 1")
    return (fact.moved(tuple(size for axis, size in enumerate(shape) if axis not in axes), fact.elements),)


def _expanded(call: Call) -> tuple[Fact, ...]:
    moves(call, 0)
    fact = call.inputs[0]
    axis = call.axis(1, len(fact.dims) + 1)
    return (fact.moved((*fact.dims[:axis], known(1), *fact.dims[axis:]), fact.elements),)


def _transposed(call: Call) -> tuple[Fact, ...]:
    moves(call, 0)
    fact, order = call.inputs[0], call.numbers(1)
    axes = [axis_of(axis, len(fact.dims)) for axis in order]
    if sorted(axes) != list(range(len(fact.dims))):
        raise TensorFlowOnlyError("its order of axes is none")
    return (fact.moved(tuple(fact.dims[axis] for axis in axes)),)


def _concatenated(call: Call) -> tuple[Fact, ...]:
    facts = call.inputs[:-1]
    moves(call)
    axis = call.axis(len(facts), len(facts[0].dims))
    if len({len(fact.dims) for fact in facts}) != 1:
        raise TensorFlowOnlyError("it joins tensors of different ranks")
    shape = []
    for index, sizes in enumerate(zip(*(fact.dims for fact in facts), strict=True)):
        shape.append(total(sizes) if index == axis else _all_same(sizes))
    result = joined(facts, tuple(shape))
    parts = [fact.elements for fact in facts if fact.elements is not None]
    if len(shape) == 1 and len(parts) == len(facts):
        return (integers(result.dtype, tuple(shape), sum(parts, ()), result.sources),)
    return (result,)


def _all_same(sizes: tuple[Size, ...]) -> Size:
    for size in sizes[1:]:
        same_size(sizes[0], size)
    return sizes[0]


def _packed(call: Call) -> tuple[Fact, ...]:
    moves(call)
    inner = tuple(_all_same(sizes) for sizes in zip(*(fact.dims for fact in call.inputs), strict=True))
    axis = axis_of(call.integer("axis"), len(inner) + 1)
    shape = (*inner[:axis], known(len(call.inputs)), *inner[axis:])
    result = joined(call.inputs, shape)
    parts = [fact.elements for fact in call.inputs if fact.elements is not None]
    if not inner and len(parts) == len(call.inputs):
        return (integers(result.dtype, shape, sum(parts, ()), result.sources),)
    return (result,)


def _unpacked(call: Call) -> tuple[Fact, ...]:
    moves(call)
    [fact] = call.inputs
    axis = axis_of(call.integer("axis"), len(fact.dims))
    count = call.integer("num")
    if fact.dims[axis].value != count:
        raise TensorFlowOnlyError("it takes apart along a size that is not known")
    shape = fact.dims[:axis] + fact.dims[axis + 1 :]
    single = fact.elements is not None and not shape
    return tuple(
        fact.moved(shape, fact.elements[i : i + 1] if single and fact.elements else None) for i in range(count)
    )


def _split(call: Call) -> tuple[Fact, ...]:
    moves(call, 1)
    fact, count = call.inputs[1], call.integer("num_split")
    axis = call.axis(0, len(fact.dims))
    part = fact.dims[axis].divided(known(count))
    if part is None:
        raise TensorFlowOnlyError("it splits a size that may leave a remainder")
    return (fact.moved((*fact.dims[:axis], part, *fact.dims[axis + 1 :])),) * count


def _split_at(call: Call) -> tuple[Fact, ...]:
    moves(call, 0)
    fact, wanted = call.inputs[0], call.numbers(1)
    axis = call.axis(2, len(fact.dims))
    size = fact.dims[axis].value
    rest = None if size is None else size - sum(part for part in wanted if part >= 0)
    impossible = min(wanted) < -1 or 0 in wanted or wanted.count(-1) > 1
    if rest is None or impossible or rest < 0 or (rest > 0) != (-1 in wanted):
        raise TensorFlowOnlyError("it splits a size that does not add up, or is not known")
    parts = [known(rest if part == -1 else part) for part in wanted]
    return tuple(fact.moved((*fact.dims[:axis], part, *fact.dims[axis + 1 :])) for part in parts)


def _tiled(call: Call) -> tuple[Fact, ...]:
    moves(call, 0)
    fact, times = call.inputs[0], call.elements(1)
    if any(count.low < 1 for count in times) or len(times) != len(fact.dims):
        raise TensorFlowOnlyError("it repeats fewer than one time")
    return (fact.moved(tuple(size * count for size, count in zip(fact.dims, times, strict=True))),)


def _broadcast_to(call: Call) -> tuple[Fact, ...]:
    moves(call, 0)
    fact, wanted = call.inputs[0], call.elements(1)
    if any(size.low < 1 for size in wanted) or broadcast((fact.dims, wanted)) != wanted:
        raise TensorFlowOnlyError("it spreads over sizes that may not fit")
    return (fact.moved(wanted),)


def _filled(call: Call) -> tuple[Fact, ...]:
    moves(call)
    shape = call.elements(0)
    if any(size.low < 1 for size in shape):
        raise TensorFlowOnlyError("it fills sizes that may be below 1")
    return (call.inputs[1].moved(shape),)


def _like(value: int) -> Rule:
    def rule(call: Call) -> tuple[Fact, ...]:
        moves(call)
        [fact] = call.inputs
        return (Fact(dtype=fact.dtype, shape=fact.dims, low=value, high=value, exact=True),)

    return rule


def _range(call: Call) -> tuple[Fact, ...]:
    start, limit, delta = (fact.elements for fact in call.inputs)
    dtype = call.inputs[0].dtype
    if dtype not in COUNTERS or start is None or limit is None or delta is None or delta[0].value != 1:
        raise TensorFlowOnlyError("it counts in other ways than by ones over a size")
    count = limit[0] - start[0]
    if count.low < 1 or start[0].value is None:
        raise TensorFlowOnlyError("it may count down")
    return (Fact(dtype=dtype, shape=(count,), low=start[0].low, high=min(limit[0].high - 1, MAX_SIZE), exact=True),)


def _reversed(call: Call) -> tuple[Fact, ...]:
    moves(call)
    fact = call.inputs[0]
    for axis in call.numbers(1):
        axis_of(axis, len(fact.dims))
    return (fact.moved(fact.dims),)


def _padded(call: Call) -> tuple[Fact, ...]:
    moves(call)
    fact, flat = call.inputs[0], call.numbers(1)
    if min(flat, default=0) < 0 or len(flat) != 2 * len(fact.dims):
        raise TensorFlowOnlyError("it pads by less than nothing")
    pairs = zip(flat[::2], flat[1::2], strict=True)
    shape: Shape = tuple(size + known(sum(pair)) for size, pair in zip(fact.dims, pairs, strict=True))
    if call.node.op == "MirrorPad":
        edge = 1 if call.text("mode") == "REFLECT" else 0
        most = map(max, flat[::2], flat[1::2])
        if any(size.low < count + edge for size, count in zip(fact.dims, most, strict=True)):
            raise TensorFlowOnlyError("it mirrors more than a size may have")
        return (fact.moved(shape),)
    value = call.inputs[2] if call.node.op == "PadV2" else replace(fact, low=0, high=0, exact=True)
    return (joined((fact, value), shape),)


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        **dict.fromkeys(("Identity", "IdentityN", "StopGradient", "PreventGradient", "Snapshot"), _same),
        "Shape": _shape,
        "Size": _size,
        "Rank": _rank,
        "Reshape": _reshaped,
        "Squeeze": _squeezed,
        "ExpandDims": _expanded,
        "Transpose": _transposed,
        "ConcatV2": _concatenated,
        "Pack": _packed,
        "Unpack": _unpacked,
        "Split": _split,
        "SplitV": _split_at,
        "Tile": _tiled,
        "BroadcastTo": _broadcast_to,
        "Fill": _filled,
        "ZerosLike": _like(0),
        "OnesLike": _like(1),
        "Range": _range,
        "ReverseV2": _reversed,
        **dict.fromkeys(("Pad", "PadV2", "MirrorPad"), _padded),
    }
)
