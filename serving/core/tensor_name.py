"""Names of graph tensors, read as TensorFlow's ``ParseTensorName`` reads them; nothing is looked up here."""

import re
from dataclasses import dataclass

CONTROL = -1
"""The index that stands for an operation itself instead of one of its results."""

_INDEXED = re.compile(r"(.*):0*([0-9]{1,20})", re.DOTALL)
_64_BITS, _32_BITS, _SIGN = 2**64, 2**32, 2**31


@dataclass(frozen=True, slots=True)
class TensorName:
    """An operation and the index of one of its results; ``str`` is what TensorFlow makes of it in its texts."""

    operation: str
    index: int

    def __str__(self) -> str:
        return f"^{self.operation}" if self.index == CONTROL else f"{self.operation}:{self.index}"


def parse(name: str) -> TensorName:
    """``operation:digits``, ``^operation``, or the first result of the operation that has all of ``name`` as its name.

    Of a number of up to 64 bits the lower 32 count, with a sign; what looks like a larger one belongs to the name.
    """
    match = _INDEXED.fullmatch(name)
    if match is not None and (number := int(match[2])) < _64_BITS:
        return TensorName(match[1], (number % _32_BITS + _SIGN) % _32_BITS - _SIGN)
    if name.startswith("^"):
        return TensorName(name[1:], CONTROL)
    return TensorName(name, 0)
