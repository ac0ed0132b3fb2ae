"""What makes a test one of this tier."""

from collections.abc import Iterator
from pathlib import Path

import pytest

_MAPS = Path("/proc/self/maps")


@pytest.fixture(autouse=True, scope="module")
def without_tensorflow() -> Iterator[None]:
    """TensorFlow's library, which takes half a second, is not loaded by the tests of this folder."""
    before = "libtensorflow" in _MAPS.read_text()  # by tests of other tiers in the same process
    yield
    assert before or "libtensorflow" not in _MAPS.read_text()
