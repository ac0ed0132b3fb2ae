"""Models of which TensorFlow computes a head: words, pictures, tf.Examples; frozen, divided and opened as they are."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from serving.core.servable import Servable
from serving.core.tensor import Tensor
from serving.errors import ServingError
from serving.optimizing import media
from serving.protos import Example
from tests.conftest import made_by
from tests.server.openvino.headed import TOLERANCE, Headed, headed
from tests.support.models import resolve, strings

SCRIPT = Path(__file__).with_name("make_headed.py")
KINDS = ("words", "pictures", "unsized", "parsed")


@pytest.fixture(scope="module")
def directory(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The models of ``make_headed.py``."""
    return made_by(SCRIPT, pytestconfig, tmp_path_factory)


@pytest.fixture(scope="module", params=KINDS)
def model(request: pytest.FixtureRequest, directory: Path) -> Iterator[tuple[str, Headed]]:
    """One of them, on both engines: a child takes seconds."""
    with headed(directory / request.param / "1") as made:
        yield request.param, made


def words(*rows: bytes) -> Tensor:
    found = strings(*b" ".join(rows).split())
    return Tensor(found.dtype, found.array.reshape(len(rows), -1))


def example(numbers: int) -> bytes:
    made = Example()
    made.features.feature["x"].float_list.value.extend(np.linspace(-1, 1, numbers).tolist())
    return bytes(made.SerializeToString())


JPEG = media.jpeg(50, 30, 1)
GRAY_PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55"
    "0000000a49444154789c63680000008200813d1b5fdb0000000049454e44ae426082"
)

ANSWERED = {
    "words": (words(b"word1 word2 word3 word4 word39 word0"), words(b"word7 no no word8 x y", b"a b c d e f")),
    "pictures": (strings(JPEG), strings(JPEG, media.jpeg(8, 90, 2), media.png(20, 20, 3))),
    "unsized": (strings(JPEG), strings(JPEG, media.jpeg(8, 90, 2))),
    "parsed": (strings(example(16)), strings(example(16), example(16), example(16))),
}
"""What OpenVINO answers."""

REFUSED = {
    "words": (words(b"one two three"),),
    "pictures": (strings(b"no picture"), strings(b""), strings(JPEG, JPEG[:90])),
    "unsized": (strings(b"no picture"), strings(JPEG, GRAY_PNG), strings(GRAY_PNG)),
    "parsed": (strings(b"no example"), strings(example(16), example(15)), strings(b"")),
}
"""What the model answers with an error, or TensorFlow alone does."""


def answer(servable: Servable, tensor: Tensor) -> list[Tensor] | tuple[object, str]:
    """What it answers, or the code and the text."""
    try:
        return resolve(servable, "serving_default")([tensor], 0)
    except ServingError as error:
        return error.code, error.message


def assert_same(found: object, expected: object) -> None:
    if not isinstance(expected, list) or not isinstance(found, list):
        assert found == expected
        return
    for one, other in zip(found, expected, strict=True):
        assert one.dtype is other.dtype
        np.testing.assert_allclose(one.array, other.array, 0, TOLERANCE * np.abs(other.array).max())


def test_answers(model: tuple[str, Headed]) -> None:
    """The head's results go to OpenVINO, and the answers are those of the model as it is saved."""
    kind, made = model
    for tensor in ANSWERED[kind]:
        made.answered.clear()
        found = answer(made.servable, tensor)
        assert made.answered == {"openvino": 1}
        assert_same(found, answer(made.plain, tensor))


def test_failures(model: tuple[str, Headed]) -> None:
    """What the head refuses, or OpenVINO may not have, is answered as by the model as it is saved, to the letter."""
    kind, made = model
    for tensor in REFUSED[kind]:
        made.answered.clear()
        found = answer(made.servable, tensor)
        assert not made.answered
        assert_same(found, answer(made.plain, tensor))


def test_trial_agrees(model: tuple[str, Headed]) -> None:
    """The trial finds a head, and what OpenVINO makes of its results is what the model answers."""
    _, made = model
    assert made.tried.head is not None
    assert made.tried.difference <= TOLERANCE


def test_flat_graph_answers(model: tuple[str, Headed]) -> None:
    """TensorFlow in the background has the model without its files, and its tables are filled."""
    kind, made = model
    signature = made.plain.signatures["serving_default"]
    feeds, fetches = signature.feeds(tuple(signature.inputs)).names, signature.fetches(()).names
    for tensor in ANSWERED[kind]:
        assert_same(made.servable.engines.tensorflow(feeds, fetches)([tensor], 0), answer(made.plain, tensor))
