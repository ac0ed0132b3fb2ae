"""Tables and text that fit a terminal of 80 columns, with colours where they are seen and wanted."""

import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from typing import TextIO

WIDTH = 80
_GAP = "  "
_NARROWEST = 8
"""To no fewer columns a cell is wrapped for the sake of the others."""

_COLOURS = {
    "AVAILABLE": "32",
    "READY": "32",
    "LOADING": "33",
    "START": "33",
    "UNLOADING": "33",
    "END": "31",
    "UNAVAILABLE": "31",
}
"""SGR codes of states: green for what answers, yellow for what is on its way, red for what is not there."""


def width() -> int:
    """The columns that there are: those of a terminal, and no more than 80."""
    return min(shutil.get_terminal_size((WIDTH, 24)).columns, WIDTH) if sys.stdout.isatty() else WIDTH


def coloured(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether to colour: on a terminal that can, unless NO_COLOR is set."""
    return stream.isatty() and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, columns: int = WIDTH, colour: bool = False) -> str:
    """Rows below heads in so many columns: the widest cells are wrapped, columns of which all cells are empty left out.

    Numbers stand to the right.
    """
    kept = [index for index in range(len(heads)) if any(row[index] for row in rows)]
    heads, rows = [heads[index] for index in kept], [[row[index] for index in kept] for row in rows]
    widths = _widths(heads, rows, columns)
    right = [all(row[index].replace(".", "", 1).isdigit() for row in rows if row[index]) for index in range(len(heads))]
    lines = []
    for row in (heads, *rows):
        cells = [_wrapped(cell, size) for cell, size in zip(row, widths, strict=True)]
        for level in range(max(map(len, cells), default=0)):
            parts = [cell[level] if level < len(cell) else "" for cell in cells]
            padded = [
                part.rjust(size) if to_right else part.ljust(size)
                for part, size, to_right in zip(parts, widths, right, strict=True)
            ]
            lines.append(_GAP.join(_painted(part, colour) for part in padded).rstrip())
    return "\n".join(lines)


def _widths(heads: Sequence[str], rows: Sequence[Sequence[str]], columns: int) -> list[int]:
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    room = columns - len(_GAP) * (len(heads) - 1)
    while sum(widths) > room and max(widths) > _NARROWEST:
        widths[widths.index(max(widths))] -= 1
    return widths


def _wrapped(cell: str, size: int) -> list[str]:
    return textwrap.wrap(cell, size, break_on_hyphens=False) or [""]


def _painted(cell: str, colour: bool) -> str:
    code = _COLOURS.get(cell.strip()) if colour else None
    return f"\x1b[{code}m{cell}\x1b[0m" if code else cell


def wrapped(text: str, columns: int = WIDTH) -> str:
    """Text of several lines in so many columns."""
    return "\n".join(line for each in text.splitlines() for line in textwrap.wrap(each, columns) or [""])
