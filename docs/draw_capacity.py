"""Writes docs/images/capacity.svg, the plot of docs/capacity.md; run it as ``python docs/draw_capacity.py``.

Its figures are those of the page's table, which `python -m tests.bench.capacity` printed.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "capacity.md"
PICTURE = ROOT / "docs" / "images" / "capacity.svg"

TITLE = "From arrival to answer, ms: predicted (lines) and measured (points)"
PANELS = {"off": "without batching", "on": "with batching"}

WIDTH, HEIGHT = 760, 330
_PANEL, _LEFT, _TOP, _BOTTOM, _GAP = 300, 60, 70, 280, 70
_STEP = 50

STYLE = """
.page{fill:#ffffff}.axis{stroke:#d1d9e0;stroke-width:1}.p50{stroke:#0969da;fill:#0969da}.p99{stroke:#bc4c00;fill:#bc4c00}
.line{fill:none;stroke-width:2}.point{stroke:none}
text{fill:#1f2328;font:13px system-ui,-apple-system,"Segoe UI",Helvetica,Arial,sans-serif}
.middle{text-anchor:middle}.end{text-anchor:end}.title{font-weight:600}
@media (prefers-color-scheme:dark){
.page{fill:#0d1117}.axis{stroke:#3d444d}.p50{stroke:#4493f8;fill:#4493f8}.p99{stroke:#f0883e;fill:#f0883e}text{fill:#f0f6fc}
}
"""
_ROW = re.compile(r"^\| (off|on) \| (\d+)% \| ([^|]+\|){2} (.+) \|$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One row of the table: a load in percent, and milliseconds predicted and measured."""

    batching: str
    load: int
    predicted: tuple[float, float]
    measured: tuple[float, float]


def points(page: str) -> list[Point]:
    """The rows of the page's table. ValueError if it does not have both kinds."""
    found = []
    for row in _ROW.finditer(page):
        cells = [cell.strip() for cell in row[4].split("|")]
        p50, measured50, _, _, p99, measured99 = cells[:6]
        found.append(
            Point(
                batching=row[1],
                load=int(row[2]),
                predicted=(float(p50), float(p99)),
                measured=(float(measured50), float(measured99)),
            )
        )
    if {point.batching for point in found} != set(PANELS):
        raise ValueError("docs/capacity.md has no rows without and with batching")
    return found


def picture(found: Sequence[Point]) -> str:
    """The picture as SVG: two panels with the load to the right and the time upwards."""
    most = max(max(*point.predicted, *point.measured) for point in found)
    top = _STEP * (int(most / _STEP) + 1)
    told = "; ".join(
        f"batching {point.batching}, {point.load} %: p50 {point.predicted[0]:g} and {point.measured[0]:g}, "
        f"p99 {point.predicted[1]:g} and {point.measured[1]:g}"
        for point in found
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" role="img" '
            'aria-labelledby="title desc">',
            f'<title id="title">{escape(TITLE)}</title>',
            f'<desc id="desc">{escape(told)}</desc>',
            f"<style>{STYLE}</style>",
            f'<rect class="page" width="{WIDTH}" height="{HEIGHT}" rx="10"/>',
            f'<text class="title" x="20" y="28">{escape(TITLE)}</text>',
            *(
                line
                for index, (batching, name) in enumerate(PANELS.items())
                for line in _panel(
                    [point for point in found if point.batching == batching],
                    name,
                    _LEFT + index * (_PANEL + _GAP),
                    top,
                )
            ),
            "</svg>",
            "",
        ]
    )


def _panel(found: Sequence[Point], name: str, left: int, top: int) -> Iterator[str]:
    yield f'<text class="middle" x="{left + _PANEL // 2}" y="54">{escape(name)}</text>'
    for value in range(0, top + 1, _STEP):
        y = _height(value, top)
        yield f'<line class="axis" x1="{left}" x2="{left + _PANEL}" y1="{y}" y2="{y}"/>'
        yield f'<text class="end" x="{left - 8}" y="{y + 4}">{value}</text>'
    for point in found:
        yield f'<text class="middle" x="{_across(point.load, left)}" y="{_BOTTOM + 20}">{point.load}%</text>'
    yield f'<text class="middle" x="{left + _PANEL // 2}" y="{_BOTTOM + 40}">load</text>'
    for index, shade in enumerate(("p50", "p99")):
        line = " ".join(f"{_across(point.load, left)},{_height(point.predicted[index], top)}" for point in found)
        yield f'<polyline class="line {shade}" points="{line}" style="fill:none"/>'
        for point in found:
            at = f'cx="{_across(point.load, left)}" cy="{_height(point.measured[index], top)}"'
            yield f'<circle class="point {shade}" {at} r="5"/>'
        last = found[-1]
        y = _height(last.predicted[index], top) + 4
        yield f'<text x="{_across(last.load, left) + 10}" y="{y}">{shade}</text>'


def _across(load: int, left: int) -> int:
    return left + round(_PANEL * (load - 20) / 80)


def _height(value: float, top: int) -> int:
    return round(_BOTTOM - (_BOTTOM - _TOP) * value / top)


if __name__ == "__main__":
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(picture(points(PAGE.read_text())))
