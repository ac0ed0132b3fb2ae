"""What a model is tried with where its signature leaves types, sizes or ranks open."""

from pathlib import Path

import numpy as np
import pytest

from serving.core.signature import Signature, TensorInfo
from serving.core.tensor import DataType
from serving.optimizing.candidates import Step
from serving.optimizing.comparing import Example
from serving.optimizing.examples import examples, made_up
from tests.unit.optimizing.graphs import index

Shape = tuple[int, ...] | None
FLOAT, STRING = DataType.FLOAT, DataType.STRING


def tried(path: Path, *feeds: tuple[DataType, Shape], lines: tuple[str, ...] = ()) -> list[Example]:
    infos = {f"i{n}": TensorInfo(name=f"i{n}:0", dtype=dtype, shape=shape) for n, (dtype, shape) in enumerate(feeds)}
    signature = Signature(name="s", inputs=infos, outputs={})
    step = Step(tuple(info.name for info in infos.values()), ())
    return examples({"s": signature}, step, path, index(*lines))


def shapes(made: list[Example]) -> list[list[tuple[int, ...]]]:
    return [[tensor.array.shape for tensor in example] for example in made]


def test_sizes(tmp_path: Path) -> None:
    """All sizes that are open are the same, one row first."""
    made = shapes(tried(tmp_path, (FLOAT, (-1, -1)), (FLOAT, (-1, 3, -1))))
    assert made[0] == [(1, 64), (1, 3, 64)]
    assert [shape for shape, _ in made[:6]] == [(1, 64), (1, 128), (1, 33), (1, 16), (1, 7), (1, 1)]
    assert [shape for shape, _ in made[6:]] == [(2, 64), (2, 128), (2, 33), (2, 16), (2, 7), (2, 1)]


def test_pictures(tmp_path: Path) -> None:
    """What has the shape of a picture is tried at the size of one first."""
    made = shapes(tried(tmp_path, (FLOAT, (-1, -1, -1, 3))))
    assert made[:2] == [[(1, 224, 224, 3)], [(1, 64, 64, 3)]]


def test_ranks(tmp_path: Path) -> None:
    """An unknown rank is tried as a vector, a matrix and a picture."""
    made = shapes(tried(tmp_path, (FLOAT, None)))
    assert [(1,)] in made
    assert {len(shape) for (shape,) in made} == {1, 2, 4}
    assert [(2, 224, 224, 3)] in made


def test_known_sizes(tmp_path: Path) -> None:
    """Where all is known there are two examples."""
    assert shapes(tried(tmp_path, (FLOAT, (-1, 3)))) == [[(1, 3)], [(2, 3)]]


@pytest.mark.parametrize(
    ("shape", "made"), [((), ()), (None, (1,)), ((-1,), (1,)), ((-1, -1), (1, 1)), ((2, 2), (2, 2))]
)
def test_strings(tmp_path: Path, shape: Shape, made: tuple[int, ...]) -> None:
    """There is one string in a row, whatever else is open."""
    (tensor,) = tried(tmp_path, (STRING, shape))[0]
    assert tensor.array.shape == made
    assert tensor.array.ravel()[0] == b"the"


def test_kinds_of_strings(tmp_path: Path) -> None:
    """Each kind is tried; an input with fewer kinds keeps its last."""
    lines = ("i0 = Placeholder()", "i1 = Placeholder()", "d = DecodeWav(i0)", "n = StringToNumber(i1)")
    made = tried(tmp_path, (STRING, (-1,)), (STRING, (-1,)), lines=lines)
    assert [[len(tensor.array[0]) for tensor in example] for example in made[:2]] == [[32044, 3], [2092, 3]]
    assert len(made) == 4


@pytest.mark.parametrize("dtype", [DataType.BFLOAT16, DataType.INT8, DataType.UINT64, DataType.HALF])
def test_other_types(dtype: DataType) -> None:
    """Numbers that numpy has under another name are numbers too."""
    made = made_up([TensorInfo(name="x:0", dtype=dtype, shape=(-1, 100))], 1, 0)
    assert made is not None
    (tensor,) = made
    bits = tensor.array.astype(np.uint32) << 16
    values = bits.view(np.float32) if dtype is DataType.BFLOAT16 else tensor.array
    assert 0 <= values.min() < values.max() <= 1


def test_types_that_nobody_makes_up(tmp_path: Path) -> None:
    """Without an example of one input there is none at all."""
    assert tried(tmp_path, (FLOAT, (-1,)), (DataType.VARIANT, ())) == []
