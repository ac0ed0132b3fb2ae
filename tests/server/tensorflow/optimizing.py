"""A stage that optimises under a clock moved by the test, and models to send through it."""

import os
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from serving.core.servable import Servable
from serving.core.tensor import DataType, Tensor
from serving.openvino.compiling import Numbers
from serving.optimizing import candidates, comparing
from serving.optimizing.cache import Cache
from serving.optimizing.candidates import Group
from serving.optimizing.choice import Engine
from serving.optimizing.engine_servable import EngineServable
from serving.optimizing.freezing import MAX_FILES, Model
from serving.optimizing.optimize_stage import OptimizeStage
from serving.optimizing.policy import Policy
from serving.optimizing.process import Children, Programs
from serving.optimizing.trying import Terms
from serving.servables.saved_model import SavedModelOptions, SavedModelServable, load_saved_model
from tests.support import servable_id
from tests.support.models import loaded
from tests.support.server_process import REPOSITORY

SCRIPT = Path(__file__).with_name("make_optimizable.py")
PLENTY = 2**40

FASTER = 0.9
"""By this clock a later call is shorter by a tenth, so that the second of two is faster by nearly a fifth."""

_TRYING = """
import sys
sys.path.insert(0, {root!r})
from serving.optimizing import trial
from tests.server.tensorflow.trying_clock import Clock
trial.main(Clock({factor!r}, {first!r}))
"""

POLICY = Policy(
    options=SavedModelOptions(),
    tensorflow=True,
    openvino=None,
    bfloat16=False,
    tolerance=comparing.SAME_PRECISION,
    threads=1,
    rows=(1,),
    max_weights_bytes=PLENTY,
    wait=True,
)
"""A version waits until TensorFlow's own optimised graph has been tried."""

OPENVINO = replace(POLICY, tensorflow=False, openvino=Numbers.FLOAT32)
"""The same with OpenVINO."""


def children(factor: float = FASTER, first: float = 100.0) -> Children:
    """The real processes, the one that tries engines under a clock that finds each faster, or if above 1 slower."""
    trying = _TRYING.format(root=str(REPOSITORY), factor=factor, first=first)
    return Children(Programs(trying=(sys.executable, "-P", "-c", trying)))


def doing(*command: str) -> Children:
    """Children that run ``command`` in the place of both."""
    return Children(Programs(freezing=command, trying=command))


def stage(
    cache: Cache | None = None,
    *,
    policy: Policy = POLICY,
    processes: Children | None = None,
    available: int | None = None,
) -> OptimizeStage:
    """A stage that finds every engine faster."""
    return OptimizeStage(
        policy, children=processes or children(), cache=cache, available_bytes=lambda: available, clock=lambda: 0.0
    )


def images(rows: int) -> Tensor:
    return Tensor(DataType.FLOAT, np.random.default_rng(rows).random((rows, 16, 16, 3)).astype(np.float32))


def load(path: Path) -> SavedModelServable:
    return load_saved_model(path, SavedModelOptions(), ThreadPoolExecutor(2))


@contextmanager
def through(stage: OptimizeStage, path: Path) -> Iterator[Servable]:
    """What a stage gives for a version."""
    plain = load(path)
    servable: Servable = plain
    try:
        servable = stage(plain, servable_id(1), path)
        yield servable
    finally:
        servable.close()


def engines(servable: Servable) -> set[Engine]:
    """The engines that run steps of the servable; TensorFlow is its own optimised graph, not the one as saved."""
    found: set[Engine] = set()
    for step in servable.engines.steps if isinstance(servable, EngineServable) else ():
        found |= {Engine.TENSORFLOW} if step.tensorflow is not None else set()
        found |= {Engine.OPENVINO} if step.openvino is not None else set()
    return found


def groups_of(path: Path) -> tuple[Group, ...]:
    """The steps of a version that keeps no state."""
    with loaded(path) as plain:
        return candidates.grouped(plain.signatures, lambda _: None, {}).groups


def model(path: Path, config: bytes = b"") -> Model:
    return Model(path=path, tags=("serve",), config=config)


def terms(**changes: object) -> Terms:
    """Terms on which TensorFlow's own optimised graph is tried, except for ``changes``."""
    made = Terms(
        config=b"",
        threads=1,
        rows=(1,),
        numbers=None,
        tensorflow=True,
        tolerance=comparing.SAME_PRECISION,
        max_files=MAX_FILES,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def memory_file(data: bytes) -> int:
    """An open file with this content."""
    fd = os.memfd_create("f")
    os.write(fd, data)
    return fd


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - only their number counts


def close_to(given: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> bool:
    return given.keys() == expected.keys() and all(
        np.allclose(given[alias].array, expected[alias].array, rtol=1e-4, atol=1e-5) for alias in expected
    )
