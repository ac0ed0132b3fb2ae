"""Which inputs must have the rank of their signature, and what is said of others."""

import numpy as np
import pytest

from serving.core.signature import Signature, TensorInfo
from serving.core.tensor import DataType, Tensor
from serving.errors import Code, ServingError
from serving.servables import ranks


def info(name: str, *shape: int) -> TensorInfo:
    return TensorInfo(name=name, dtype=DataType.FLOAT, shape=shape)


def test_inputs_that_may_be_a_convolutions_are_checked() -> None:
    """Those of three and more dimensions; smaller ones may be broadcast, and of the others nothing is known."""
    inputs = {
        "image": info("image:0", -1, 8, 8, 3),
        "sound": info("sound:0", -1, 100, 1),
        "scale": info("scale:0", -1),
        "any": TensorInfo(name="any:0", dtype=DataType.FLOAT),
    }
    found = ranks.of([Signature(name="s", inputs=inputs, outputs={})])
    assert found == {"image:0": 4, "sound:0": 3}
    assert ranks.needed(found, ("scale:0", "image:0")) == (None, 4)
    assert ranks.needed(found, ("scale:0", "any:0")) is None


def test_another_rank_is_an_error() -> None:
    """It is said in the words of TensorFlow's convolution, with what was given; what fits passes."""
    fits, other = (Tensor(DataType.FLOAT, np.zeros(shape, np.float32)) for shape in ((1, 8, 8, 3), (1, 2)))
    ranks.check([other, fits], (None, 4))
    with pytest.raises(ServingError) as raised:
        ranks.check([fits, other], (None, 4))
    assert (raised.value.code, raised.value.message) == (Code.INVALID_ARGUMENT, "input must be 4-dimensional[1,2]")
