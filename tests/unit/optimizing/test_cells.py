"""Which cells of a table are taken as they were measured."""

import pytest

from serving.optimizing.cells import steady
from serving.optimizing.choice import Cell, Engine


def cell(calls: int, engine: Engine) -> Cell:
    milliseconds = 2.0 if engine is Engine.TENSORFLOW else 1.0
    return Cell(rows=8, calls=calls, engine=engine, plain_milliseconds=2.0, milliseconds=milliseconds)


@pytest.mark.parametrize(
    ("measured", "taken"),
    [
        pytest.param([Engine.OPENVINO, Engine.OPENVINO_STREAMS], [Engine.OPENVINO, Engine.OPENVINO_STREAMS], id="both"),
        pytest.param([Engine.OPENVINO, Engine.TENSORFLOW], [Engine.OPENVINO, Engine.TENSORFLOW], id="one alone"),
        pytest.param([Engine.TENSORFLOW, Engine.OPENVINO_STREAMS], [Engine.TENSORFLOW] * 2, id="only side by side"),
        pytest.param([Engine.TENSORFLOW], [Engine.TENSORFLOW], id="one cell"),
        pytest.param([], [], id="none"),
    ],
)
def test_engines_do_not_take_turns_by_chance(measured: list[Engine], taken: list[Engine]) -> None:
    """Another engine has calls side by side only where it has one alone."""
    cells = [cell(calls, engine) for calls, engine in enumerate(measured, 1)]
    assert steady(cells) == [cell(calls, engine) for calls, engine in enumerate(taken, 1)]
