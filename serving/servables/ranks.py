"""Ranks of inputs that TensorFlow must not be run without: its convolutions for oneDNN end the whole process otherwise.

``tensor_format.h: Check failed: index >= 0 && index < num_total_dims`` is no error but an abort, and any client could
have it (docs/compatibility.md, W132). Other models are run with whatever comes, for TensorFlow says what is wrong.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from serving.core.signature import Signature
from serving.core.tensor import Tensor
from serving.errors import invalid_argument
from serving.servables.graph_scan import has_operation

_OPERATIONS = ("Conv2D", "Conv3D", "DepthwiseConv2dNative", "MaxPool", "AvgPool", "MaxPool3D", "AvgPool3D")
_LEAST_RANK = 3
"""What convolutions and pools are given. Inputs of fewer dimensions may be broadcast, which is not theirs to refuse."""


def aborts(version: Path) -> bool:
    """Whether the model in this directory has operations that abort."""
    return has_operation(version, _OPERATIONS)


def of(signatures: Iterable[Signature]) -> dict[str, int]:
    """The ranks of inputs that are as large as those of convolutions, by graph tensor."""
    infos = [info for signature in signatures for info in signature.inputs.values()]
    return {info.name: len(info.shape) for info in infos if info.shape is not None and len(info.shape) >= _LEAST_RANK}


def needed(ranks: Mapping[str, int], feeds: Sequence[str]) -> tuple[int | None, ...] | None:
    """The rank of each feed, None where any will do; None if that is everywhere."""
    found = tuple(ranks.get(name) for name in feeds)
    return found if any(rank is not None for rank in found) else None


def check(tensors: Sequence[Tensor], ranks: Sequence[int | None]) -> None:
    """INVALID_ARGUMENT in the words of TensorFlow's convolution for a tensor that has another rank."""
    for tensor, rank in zip(tensors, ranks, strict=True):
        if rank is not None and tensor.array.ndim != rank:
            raise invalid_argument(f"input must be {rank}-dimensional[{','.join(map(str, tensor.array.shape))}]")
