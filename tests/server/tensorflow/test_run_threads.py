"""Which thread a SavedModel's calls run in: the caller's if they are fast, the pool's, or many at once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from serving.core.tensor import DataType
from serving.errors import ServingError
from tests.support import ManualClock
from tests.support.models import NO_LIMIT, floats, loaded, resolve, tensor

FAR_OFF_MS = 60_000


@pytest.fixture
def stopped_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every call seems to take no time, however busy the machine is."""
    monkeypatch.setattr("serving.servables.session.time", SimpleNamespace(perf_counter=ManualClock()))


@pytest.mark.usefixtures("stopped_clock")
def test_fast_calls_become_inline(models: Path) -> None:
    """Not before two calls, for the first one plans the step; then short calls run in the caller's thread."""
    with loaded(models / "matrix" / "1") as servable:
        run, given = resolve(servable, "serving_default"), tensor(DataType.FLOAT, np.ones((1, 3, 3)))
        seen = [run.inline]
        for _ in range(100):
            run([given], FAR_OFF_MS)
            seen.append(run.inline)
    assert seen[:2] == [False, False]
    assert seen[-1]


@pytest.mark.usefixtures("stopped_clock")
def test_other_sizes_become_inline_by_themselves(models: Path) -> None:
    """A batch of a model that is fast for one row is not taken for fast before it was seen to be."""
    one, batch = floats(1), floats(*range(64))
    with loaded(models / "half_plus_three" / "1") as servable:
        run = resolve(servable, "serving_default")
        seen = []
        for given in (one, one, batch):
            run([given], FAR_OFF_MS)
            seen.append((run.inline_for([one]), run.inline_for([batch])))
    assert seen == [(False, False), (True, False), (True, True)]


def test_slow_calls_are_not_inline(models: Path) -> None:
    """A step of several milliseconds goes to the pool, however often it was called."""
    with loaded(models / "slow" / "1") as servable:
        run = resolve(servable, "wait")
        for _ in range(5):
            run([floats(5)], NO_LIMIT)
        assert not run.inline


def test_submit_runs_on_the_pool(models: Path) -> None:
    """A submitted call is made on the executor's threads and gives the same answer."""
    names: list[str] = []

    class Recording(ThreadPoolExecutor):
        """Notes on which thread each call is made."""

        def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Any:
            def noted() -> Any:
                names.append(threading.current_thread().name)
                return function(*args, **kwargs)

            return super().submit(noted)

    with Recording(1, "pool") as pool, loaded(models / "half_plus_three" / "1", executor=pool) as servable:
        outputs = resolve(servable, "serving_default").submit([floats(1)], NO_LIMIT).result()
    assert outputs[0].array.tolist() == [3.5]
    assert names == ["pool_0"]


def test_submit_carries_errors(models: Path) -> None:
    """The future of a failing call holds the ServingError."""
    with loaded(models / "failing" / "1") as servable:
        error = resolve(servable, "serving_default").submit([floats(-1)], NO_LIMIT).exception()
    assert isinstance(error, ServingError)


def test_threads_get_their_own_answers(models: Path) -> None:
    """Eight threads calling one model at once never see each other's values."""
    with loaded(models / "half_plus_three" / "1") as servable, ThreadPoolExecutor(8) as pool:
        run = resolve(servable, "serving_default")
        start = threading.Barrier(8)

        def ask(thread: int) -> list[list[float]]:
            start.wait()
            return [run([floats(thread, count)], NO_LIMIT)[0].array.tolist() for count in range(200)]

        answers = list(pool.map(ask, range(8)))
    assert answers == [[[thread / 2 + 3, count / 2 + 3] for count in range(200)] for thread in range(8)]
