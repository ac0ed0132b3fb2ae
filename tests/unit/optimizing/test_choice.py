"""The table of who runs a call: the nearest cell, a gain that is clear, and the way to JSON and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.optimizing.choice import Cell, Engine, Table, gains, table_from

TENSORFLOW, OPENVINO, STREAMS = Engine.TENSORFLOW, Engine.OPENVINO, Engine.OPENVINO_STREAMS


def cell(rows: int, calls: int, engine: Engine, before: float = 2.0, after: float = 1.0) -> Cell:
    return Cell(rows=rows, calls=calls, engine=engine, plain_milliseconds=before, milliseconds=after)


TABLE = Table(
    cells=(cell(1, 1, OPENVINO), cell(1, 4, STREAMS), cell(8, 1, TENSORFLOW, after=2.0), cell(8, 4, OPENVINO))
)


@pytest.mark.parametrize(
    ("rows", "calls", "engine"),
    [
        pytest.param(1, 1, OPENVINO, id="measured"),
        pytest.param(8, 4, OPENVINO, id="measured too"),
        pytest.param(2, 1, OPENVINO, id="two rows are nearer to one than to eight"),
        pytest.param(3, 1, TENSORFLOW, id="three rows are nearer to eight"),
        pytest.param(1000, 1, TENSORFLOW, id="more rows than any"),
        pytest.param(0, 1, OPENVINO, id="no rows"),
        pytest.param(1, 2, OPENVINO, id="as near to one call as to four"),
        pytest.param(1, 3, STREAMS, id="three calls are nearer to four"),
        pytest.param(1, 100, STREAMS, id="more calls than any"),
        pytest.param(3, 100, OPENVINO, id="rows come first"),
    ],
)
def test_the_nearest_cell_decides(rows: int, calls: int, engine: Engine) -> None:
    """What was not measured is decided as what is nearest by factors, rows first."""
    assert TABLE.engine(rows, calls) is engine


def test_engines_are_those_of_the_cells() -> None:
    """What no cell has need not be opened."""
    assert TABLE.engines == {TENSORFLOW, OPENVINO, STREAMS}
    assert Table(cells=(cell(1, 1, TENSORFLOW),)).engines == {TENSORFLOW}


def test_a_table_in_words() -> None:
    """The log names rows, calls, engine and both times, with as many digits as say something."""
    words = str(Table(cells=(cell(1, 1, OPENVINO, 12.34, 5.678), cell(8, 2, TENSORFLOW, 150.04, 150.04))))
    assert words == ("1 row, 1 call at once: openvino 5.68 ms, not 12.3; 8 rows, 2 calls at once: tensorflow 150.0 ms")


@pytest.mark.parametrize(
    ("ratios", "enough"),
    [
        pytest.param([0.9], True, id="a tenth"),
        pytest.param([0.91], False, id="less than a tenth"),
        pytest.param([0.5, 0.5, 0.95], False, id="of three the worst counts"),
        pytest.param([0.5, 0.5, 0.9, 5.0], True, id="of four the worst does not"),
        pytest.param([0.5, 0.5, 0.95, 5.0], False, id="but the one before it"),
        pytest.param([0.5] * 12 + [5.0] * 3, True, id="three bad ones of fifteen"),
        pytest.param([0.5] * 11 + [5.0] * 4, False, id="four bad ones of fifteen"),
    ],
)
def test_gains_are_those_of_the_lower_quartile(ratios: list[float], enough: bool) -> None:
    """Another engine is faster in all but the worst quarter of the pairs, or it is not faster."""
    for order in (ratios, ratios[::-1]):
        plain = [2.0 + index for index in range(len(order))]
        assert gains(plain, [ratio * before for ratio, before in zip(order, plain, strict=True)]) is enough


CELLS = st.builds(
    Cell,
    rows=st.integers(1, 10**6),
    calls=st.integers(1, 1000),
    engine=st.sampled_from(Engine),
    plain_milliseconds=st.floats(0, 1e6),
    milliseconds=st.floats(0, 1e6),
)


@given(st.lists(CELLS, min_size=1, max_size=12), st.integers(0, 10**6), st.integers(1, 1000))
def test_tables_come_back_from_json(cells: list[Cell], rows: int, calls: int) -> None:
    """What is read decides as what was written."""
    table = Table(cells=tuple(cells))
    read = table_from(table.as_json())
    assert read == table
    assert read.engine(rows, calls) is table.engine(rows, calls)


@pytest.mark.parametrize("text", ["", "[1]", "[{}]", '[{"engine": "nobody"}]', "{}{", '[{"engine": "openvino"}]'])
def test_other_texts_are_refused(text: str) -> None:
    """What is no table is one of three errors."""
    with pytest.raises((ValueError, KeyError, TypeError)):
        table_from(text)
