"""Writes docs/architecture.svg, the rooms of ``serving/``; run it as ``python docs/draw_architecture.py``.

Places are chosen by hand. ``tests/unit/test_architecture.py`` holds that each room is here and that each arrow is an
import. Into docs/architecture.md it writes the states of a connection on the lane, from their table.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # a clone in which nothing was installed will do

from serving.rest.connection.lane_states import TRANSITIONS, Event, State  # noqa: E402 - after the line that lets it be found

PICTURE = ROOT / "docs" / "architecture.svg"
PAGE = ROOT / "docs" / "architecture.md"

_STATES = re.compile("(?<=```mermaid\n)stateDiagram-v2\n.*?(?=```\n)", re.DOTALL)

WIDTH, HEIGHT = 800, 716
_HEIGHT_OF_BOX = 52

Point = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A room of ``serving/``, or with ``outside`` something that is no room: its corner and width, in pixels."""

    name: str
    caption: str
    x: int
    y: int
    width: int
    outside: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A frame around rooms that stand for the same thing; an arrow to or from it holds for each of them."""

    name: str
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrow:
    """``source`` imports ``target``, both rooms or frames: a line through ``points``, from border to border."""

    source: str
    target: str
    points: tuple[Point, ...]


_LEFT, _RIGHT, _MIDDLE, _END = 48, 440, 555, 670
"""Left edges: the one column of a request, and three of the rest."""
_ROWS = tuple(70 + 88 * row for row in range(7))

BOXES = (
    Box(name="client", caption="arrays in, arrays out; or any client of TFS", x=_LEFT, y=_ROWS[0], width=292),
    Box(name="rest", caption="JSON, npy, protobuf", x=_LEFT, y=_ROWS[1], width=138),
    Box(name="rpc", caption="protobuf, 2 transports", x=202, y=_ROWS[1], width=138),
    Box(name="codecs", caption="bytes to tensors, tensors to bytes", x=_LEFT, y=_ROWS[2], width=292),
    Box(name="inference", caption="what is asked for, by whichever door", x=_LEFT, y=_ROWS[3], width=292),
    Box(name="core", caption="versions, leases, signatures; no I/O, no clock", x=_LEFT, y=_ROWS[4], width=292),
    Box(name="batching", caption="merges requests", x=_LEFT, y=_ROWS[5], width=138),
    Box(name="servables", caption="models in memory", x=202, y=_ROWS[5], width=138),
    Box(name="TensorFlow", caption="its library, through the C API", x=_LEFT, y=_ROWS[6], width=292, outside=True),
    Box(name="processes", caption="workers", x=350, y=_ROWS[0], width=82),
    Box(name="__main__", caption="python -m", x=_RIGHT, y=_ROWS[0], width=100),
    Box(name="cli", caption="argv, status", x=_MIDDLE, y=_ROWS[0], width=100),
    Box(name="server", caption="start to drain", x=_END, y=_ROWS[0], width=100),
    Box(name="composition", caption="builds and connects all below", x=_RIGHT, y=_ROWS[1], width=215),
    Box(name="welcome", caption="last start lines", x=_END, y=_ROWS[1], width=100),
    Box(name="arguments", caption="what was meant", x=_RIGHT, y=_ROWS[2], width=100),
    Box(name="ui", caption="page, state", x=556, y=_ROWS[2], width=86),
    Box(name="doctor", caption="what would go wrong", x=655, y=_ROWS[2], width=115),
    Box(name="request_log", caption="TFRecord files", x=_RIGHT, y=_ROWS[3], width=100),
    Box(name="tls", caption="certificates", x=_MIDDLE, y=_ROWS[3], width=100),
    Box(name="access", caption="who may call", x=_END, y=_ROWS[3], width=100),
    Box(name="tracing", caption="OpenTelemetry", x=582, y=_ROWS[4], width=84),
    Box(name="sources", caption="versions", x=_RIGHT, y=_ROWS[4], width=62),
    Box(name="stores", caption="buckets", x=512, y=_ROWS[4], width=62),
    Box(name="configuration", caption="files to values", x=674, y=_ROWS[4], width=96),
    Box(name="loading", caption="loads, unloads", x=_RIGHT, y=_ROWS[5], width=100),
    Box(name="openvino", caption="another engine", x=_MIDDLE, y=_ROWS[5], width=100),
    Box(name="optimizing", caption="what is faster", x=_END, y=_ROWS[5], width=100),
    Box(name="errors", caption="codes", x=_RIGHT, y=_ROWS[6], width=70),
    Box(name="settings", caption="flags", x=520, y=_ROWS[6], width=82),
    Box(name="protos", caption="messages", x=612, y=_ROWS[6], width=68),
    Box(name="telemetry", caption="log, metrics", x=690, y=_ROWS[6], width=80),
    Box(name="host", caption="CPUs, memory", x=353, y=_ROWS[6], width=77),
)

FRAMES = (
    Frame(name="doors", x=38, y=_ROWS[1] - 10, width=312, height=72),
    Frame(name="models", x=38, y=_ROWS[5] - 10, width=312, height=72),
)


def _bottom(row: int) -> int:
    return _ROWS[row] + _HEIGHT_OF_BOX


def _centre(row: int) -> int:
    return _ROWS[row] + _HEIGHT_OF_BOX // 2


ARROWS = (
    Arrow(source="__main__", target="cli", points=((540, _centre(0)), (_MIDDLE, _centre(0)))),
    Arrow(source="cli", target="server", points=((655, _centre(0)), (_END, _centre(0)))),
    Arrow(source="server", target="composition", points=((685, _bottom(0)), (630, _ROWS[1]))),
    Arrow(source="composition", target="welcome", points=((655, _ROWS[1] + 14), (_END, _ROWS[1] + 14))),
    Arrow(
        source="server",
        target="doctor",
        points=((770, _centre(0)), (778, _centre(0)), (778, _centre(2)), (770, _centre(2))),
    ),
    Arrow(source="composition", target="doors", points=((_RIGHT, _centre(1)), (350, _centre(1)))),
    Arrow(source="composition", target="loading", points=((547, _bottom(1)), (547, 500), (530, _ROWS[5]))),
    Arrow(source="composition", target="ui", points=((600, _bottom(1)), (600, _ROWS[2]))),
    Arrow(source="composition", target="tls", points=((650, _bottom(1)), (650, _ROWS[3]))),
    Arrow(source="composition", target="access", points=((655, _centre(1)), (662, _centre(1)), (690, _ROWS[3]))),
    Arrow(source="tls", target="configuration", points=((630, _bottom(3)), (685, _ROWS[4]))),
    Arrow(source="loading", target="configuration", points=((538, _ROWS[5]), (684, _bottom(4)))),
    Arrow(source="optimizing", target="openvino", points=((_END, _centre(5)), (655, _centre(5)))),
    Arrow(
        source="composition",
        target="optimizing",
        points=((645, _bottom(1)), (645, 225), (785, 225), (785, _centre(5)), (770, _centre(5))),
    ),
    Arrow(source="loading", target="sources", points=((490, _ROWS[5]), (490, _bottom(4)))),
    Arrow(source="loading", target="models", points=((_RIGHT, _centre(5)), (350, _centre(5)))),
    Arrow(source="loading", target="stores", points=((525, _ROWS[5]), (530, _bottom(4)))),
    Arrow(source="stores", target="sources", points=((512, _centre(4)), (502, _centre(4)))),
    Arrow(source="sources", target="core", points=((_RIGHT, _centre(4)), (340, _centre(4)))),
    Arrow(
        source="composition",
        target="inference",
        points=((460, _bottom(1)), (460, 235), (390, 235), (390, _centre(3)), (340, _centre(3))),
    ),
    Arrow(source="composition", target="request_log", points=((490, _bottom(1)), (490, _ROWS[3]))),
    Arrow(source="request_log", target="core", points=((470, _bottom(3)), (340, _ROWS[4] + 10))),
    Arrow(source="doors", target="codecs", points=((90, _bottom(1) + 10), (90, _ROWS[2]))),
    Arrow(
        source="doors",
        target="inference",
        points=((38, _centre(1)), (20, _centre(1)), (20, _centre(3)), (_LEFT, _centre(3))),
    ),
    Arrow(source="inference", target="codecs", points=((298, _ROWS[3]), (298, _bottom(2)))),
    Arrow(source="inference", target="core", points=((90, _bottom(3)), (90, _ROWS[4]))),
    Arrow(source="models", target="core", points=((298, _ROWS[5] - 10), (298, _bottom(4)))),
)
"""Some of the imports: those that say how the server is made. Not drawn: imports of the rooms in the last row."""

WAY = ("client", "doors", "codecs", "inference", "core", "models", "TensorFlow")
"""Where a request goes, one below the other; the answer comes back the same way."""

STYLE = """
.page{fill:#ffffff}.box{fill:#f6f8fa;stroke:#8c959f}.outside{stroke-dasharray:5 4}
.frame{fill:none;stroke:#8c959f;stroke-dasharray:2 4}
.name{fill:#1f2328;font:600 13px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;text-anchor:middle}
.caption{fill:#59636e;font:11px system-ui,-apple-system,"Segoe UI",Helvetica,Arial,sans-serif;text-anchor:middle}
.head{fill:#1f2328;font:600 13px system-ui,-apple-system,"Segoe UI",Helvetica,Arial,sans-serif}
.note{fill:#59636e;font:12px system-ui,-apple-system,"Segoe UI",Helvetica,Arial,sans-serif}
.import{fill:none;stroke:#6e7781;stroke-width:1.4}.tip{fill:#6e7781}
.way{stroke:#0969da;stroke-width:7;stroke-linecap:butt;opacity:.85}
@media (prefers-color-scheme:dark){
.page{fill:#0d1117}.box{fill:#151b23;stroke:#656c76}.frame{stroke:#656c76}
.name,.head{fill:#f0f6fc}.caption,.note{fill:#9198a1}
.import{stroke:#9198a1}.tip{fill:#9198a1}.way{stroke:#4493f8}
}
"""

_HEADS = (
    (_LEFT, 50, "A request, from a client to the model and back"),
    (_RIGHT, 50, "The life of the server and of its models"),
    (_RIGHT, _ROWS[6] - 10, "Foundations"),
)


def picture() -> str:
    """The picture as SVG: the background, what a request passes, imports, rooms, words."""
    told = f"A request goes {escape(' to '.join(WAY))}, and the answer back. Arrows are imports."
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" role="img" '
            'aria-labelledby="title desc">',
            '<title id="title">The rooms of the server</title>',
            f'<desc id="desc">{told}</desc>',
            f"<style>{STYLE}</style>",
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
            'orient="auto"><path class="tip" d="M0 0L8 4L0 8z"/></marker></defs>',
            f'<rect class="page" width="{WIDTH}" height="{HEIGHT}" rx="10"/>',
            *map(_frame, FRAMES),
            *_way(),
            *map(_arrow, ARROWS),
            *map(_box, BOXES),
            *(f'<text class="head" x="{x}" y="{y}">{escape(text)}</text>' for x, y, text in _HEADS),
            *_legend(),
            "</svg>\n",
        ]
    )


def _frame(frame: Frame) -> str:
    return (
        f'<rect class="frame" data-frame="{frame.name}" x="{frame.x}" y="{frame.y}" width="{frame.width}" '
        f'height="{frame.height}" rx="12"/>'
        f'<text class="note" x="{frame.x + frame.width + 8}" y="{frame.y + 16}">{frame.name}</text>'
    )


def _box(box: Box) -> str:
    middle = box.x + box.width // 2
    kind, look = ("data-outside", "box outside") if box.outside else ("data-room", "box")
    return (
        f'<g {kind}="{box.name}"><rect class="{look}" x="{box.x}" y="{box.y}" width="{box.width}" '
        f'height="{_HEIGHT_OF_BOX}" rx="7"/><text class="name" x="{middle}" y="{box.y + 23}">{box.name}</text>'
        f'<text class="caption" x="{middle}" y="{box.y + 41}">{escape(box.caption)}</text></g>'
    )


def _arrow(arrow: Arrow) -> str:
    line = " ".join(f"{x},{y}" for x, y in arrow.points)
    return (
        f'<polyline class="import" data-source="{arrow.source}" data-target="{arrow.target}" points="{line}" '
        'marker-end="url(#tip)"/>'
    )


def _way() -> Iterator[str]:
    margins = [10 if stop in {frame.name for frame in FRAMES} else 0 for stop in WAY]
    for row, (source, target) in enumerate(pairwise(WAY)):
        y1, y2 = _bottom(row) + margins[row], _ROWS[row + 1] - margins[row + 1]
        yield f'<line class="way" data-source="{source}" data-target="{target}" x1="194" y1="{y1}" x2="194" y2="{y2}"/>'


def _legend() -> Iterator[str]:
    y = HEIGHT - 22
    yield f'<line class="way" x1="48" y1="{y - 4}" x2="88" y2="{y - 4}"/>'
    yield f'<text class="note" x="98" y="{y}">a request and its answer</text>'
    yield f'<polyline class="import" points="270,{y - 4} 310,{y - 4}" marker-end="url(#tip)"/>'
    yield f'<text class="note" x="320" y="{y}">imports (those that say how it is made)</text>'
    yield f'<rect class="box outside" x="580" y="{y - 13}" width="30" height="17" rx="4"/>'
    yield f'<text class="note" x="620" y="{y}">not ours</text>'


def with_states(page: str) -> str:
    """``page`` with its diagram of the lane's states drawn anew."""
    return _STATES.sub("\n".join(_states()), page)


def _states() -> Iterator[str]:
    """Mermaid's lines, one for each pair of states; without what leaves a state as it is, and without CLOSE."""
    moves: dict[tuple[State, State], list[str]] = {}
    for (before, event), after in TRANSITIONS.items():
        if after is not before and event is not Event.CLOSE:
            moves.setdefault((before, after), []).append(event.name)
    yield "stateDiagram-v2"
    yield f"    [*] --> {State.READING.name}"
    for (before, after), events in moves.items():
        yield f"    {before.name} --> {after.name}: {', '.join(events)}"
    yield ""


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
    PAGE.write_text(with_states(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"{PICTURE.name}: {sum(not box.outside for box in BOXES)} rooms, {len(ARROWS)} imports")
