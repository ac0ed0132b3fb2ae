"""A tensor of another rank than a convolution's: TensorFlow would end the process, and every client of it."""

from pathlib import Path

import numpy as np
import pytest

from serving.core.servable import Servable
from serving.core.tensor import DataType, Tensor
from serving.errors import Code, ServingError
from tests.server.tensorflow.optimizing import images
from tests.support.models import NO_LIMIT, call, loaded, resolve


@pytest.mark.parametrize("shape", [(1, 2), (768,), (), (1, 1, 16, 16, 3), (16, 16, 3)], ids=str)
def test_another_rank_is_refused(directory: Path, shape: tuple[int, ...]) -> None:
    """The request is told what is wrong with it, and the next one is answered."""
    wrong = Tensor(DataType.FLOAT, np.ones(shape, np.float32))
    with loaded(directory / "images" / "1") as servable:
        refused(servable, wrong)
        assert call(servable, {"x": images(2)})["y"].array.shape == (2, 48)


def test_another_rank_is_refused_after_a_change_of_engine(optimized: Servable) -> None:
    """Frozen graphs have the same convolutions."""
    refused(optimized, Tensor(DataType.FLOAT, np.ones((1, 2), np.float32)))
    assert call(optimized, {"x": images(2)})["y"].array.shape == (2, 48)


def refused(servable: Servable, wrong: Tensor) -> None:
    with pytest.raises(ServingError) as raised:
        resolve(servable, "serving_default")([wrong], NO_LIMIT)
    given = ",".join(map(str, wrong.array.shape))
    assert (raised.value.code, raised.value.message) == (
        Code.INVALID_ARGUMENT,
        f"input must be 4-dimensional[{given}]",
    )
