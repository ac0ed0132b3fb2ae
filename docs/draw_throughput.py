"""Writes docs/images/throughput.svg, the plot of README.md; run it as ``python docs/draw_throughput.py``.

Its figures are those of docs/benchmarks.md, whatever `make bench` has written there last.
"""

import re
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
PICTURE = ROOT / "docs" / "images" / "throughput.svg"

LOAD = "connections 16, req/s"
"""The rows that are drawn: half_plus_two over REST, one core."""

TITLE = "Requests per second of a small model over REST, one core, 16 connections"

WIDTH = 720
_LEFT, _TOP, _ROW, _BAR = 130, 48, 38, 22
_LONGEST = WIDTH - _LEFT - 90

STYLE = """
.page{fill:#ffffff}.bar{fill:#8c959f}.ours{fill:#0969da}
text{fill:#1f2328;font:13px system-ui,-apple-system,"Segoe UI",Helvetica,Arial,sans-serif}
.name{text-anchor:end}.title{font-weight:600}
@media (prefers-color-scheme:dark){
.page{fill:#0d1117}.bar{fill:#656c76}.ours{fill:#4493f8}text{fill:#f0f6fc}
}
"""


def figures(page: str) -> Mapping[str, int]:
    """Requests per second by what was measured, the slowest first. ValueError if the page does not have them."""
    row = re.compile(rf"^\| {re.escape(LOAD)} \| lane: ([\d,]+) \| (Flask|FastAPI): ([\d,]+) \|", re.MULTILINE)
    found = {name: (_number(theirs), _number(ours)) for ours, name, theirs in row.findall(page)}
    if set(found) != {"Flask", "FastAPI"}:
        raise ValueError(f"docs/benchmarks.md has no rows of {LOAD!r} with Flask and with FastAPI")
    bars = {name: theirs for name, (theirs, _) in found.items()}
    bars["this server"] = found["Flask"][1]
    return dict(sorted(bars.items(), key=lambda each: each[1]))


def _number(text: str) -> int:
    return int(text.replace(",", ""))


def picture(bars: Mapping[str, int]) -> str:
    """The picture as SVG: a horizontal bar for each, as long as its figure."""
    height = _TOP + _ROW * len(bars)
    told = ", ".join(f"{name} {figure:,}" for name, figure in bars.items())
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" role="img" '
            'aria-labelledby="title desc">',
            f'<title id="title">{escape(TITLE)}</title>',
            f'<desc id="desc">{escape(told)}</desc>',
            f"<style>{STYLE}</style>",
            f'<rect class="page" width="{WIDTH}" height="{height}" rx="10"/>',
            f'<text class="title" x="20" y="28">{escape(TITLE)}</text>',
            *_bars(bars),
            "</svg>",
            "",
        ]
    )


def _bars(bars: Mapping[str, int]) -> Iterator[str]:
    most = max(bars.values())
    for row, (name, figure) in enumerate(bars.items()):
        y, length = _TOP + _ROW * row, max(1, round(_LONGEST * figure / most))
        text = y + _BAR // 2 + 5
        shade = "ours" if name == "this server" else "bar"
        yield f'<text class="name" x="{_LEFT - 10}" y="{text}">{escape(name)}</text>'
        yield f'<rect class="{shade}" x="{_LEFT}" y="{y}" width="{length}" height="{_BAR}" rx="3"/>'
        yield f'<text x="{_LEFT + length + 8}" y="{text}">{figure:,}</text>'


if __name__ == "__main__":
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(picture(figures(PAGE.read_text())))
