"""Fills the table of one step: every cell is measured, TensorFlow against OpenVINO, and against its streams."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from serving.core.servable import Run
from serving.core.tensor import Tensor
from serving.openvino.body import Body
from serving.openvino.compiled import CompiledModel
from serving.optimizing.candidates import NotOptimizedError
from serving.optimizing.choice import Cell, Engine, Table
from serving.optimizing.comparing import Example
from serving.optimizing.measuring import Call, Pairs, measured, median

_NO_LIMIT = 0
_LONGEST_MILLISECONDS = 1000
"""Calls of more rows than take this long are not measured: they are decided as those of fewer."""


def filled(
    plain: Run,
    body: Body,
    models: tuple[CompiledModel, CompiledModel | None],
    examples: Sequence[Example],
    *,
    rows: Sequence[int],
    calls: Sequence[int],
    clock: Callable[[], float] = time.perf_counter,
) -> Table:
    """Who runs calls of so many ``rows``, so many ``calls`` at once; rows that the model does not take are left out.

    ``models`` are the same with one stream and, if it was compiled, with one for each CPU.
    """
    cells: list[Cell] = []
    for count in rows:
        if cells and cells[-1].plain_milliseconds / cells[-1].rows * count > _LONGEST_MILLISECONDS:
            break
        example = next(
            (each for each in (_with_rows(one, count) for one in examples) if _runs(plain, body, models, each)), None
        )
        if example is not None:
            cells += steady([_cell(plain, body, models, example, count, at_once, clock) for at_once in calls])
    if not cells:
        raise NotOptimizedError("none of the inputs that it was tried with may be OpenVINO's")
    return Table(cells=tuple(cells))


def steady(cells: Sequence[Cell]) -> list[Cell]:
    """Cells of the same rows, fewest calls first: where TensorFlow runs a call alone, it runs those side by side too.

    How many run at once changes from call to call, and engines that take turns hold each other's threads up: an LSTM
    lost a sixth with four clients, though each of its calls was in the better one's cell.
    """
    if not cells or cells[0].engine is not Engine.TENSORFLOW:
        return list(cells)
    return [replace(each, engine=Engine.TENSORFLOW, milliseconds=each.plain_milliseconds) for each in cells]


def _with_rows(example: Example, rows: int) -> Example:
    """The example with its first rows repeated to ``rows``, as far as its inputs have rows."""
    count = next((tensor.array.shape[0] for tensor in example if tensor.array.ndim), 0)
    if not count or count == rows:
        return example
    return [
        Tensor(tensor.dtype, np.resize(tensor.array, (rows, *tensor.array.shape[1:])))
        if tensor.array.ndim and tensor.array.shape[0] == count
        else tensor
        for tensor in example
    ]


def _runs(plain: Run, body: Body, models: tuple[CompiledModel, CompiledModel | None], example: Example) -> bool:
    try:
        plain(example, _NO_LIMIT)
    except Exception:  # noqa: BLE001 - whatever it refuses for, it is no example of so many rows
        return False
    return body.fits(example) and body(models[0], example, _NO_LIMIT) is not None


def _cell(
    plain: Run,
    body: Body,
    models: tuple[CompiledModel, CompiledModel | None],
    example: Example,
    rows: int,
    calls: int,
    clock: Callable[[], float],
) -> Cell:
    one, streams = models
    pairs = measured(_call(plain, example), _body_call(body, one, example), calls, clock)
    best, engine = pairs, Engine.OPENVINO
    if streams is not None and calls > 1:
        body(streams, example, _NO_LIMIT)
        other = measured(_call(plain, example), _body_call(body, streams, example), calls, clock)
        if _ratio(other) < _ratio(best):
            best, engine = other, Engine.OPENVINO_STREAMS
    before, after = median(best.plain) * 1000, median(best.other) * 1000
    if not best.other_gains:
        engine, after = Engine.TENSORFLOW, before
    return Cell(rows=rows, calls=calls, engine=engine, plain_milliseconds=before, milliseconds=after)


def _ratio(pairs: Pairs) -> float:
    return median(pairs.other) / median(pairs.plain)


def _call(plain: Run, example: Example) -> Call:
    return lambda: plain(example, _NO_LIMIT)


def _body_call(body: Body, model: CompiledModel, example: Example) -> Call:
    return lambda: body(model, example, _NO_LIMIT)
