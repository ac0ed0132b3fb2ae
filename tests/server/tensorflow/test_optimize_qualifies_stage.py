"""Models that are optimised for what is known of their graphs, with the real processes."""

from pathlib import Path

import numpy as np

from serving.optimizing.choice import Engine
from tests.server.tensorflow.optimizing import close_to, engines, images, stage, through
from tests.support.models import call, loaded, strings


def test_strings_are_made_up(directory: Path) -> None:
    """A model that takes strings is optimised without warm-up requests, if it says what it wants."""
    path = directory / "texts" / "1"
    text = strings(bytes(range(256)) * 3, bytes(768))
    with through(stage(), path) as servable, loaded(path) as saved:
        assert engines(servable) == {Engine.TENSORFLOW}
        assert close_to(call(servable, {"s": text}), call(saved, {"s": text}))


def test_twins_share_one_step(directory: Path) -> None:
    """Two signatures that do the same are optimised as one, and each answers by its own names."""
    path = directory / "twins" / "1"
    with through(stage(), path) as servable, loaded(path) as saved:
        assert engines(servable) == {Engine.TENSORFLOW}
        default, twin = (call(servable, {"x": images(3)}, name) for name in ("serving_default", "serve"))
        assert close_to(twin, call(saved, {"x": images(3)}, "serve"))
        assert all(np.array_equal(default[alias].array, twin[alias].array) for alias in twin)
