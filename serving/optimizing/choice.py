"""Which engine runs a step's calls, by their rows and by how many run at once: a table of what was measured. Pure."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum


class Engine(StrEnum):
    """What can run a step. Streams: OpenVINO with as many calls side by side as there are CPUs, each on one of them."""

    TENSORFLOW = "tensorflow"
    OPENVINO = "openvino"
    OPENVINO_STREAMS = "openvino_streams"


MIN_GAIN = 0.10
"""Another engine takes a cell if its calls are shorter by this much at the lower quartile of the pairs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Calls of ``rows`` rows, ``calls`` at once: who runs them, and the milliseconds of one, before and with it."""

    rows: int
    calls: int
    engine: Engine
    plain_milliseconds: float
    milliseconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The cells of one step, at least one."""

    cells: tuple[Cell, ...]

    @property
    def engines(self) -> frozenset[Engine]:
        """Those that run at least one cell."""
        return frozenset(cell.engine for cell in self.cells)

    def engine(self, rows: int, calls: int) -> Engine:
        """Who runs a call of ``rows`` rows, one of ``calls`` at once: the cell that is nearest, rows first."""
        return min(self.cells, key=lambda cell: (_distance(cell.rows, rows), _distance(cell.calls, calls))).engine

    def __str__(self) -> str:
        return "; ".join(
            f"{_counted(cell.rows, 'row')}, {_counted(cell.calls, 'call')} at once: {cell.engine} "
            f"{_ms(cell.milliseconds)} ms" + (f", not {_ms(cell.plain_milliseconds)}" if _other(cell) else "")
            for cell in self.cells
        )

    def as_json(self) -> str:
        """To be read back by ``table_from``."""
        return json.dumps([asdict(cell) for cell in self.cells])


def table_from(text: str) -> Table:
    """What ``as_json`` wrote. Raises ValueError, KeyError or TypeError for anything else."""
    return Table(cells=tuple(Cell(**{**fields, "engine": Engine(fields["engine"])}) for fields in json.loads(text)))


def gains(plain_seconds: Sequence[float], seconds: Sequence[float]) -> bool:
    """Whether what was timed in pairs, at least one, is faster by ``MIN_GAIN`` in all but the worst quarter of them."""
    ratios = sorted(after / before for before, after in zip(plain_seconds, seconds, strict=True))
    return ratios[(3 * len(ratios) - 1) // 4] <= 1 - MIN_GAIN


def _distance(measured: int, given: int) -> float:
    """By factors: 3 rows are nearer to 1 than to 8 by as much as 8 are to 24."""
    return max(measured / max(given, 1), max(given, 1) / measured)


def _other(cell: Cell) -> bool:
    return cell.engine is not Engine.TENSORFLOW


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _ms(milliseconds: float) -> str:
    return f"{milliseconds:.1f}" if milliseconds >= 10 else f"{milliseconds:.2f}"
