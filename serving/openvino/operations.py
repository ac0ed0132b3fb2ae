"""The table of the operations that OpenVINO may compute: each is in the adversarial graphs of the tests.

What is not in it, or not for what its rule finds of its inputs, is TensorFlow's.
"""

from collections.abc import Mapping
from math import isfinite
from types import MappingProxyType

from serving.core.tensor import DataType
from serving.openvino import choices, constants, elementwise, layers, loops, moves, reductions, slices
from serving.openvino.call import Call, Rule
from serving.openvino.facts import COUNTERS, MAX_ELEMENTS, MAX_INTEGER, Fact, integers
from serving.openvino.moves import MOVED
from serving.openvino.sizes import known


def _constant(call: Call) -> tuple[Fact, ...]:
    proto = call.node.attr["value"].tensor
    dtype = DataType(proto.dtype)
    shape = tuple(known(dimension.size) for dimension in proto.tensor_shape.dim)
    values = constants.array(proto) if dtype in MOVED else None
    if values is None:
        # Of no consequence where only an assertion takes it; whatever else does is refused for its type.
        return (Fact(dtype=dtype, shape=shape, exact=True),)
    if dtype is DataType.FLOAT and not values.size:
        return (Fact(dtype=dtype, shape=None, flaw="it takes a constant without any values"),)
    low, high = (values.min().item(), values.max().item()) if values.size else (0, 0)
    if not isfinite(low + high):
        return (Fact(dtype=dtype, shape=None, flaw="it takes a constant with values that are no numbers"),)
    if dtype in COUNTERS and not -MAX_INTEGER <= low <= high <= MAX_INTEGER:
        return (
            Fact(dtype=dtype, shape=None, flaw=f"it takes a constant of {dtype.word} that needs more than 32 bits"),
        )
    if dtype in COUNTERS and values.size <= MAX_ELEMENTS:
        return (integers(dtype, shape, tuple(map(known, values.ravel().tolist()))),)
    return (Fact(dtype=dtype, shape=shape, low=low, high=high, exact=True),)


def _nothing(_call: Call) -> tuple[Fact, ...]:
    return ()


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        **choices.RULES,
        **elementwise.RULES,
        **layers.RULES,
        **loops.RULES,
        **moves.RULES,
        **reductions.RULES,
        **slices.RULES,
        "Const": _constant,
        "NoOp": _nothing,
    }
)
"""By the operation's type in a GraphDef."""

MULTIPLYING = frozenset(
    {"Conv2D", "Conv3D", "Conv2DBackpropInput", "Conv3DBackpropInputV2", "DepthwiseConv2dNative"}
    | {"MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", "Einsum"}
)
"""What most of a model's time goes into, in proportion to the constants that it multiplies with."""
