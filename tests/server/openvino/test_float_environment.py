"""Threads that call OpenVINO read and write the numbers of other requests, in which denormal numbers stay."""

import threading

import numpy as np
import pytest

from serving.core.tensor import DataType, Tensor
from serving.openvino import library
from serving.openvino.compiled import CompiledModel, Port
from serving.openvino.compiling import EngineSettings, compiled
from tests.server.openvino.small_graphs import WIDTH, dense

SETTINGS = EngineSettings(threads=2)


def keeps_denormals() -> bool:
    return bool(np.float32(1e-40) * np.float32(1.0) != 0 and 5e-324 * 1.0 != 0)


@pytest.mark.parametrize("timeout_ms", [0, 10_000])
@pytest.mark.parametrize("own_thread", [False, True])
def test_denormal_numbers_stay(timeout_ms: int, own_thread: bool) -> None:
    """Compiling, opening and calling leave the thread's float environment as it was."""
    found: list[bool] = []

    def work() -> None:
        blob = compiled(library.load(), SETTINGS, dense())
        found.append(keeps_denormals())
        model = CompiledModel(
            library.load(), SETTINGS, blob, [Port("x:0", DataType.FLOAT)], [Port("y:0", DataType.FLOAT)]
        )
        found.append(keeps_denormals())
        model([Tensor(DataType.FLOAT, np.ones((1, WIDTH), np.float32))], timeout_ms)
        found.append(keeps_denormals())
        model.close()

    if own_thread:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    else:
        work()
    assert found == [True, True, True]
