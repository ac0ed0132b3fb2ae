"""What a compiled model was compiled with, and what it keeps: settings, memory, files."""

import os
from pathlib import Path

import pytest

from serving.openvino import library
from serving.openvino.compiling import Core, EngineSettings
from serving.openvino.library import OpenVinoError
from tests.server.openvino import small_graphs
from tests.server.openvino.small_graphs import (
    SETTINGS,
    WIDTH,
    compiled,
    dense,
    floats,
    memory_file,
    opened,
)

SETTINGS_READ = [
    pytest.param(EngineSettings(threads=1), {"NUM_STREAMS": "1", "INFERENCE_NUM_THREADS": "1"}, id="one thread"),
    pytest.param(SETTINGS, {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}, id="latency"),
    pytest.param(
        EngineSettings(threads=2, streams=2), {"PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": "2"}, id="streams"
    ),
]


@pytest.mark.parametrize(("settings", "read"), SETTINGS_READ)
def test_settings_are_in_effect(settings: EngineSettings, read: dict[str, str]) -> None:
    """What was asked for is what the compiled model says, and what it says after an import."""
    core = Core(library.load(), settings)
    graph = memory_file(dense())
    try:
        model = core.compile(graph)
        expected = {**settings.properties(), **read, "EXECUTION_MODE_HINT": "ACCURACY", "ENABLE_CPU_PINNING": "NO"}
        assert {name: core._property(model, name) for name in expected} == expected
        core.library.compiled_model_free(model)
    finally:
        os.close(graph)
        core.close()


class ManyStreams(EngineSettings):
    """A setting that is passed over in silence."""

    def properties(self) -> dict[str, str]:
        return {**super().properties(), "NUM_STREAMS": "1000"}


class NoHint(EngineSettings):
    """A setting that means nothing."""

    def properties(self) -> dict[str, str]:
        return {**super().properties(), "PERFORMANCE_HINT": "FASTEST"}


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        pytest.param(ManyStreams(threads=2), r"NUM_STREAMS is \d+ in the compiled model; expected 1000", id="silent"),
        pytest.param(NoHint(threads=2), "PERFORMANCE_HINT", id="unknown"),
    ],
)
def test_settings_that_are_not_in_effect_are_errors(settings: EngineSettings, text: str) -> None:
    """They would go unnoticed otherwise, and a precision changes answers."""
    with pytest.raises(OpenVinoError, match=text), compiled(dense(), settings):
        pass


def held_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_many_shapes_fill_no_memory() -> None:
    """Kernels of shapes that came once are dropped: 2,000 of them grow the process by 50 MB at most."""
    shapes = [(1, 4 + number % 40, 4 + number // 40, 3) for number in range(2000)]
    with opened(small_graphs.convolution()) as model:
        for shape in shapes[::50]:
            model([floats(*shape)])
        before = held_bytes()
        for shape in shapes:
            model([floats(*shape)])
        assert held_bytes() - before < 50 * 2**20


def test_files_and_requests_do_not_pile_up() -> None:
    """Opening and closing leaves nothing behind."""
    with opened(dense()) as model:
        model([floats(1, WIDTH)])
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(10):
        with opened(dense()) as model:
            model([floats(1, WIDTH)])
    assert len(list(Path("/proc/self/fd").iterdir())) == before
