"""What was measured of the engines, and the arithmetic on it: ratios by round, their medians, and what holds for those.

Nothing is assumed of how times are distributed: the bound of a median comes from the ratios' order alone.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import geometric_mean, median

from tests.bench.report import amount
from tests.bench.results import Table

TITLE = "Engines: time per row over gRPC"
CONFIDENCE = 0.95
FIRST_BARS: Mapping[str, float] = {
    "resnet50": 0.70,
    "mobilenetv2": 0.45,
    "efficientnetb0": 0.45,
    "transformer": 0.65,
    "lstm": 0.50,
    "mlp4x512": 0.80,
}
"""With one row and one client."""
ANY_BAR = 1.05
"""In any cell."""
ALL_BAR = 0.62
"""The geometric mean of all cells."""
BARE_BAR, BARE_MS = 1.05, 0.3
"""What a call may take to OpenVINO's own time, and milliseconds over that."""

_COLUMNS = ("model", "rows", "clients", "baseline, ms", "ours, ms", "ratio", "95 % bound", "bar", "met", "differ by")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Cell:
    """How many rows a request has, and how many clients send one after the other."""

    rows: int
    clients: int

    def __str__(self) -> str:
        return f"{_counted(self.rows, 'row')}, {_counted(self.clients, 'client')}"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


CELLS = tuple(Cell(rows=rows, clients=clients) for rows in (1, 8) for clients in (1, 4))


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A model in one cell: milliseconds per row, round by round, of both servers.

    ``difference`` is the largest between their answers to one request, relative to the largest value. ``bare`` is
    OpenVINO's time without a server, if it was measured.
    """

    model: str
    cell: Cell
    ours: tuple[float, ...]
    baseline: tuple[float, ...]
    difference: float
    bare: tuple[float, ...] = ()

    @property
    def ratios(self) -> list[float]:
        """Ours to the baseline, round by round, for what slows the machine for a while slows both."""
        return [mine / other for mine, other in zip(self.ours, self.baseline, strict=True)]


def upper_bound(values: Sequence[float]) -> float | None:
    """What the median that ``values`` are drawn around does not exceed, with CONFIDENCE; None if they are too few.

    The k-th smallest of n is below the true median only if k of them are: a matter of tossing n coins.
    """
    likely = 0.0
    for index, value in enumerate(sorted(values)):
        likely += math.comb(len(values), index) / 2 ** len(values)
        if likely >= CONFIDENCE:
            return value
    return None


def overall(found: Sequence[Measured]) -> list[float]:
    """The geometric mean of all cells' ratios, round by round."""
    return [geometric_mean(ratios) for ratios in zip(*(each.ratios for each in found), strict=True)]


def tables(found: Sequence[Measured], *, judged: bool) -> list[Table]:
    """The cells in one table, what holds for all of them in another; bars only if ``judged``."""
    if not found:
        return []
    lines = [_line(each, judged=judged) for each in found]
    ratios = overall(found)
    bound = upper_bound(ratios)
    all_met = _met(bound, ALL_BAR if judged else None)
    summary = (
        "all cells, geometric mean",
        f"{median(ratios):.3f}",
        _bound(bound),
        _bar(judged, ALL_BAR),
        _word(all_met),
    )
    return [
        Table(
            title=TITLE,
            columns=_COLUMNS,
            lines=tuple(cells for cells, _ in lines),
            met=tuple(met for _, met in lines if met is not None),
        ),
        Table(
            title="Engines: all together",
            columns=("", "ratio", "95 % bound", "bar", "met"),
            lines=(summary,),
            met=() if all_met is None else (all_met,),
        ),
    ]


def _line(each: Measured, *, judged: bool) -> tuple[tuple[str, ...], bool | None]:
    ratios = each.ratios
    bound = upper_bound(ratios)
    bar = bar_of(each.model, each.cell) if judged else None
    met = _met(bound, bar)
    cells = (
        each.model,
        str(each.cell.rows),
        str(each.cell.clients),
        amount(median(each.baseline)),
        amount(median(each.ours)),
        f"{median(ratios):.3f}",
        _bound(bound),
        "" if bar is None else f"{bar:.2f}",
        _word(met),
        f"{each.difference:.0e}",
    )
    return cells, met


def bar_of(model: str, cell: Cell) -> float:
    """What the ratio must not exceed."""
    return FIRST_BARS.get(model, ANY_BAR) if cell == CELLS[0] else ANY_BAR


def _bar(judged: bool, bar: float) -> str:
    return f"{bar:.2f}" if judged else ""


def _bound(bound: float | None) -> str:
    return "too few rounds" if bound is None else f"{bound:.3f}"


def _met(bound: float | None, bar: float | None) -> bool | None:
    return None if bound is None or bar is None else bound <= bar


def _word(met: bool | None) -> str:
    return {True: "met", False: "missed", None: ""}[met]


def beside_bare(found: Sequence[Measured], *, judged: bool) -> Iterator[Table]:
    """Our server over gRPC beside OpenVINO in a loop without one, for the cells in which that was measured."""
    lines, judgements = [], []
    for each in found:
        if each.bare:
            ratios = [(mine - BARE_MS) / bare for mine, bare in zip(each.ours, each.bare, strict=True)]
            bound = upper_bound(ratios)
            met = _met(bound, BARE_BAR if judged else None)
            times = (amount(median(each.bare)), amount(median(each.ours)))
            figures = (f"{median(ratios):.3f}", _bound(bound), _bar(judged, BARE_BAR), _word(met))
            lines.append((each.model, *times, *figures))
            judgements += [] if met is None else [met]
    if lines:
        title = "Engines: one row and one client, beside OpenVINO without a server"
        columns = ("model", "it, ms", "ours, ms", f"ours less {BARE_MS} ms, to it", "95 % bound", "bar", "met")
        yield Table(title=title, columns=columns, lines=tuple(lines), met=tuple(judgements))


def medians(found: Sequence[Measured]) -> Iterator[tuple[str, str, float]]:
    """Model, cell and median ratio, for a plot."""
    for each in found:
        yield each.model, str(each.cell), median(each.ratios)
