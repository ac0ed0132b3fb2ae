"""A stage that optimises under a clock moved by the test, and models to send through it."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from serving.core.servable import Servable
from serving.core.tensor import DataType, Tensor
from serving.optimizing import candidates
from serving.optimizing.cache import Cache
from serving.optimizing.optimize_stage import OptimizeStage
from serving.optimizing.process import Children, ChildRequest
from serving.servables.saved_model import SavedModelOptions, SavedModelServable, load_saved_model
from tests.support import servable_id
from tests.support.models import loaded

SCRIPT = Path(__file__).with_name("make_optimizable.py")
PLENTY = 2**40


class Clock:
    """Seconds that pass at every look: ``first`` at the first, then each time ``factor`` times as many."""

    def __init__(self, factor: float, first: float = 100.0) -> None:
        self._now = 0.0
        self._step = first
        self._factor = factor

    def __call__(self) -> float:
        self._now += self._step
        self._step *= self._factor
        return self._now


def stage(
    cache: Cache | None = None,
    *,
    options: SavedModelOptions | None = None,
    bfloat16: bool = False,
    max_weights_bytes: int = PLENTY,
    children: Children | None = None,
    available: int | None = None,
    factor: float = 0.9,
    first: float = 100.0,
) -> OptimizeStage:
    """A stage that finds every optimised graph faster, unless ``factor`` is above 1."""
    return OptimizeStage(
        options or SavedModelOptions(),
        bfloat16=bfloat16,
        max_weights_bytes=max_weights_bytes,
        cache=cache,
        children=children or Children(),
        available_bytes=lambda: available,
        clock=Clock(factor, first),
    )


def images(rows: int) -> Tensor:
    return Tensor(DataType.FLOAT, np.random.default_rng(rows).random((rows, 16, 16, 3)).astype(np.float32))


def load(path: Path) -> SavedModelServable:
    return load_saved_model(path, SavedModelOptions(), ThreadPoolExecutor(2))


@contextmanager
def through(stage: OptimizeStage, path: Path) -> Iterator[tuple[SavedModelServable, Servable]]:
    """The servable that a stage was given, and the one that it gives."""
    plain = load(path)
    servable: Servable = plain
    try:
        servable = stage(plain, servable_id(1), path)
        yield plain, servable
    finally:
        servable.close()


def order(directory: Path, **changes: Any) -> ChildRequest:
    """What the stage would order for ``images``."""
    path = directory / "images" / "1"
    with loaded(path) as plain:
        step, signatures = candidates.one_step(plain.signatures)
    made = ChildRequest(path=path, tags=("serve",), config=b"", signatures=signatures, step=step, example=[images(1)])
    return replace(made, **changes)


def close_to(given: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> bool:
    return given.keys() == expected.keys() and all(
        np.allclose(given[alias].array, expected[alias].array, rtol=1e-4, atol=1e-5) for alias in expected
    )
