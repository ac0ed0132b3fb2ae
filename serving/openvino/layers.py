"""Rules of what slides over images and sequences: convolutions, pooling, resizing, normalisation by constants."""

from collections.abc import Mapping
from types import MappingProxyType

from serving.openvino.call import Call, Rule, same_size
from serving.openvino.facts import Fact, Shape, TensorFlowOnlyError
from serving.openvino.sizes import Size, floor_divided, known


def _channels_last(call: Call, rank: int) -> None:
    call.floats()
    default = "NDHWC" if rank == 5 else "NHWC"
    if call.text("data_format", default) != default:
        raise TensorFlowOnlyError("its channels are not its last axis")
    if len(call.inputs[0].dims) != rank:
        raise TensorFlowOnlyError("its input has an unusual rank")


def _slid(call: Call, sizes: Shape, windows: tuple[int, ...]) -> Shape:
    """The sizes behind windows that slide over ``sizes``."""
    padding = call.text("padding")
    strides = call.integers("strides")[1:-1]
    dilations = call.integers("dilations")[1:-1] or (1,) * len(sizes)
    explicit = call.integers("explicit_paddings")
    if padding not in ("SAME", "VALID", "EXPLICIT") or len(strides) != len(sizes) or min(*strides, *dilations) < 1:
        raise TensorFlowOnlyError("its windows slide in an unusual way")
    result = []
    for axis, (size, window, stride, dilation) in enumerate(zip(sizes, windows, strides, dilations, strict=True)):
        if padding == "SAME":
            result.append(floor_divided(size + known(stride - 1), stride))
            continue
        if padding == "EXPLICIT":
            size += known(sum(explicit[2 * axis + 2 : 2 * axis + 4]))
        fitting = size - known((window - 1) * dilation)
        if fitting.value is not None and fitting.value < 1:
            raise TensorFlowOnlyError("its window is larger than what it slides over")
        result.append(floor_divided(fitting + known(stride - 1), stride))
    return tuple(result)


def _convolution(call: Call) -> tuple[Fact, ...]:
    image, kernel = (fact.dims for fact in call.inputs)
    _channels_last(call, len(kernel))
    windows = tuple(size.value or 0 for size in kernel[:-2])
    channels = kernel[-2]
    if 0 in windows or channels.value is None or kernel[-1].value is None:
        raise TensorFlowOnlyError("the sizes of its kernel are not known")
    sizes = _slid(call, image[1:-1], windows)
    if call.node.op == "DepthwiseConv2dNative":
        same_size(image[-1], channels)
        return (Fact(dtype=call.inputs[0].dtype, shape=(image[0], *sizes, channels * kernel[-1])),)
    if image[-1].value is None or image[-1].value % channels.value:
        raise TensorFlowOnlyError("its channels do not fit its kernel")
    return (Fact(dtype=call.inputs[0].dtype, shape=(image[0], *sizes, kernel[-1])),)


def _transposed_convolution(call: Call) -> tuple[Fact, ...]:
    call.floats(1, 2)
    if call.text("data_format", "NHWC") != "NHWC" or call.text("padding") not in ("SAME", "VALID"):
        raise TensorFlowOnlyError("it is laid out in an unusual way")
    wanted, kernel, image = call.elements(0), call.inputs[1].dims, call.inputs[2].dims
    if len(wanted) != 4 or len(kernel) != 4 or len(image) != 4 or set(call.integers("dilations")) - {1}:
        raise TensorFlowOnlyError("it is no plain transposed convolution")
    windows = tuple(size.value or 0 for size in kernel[:2])
    for one, other in zip(_slid(call, wanted[1:3], windows), image[1:3], strict=True):
        same_size(one, other)
    same_size(wanted[0], image[0])
    same_size(wanted[3], kernel[2])
    same_size(image[3], kernel[3])
    return (Fact(dtype=call.inputs[2].dtype, shape=wanted),)


def _pooled(call: Call) -> tuple[Fact, ...]:
    rank = len(call.integers("ksize"))
    _channels_last(call, rank)
    [fact] = call.inputs
    windows = call.integers("ksize")
    if windows[0] != 1 or windows[-1] != 1 or call.text("padding") == "EXPLICIT":
        raise TensorFlowOnlyError("it pools over rows or channels")
    sizes = _slid(call, fact.dims[1:-1], windows[1:-1])
    exact = fact.exact and call.node.op.startswith("MaxPool")
    shape = (fact.dims[0], *sizes, fact.dims[-1])
    return (Fact(dtype=fact.dtype, shape=shape, low=fact.low, high=fact.high, exact=exact),)


def _batch_normalised(call: Call) -> tuple[Fact, ...]:
    _channels_last(call, 4)
    fact, variance = call.inputs[0], call.inputs[4]
    if call.flag("is_training", default=True) or variance.low < 0 or call.real("epsilon", 1e-4) <= 0:
        raise TensorFlowOnlyError("it normalises by what it sees, or by a variance that may be negative")
    for each in call.inputs[1:]:
        same_size(fact.dims[-1], each.dims[0])
    statistics = tuple(Fact(dtype=fact.dtype, shape=None) for _ in range(5))
    return (Fact(dtype=fact.dtype, shape=fact.dims), *statistics)


def _resized(call: Call) -> tuple[Fact, ...]:
    call.floats(0)
    fact, (height, width) = call.inputs[0], call.numbers(1)
    if call.flag("align_corners") or min(height, width) < 1 or len(fact.dims) != 4:
        raise TensorFlowOnlyError("it resizes in an unusual way")
    if call.node.op == "ResizeNearestNeighbor" and not _whole_multiples(fact.dims[1:3], (height, width)):
        raise TensorFlowOnlyError("which pixel is nearest depends on rounding")
    shape = (fact.dims[0], known(height), known(width), fact.dims[3])
    exact = fact.exact and call.node.op == "ResizeNearestNeighbor"
    return (Fact(dtype=fact.dtype, shape=shape, low=fact.low, high=fact.high, exact=exact),)


def _whole_multiples(sizes: Shape, wanted: tuple[int, int]) -> bool:
    return all(size.value is not None and new % size.value == 0 for size, new in zip(sizes, wanted, strict=True))


def _depth_and_space(call: Call) -> tuple[Fact, ...]:
    _channels_last(call, 4)
    [fact] = call.inputs
    block = call.integer("block_size")
    rows, height, width, channels = fact.dims
    shape: tuple[Size | None, ...]
    if call.node.op == "DepthToSpace":
        shape = (rows, height * known(block), width * known(block), channels.divided(known(block * block)))
    else:
        parts = (height.divided(known(block)), width.divided(known(block)))
        shape = (rows, *parts, channels * known(block * block))
    sizes = tuple(size for size in shape if size is not None)
    if len(sizes) < 4:
        raise TensorFlowOnlyError("its blocks may leave a remainder")
    return (Fact(dtype=fact.dtype, shape=sizes, low=fact.low, high=fact.high, exact=fact.exact),)


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        **dict.fromkeys(("Conv2D", "Conv3D", "DepthwiseConv2dNative"), _convolution),
        "Conv2DBackpropInput": _transposed_convolution,
        **dict.fromkeys(("MaxPool", "AvgPool", "MaxPool3D", "AvgPool3D"), _pooled),
        "FusedBatchNormV3": _batch_normalised,
        **dict.fromkeys(("ResizeBilinear", "ResizeNearestNeighbor"), _resized),
        **dict.fromkeys(("DepthToSpace", "SpaceToDepth"), _depth_and_space),
    }
)
