"""One operation of a graph with what is known of its inputs, as the rules of ``operations`` read it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from serving.core.tensor import DataType
from serving.openvino.facts import Fact, Shape, SizesDifferError, TensorFlowOnlyError
from serving.openvino.sizes import Size, known


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """``node`` is a NodeDef, ``names`` its data inputs, ``functions`` the graph's FunctionDefs by name,
    ``rules`` the table of ``operations``, for what is in them."""

    node: Any
    names: tuple[str, ...]
    inputs: tuple[Fact, ...]
    functions: Mapping[str, Any] = field(default_factory=dict)
    rules: Mapping[str, "Rule"] = field(default_factory=dict)

    def flag(self, name: str, default: bool = False) -> bool:
        """A boolean attribute."""
        return bool(self.node.attr[name].b) if name in self.node.attr else default

    def integer(self, name: str, default: int = 0) -> int:
        """An integer attribute."""
        return int(self.node.attr[name].i) if name in self.node.attr else default

    def real(self, name: str, default: float) -> float:
        """A float attribute."""
        return float(self.node.attr[name].f) if name in self.node.attr else default

    def text(self, name: str, default: str = "") -> str:
        """A string attribute."""
        return str(self.node.attr[name].s.decode()) if name in self.node.attr else default

    def integers(self, name: str) -> tuple[int, ...]:
        """An attribute that is a list of integers."""
        return tuple(self.node.attr[name].list.i) if name in self.node.attr else ()

    def dtype(self, name: str, default: DataType) -> DataType:
        """An attribute that is a type."""
        return DataType(self.node.attr[name].type) if name in self.node.attr else default

    def numbers(self, index: int) -> tuple[int, ...]:
        """The elements of an input that must be the same for every request."""
        found = self.inputs[index].numbers
        if found is None:
            raise TensorFlowOnlyError(f"its input {index} is not constant")
        return found

    def elements(self, index: int) -> tuple[Size, ...]:
        """The elements of an input that is a shape."""
        found = self.inputs[index].elements
        if found is None:
            raise TensorFlowOnlyError(f"its input {index} is no known shape")
        return found

    def axis(self, index: int, rank: int) -> int:
        """The axis that an input names, counted from the front."""
        return axis_of(self.numbers(index)[0], rank)

    def floats(self, *indices: int) -> None:
        """TensorFlowOnlyError unless these inputs, or all of them, are float32."""
        for fact in [self.inputs[i] for i in indices] if indices else self.inputs:
            if not fact.is_float:
                raise TensorFlowOnlyError(f"it computes in {fact.dtype.word}")


Rule = Callable[[Call], tuple[Fact, ...]]
"""What is known of an operation's outputs. TensorFlowOnlyError if OpenVINO may not compute them."""


def axis_of(axis: int, rank: int) -> int:
    """An axis counted from the front. TensorFlowOnlyError if there is none."""
    if not -rank <= axis < rank:
        raise TensorFlowOnlyError(f"its axis {axis} is not one of {rank}")
    return axis % rank


def same_size(one: Size, other: Size) -> Size:
    """Both, if they are the same for every request; SizesDifferError if they could be asked to be."""
    if one == other:
        return one
    names = [size.terms[0][0][0] for size in (one, other) if size.value is None and size == _alone(size)]
    if len(names) == 2:
        raise SizesDifferError(f"the sizes {one} and {other} need not be the same", names[0], names[1])
    raise TensorFlowOnlyError(f"the sizes {one} and {other} need not be the same")


def zip_sizes(one: Shape, other: Shape) -> list[tuple[Size, Size]]:
    """The sizes of two shapes side by side. TensorFlowOnlyError if the ranks differ."""
    if len(one) != len(other):
        raise TensorFlowOnlyError("its inputs have different ranks")
    return list(zip(one, other, strict=True))


def _alone(size: Size) -> Size | None:
    """The open size that is all of ``size``, if one is."""
    [(names, factor), *others] = size.terms
    return size if len(names) == 1 and factor == 1 and not others else None


def broadcast(shapes: tuple[Shape, ...]) -> Shape:
    """The shape of what is computed element by element. TensorFlowOnlyError if it depends on the request."""
    rank = max(map(len, shapes), default=0)
    padded = [(known(1),) * (rank - len(shape)) + shape for shape in shapes]
    result = []
    for sizes in zip(*padded, strict=True):
        wide = [size for size in sizes if size.value != 1]
        size = wide[0] if wide else known(1)
        for other in wide[1:]:
            same_size(size, other)
        result.append(size)
    return tuple(result)
