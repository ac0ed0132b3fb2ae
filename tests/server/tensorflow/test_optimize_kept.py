"""What a stage makes of a kept verdict: it is opened without a process, or refused if it is not what it was."""

import os
import re
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from serving.optimizing.cache import Cache
from serving.optimizing.choice import Engine
from serving.optimizing.freezing import FrozenGraph
from serving.optimizing.trying import Trier
from serving.optimizing.verdict import StepVerdict, TensorFlowPart, Verdict
from serving.protos import message
from tests.server.tensorflow.optimizing import (
    children,
    doing,
    engines,
    groups_of,
    images,
    load,
    memory_file,
    model,
    open_files,
    stage,
    terms,
    through,
)
from tests.support import TIMEOUT_SECONDS, servable_id
from tests.support.models import call


class Forger(Cache):
    """Finds one verdict for everything: a graph in the place of TensorFlow's optimised one."""

    def __init__(self, directory: Path, graph: FrozenGraph) -> None:
        super().__init__(directory, "this CPU")
        self._graph = graph

    def find(self, key: str) -> Verdict | None:
        example = super().find(key)
        assert example is not None
        part = TensorFlowPart(graph=self._graph, optimized=True, seconds=1.0, difference=0.0)
        step = StepVerdict(plain_seconds=2.0, example=example.steps[0].example, tensorflow=part, openvino=None)
        for fd in set(example.files) - set(step.files):
            os.close(fd)
        return Verdict(steps=(step,))


@pytest.fixture
def kept(directory: Path, cache: Cache) -> Verdict:
    """What the cache has for ``images`` on TensorFlow's optimised graph."""
    path = directory / "images" / "1"
    trier = Trier(
        children=children(),
        model=model(path),
        groups=groups_of(path),
        terms=terms(),
        every_signature=False,
        given_up=lambda: False,
    )
    return cache.verdict(model(path), groups_of(path), terms(), trier.verdict)


def test_wrong_answers_are_noticed(
    directory: Path, cache: Cache, kept: Verdict, caplog: pytest.LogCaptureFixture
) -> None:
    """A graph that answers something else is not served."""
    caplog.set_level("INFO", "serving")
    optimized = kept.steps[0].tensorflow
    assert optimized is not None
    graph, *weights = [os.pread(fd, os.fstat(fd).st_size, 0) for fd in optimized.graph.files]
    kept.close()
    forged = [memory_file(bytes(4000) + weights[0][4000:]), *map(memory_file, weights[1:])]
    forger = Forger(cache.directory, FrozenGraph(graph=memory_file(graph), weights=tuple(forged)))
    before = open_files()
    with through(stage(forger), directory / "images" / "1") as servable:
        assert engines(servable) == set()
        assert open_files() < before
    assert re.search(r"its answers differ by .* once it is optimised; expected at most 1e-04", caplog.messages[1])


def test_unusable_graphs_are_noticed(
    directory: Path, cache: Cache, kept: Verdict, caplog: pytest.LogCaptureFixture
) -> None:
    """A graph that TensorFlow refuses is not served."""
    kept.close()
    caplog.set_level("INFO", "serving")
    graph = message("tensorflow.GraphDef")()
    graph.node.add(name="a", op="NoSuchOperation")
    forger = Forger(cache.directory, FrozenGraph(graph=memory_file(graph.SerializeToString())))
    with through(stage(forger), directory / "images" / "1") as servable:
        assert engines(servable) == set()
    assert "what was made of it cannot be opened: NOT_FOUND: " in caplog.messages[1]


def test_unwritable_cache_is_a_warning(directory: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Optimisation goes on without a cache."""
    (tmp_path / "file").touch()
    caplog.set_level("WARNING", "serving")
    with through(stage(Cache(tmp_path / "file", "")), directory / "images" / "1") as servable:
        assert engines(servable) == {Engine.TENSORFLOW}
    assert caplog.messages == [f"--optimize_cache_dir={tmp_path}/file cannot be written to: File exists"]


@pytest.mark.usefixtures("optimized")  # it fills the cache
def test_what_is_kept_needs_no_process(directory: Path, cache: Cache, tried: tuple[Any, Engine]) -> None:
    """The verdict of an earlier start is opened, and its answers are the same to the bit."""
    policy, engine = tried
    path = directory / "images" / "1"
    answers = []
    for _ in range(2):
        with through(stage(cache, policy=policy, processes=doing("false")), path) as servable:
            assert engines(servable) == {engine}
            answers.append([tensor.array.tobytes() for tensor in call(servable, {"x": images(3)}).values()])
    assert answers[0] == answers[1]


@pytest.mark.usefixtures("optimized")  # it fills the cache
def test_a_version_that_is_unloaded_meanwhile(directory: Path, cache: Cache, tried: tuple[Any, Engine]) -> None:
    """Engines that come too late are not opened, and their files are closed."""
    path = directory / "images" / "1"
    policy = replace(tried[0], wait=False)
    before = open_files()

    class Late(Cache):
        def find(self, key: str) -> Verdict | None:
            assert begun.wait(TIMEOUT_SECONDS)
            found = super().find(key)
            assert found is not None
            servable.close()
            return found

    begun = threading.Event()
    late = stage(Late(cache.directory, "this CPU"), policy=policy, processes=doing("false"))
    servable = late(load(path), servable_id(1), path)
    (thread,) = [each for each in threading.enumerate() if each.name == "optimizing"]
    begun.set()
    thread.join(TIMEOUT_SECONDS)
    assert engines(servable) == set()
    assert open_files() == before
