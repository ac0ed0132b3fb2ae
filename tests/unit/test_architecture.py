"""docs/architecture.svg against the source: every room is in it, and what it says of the rooms is so."""

import importlib.util
import sys
from collections.abc import Iterator
from itertools import combinations, pairwise
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest

from tests.unit.test_imports import imports, read_tree

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

ENDS = ("client", "TensorFlow")
"""Ends of a request's way that no import joins to the rest: a network is between, or a C API."""

Box = tuple[float, float, float, float]


@pytest.fixture(scope="module")
def drawing() -> Iterator[ModuleType]:
    """docs/draw_architecture.py as a module; docs/ is no package."""
    name = "draw_architecture"
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[name]


@pytest.fixture(scope="module")
def picture() -> ElementTree.Element:
    """The picture as it lies in docs/."""
    return ElementTree.fromstring((DOCS / "architecture.svg").read_text())


@pytest.fixture(scope="module")
def imported() -> set[tuple[str, str]]:
    """Pairs of rooms of which the first imports the second somewhere."""
    modules = read_tree(ROOT)
    found = {(name, target) for name in modules for target in imports(modules[name], modules)}
    return {
        (a.split(".")[1], b.split(".")[1])
        for a, b in found
        if a.startswith("serving.") and b.startswith("serving.") and a.split(".")[1] != b.split(".")[1]
    }


def elements(picture: ElementTree.Element, attribute: str) -> list[ElementTree.Element]:
    return [element for element in picture.iter() if attribute in element.attrib]


def box(rectangle: ElementTree.Element) -> Box:
    """Left, top, right, bottom."""
    x, y, width, height = (float(rectangle.attrib[name]) for name in ("x", "y", "width", "height"))
    return x, y, x + width, y + height


def places(picture: ElementTree.Element) -> dict[str, Box]:
    """Where each room, each frame and what is no room is."""
    found = {frame.attrib["data-frame"]: box(frame) for frame in elements(picture, "data-frame")}
    for kind in ("data-room", "data-outside"):
        for room in elements(picture, kind):
            (rectangle,) = (child for child in room if "width" in child.attrib)
            found[room.attrib[kind]] = box(rectangle)
    return found


def ends(line: ElementTree.Element) -> tuple[tuple[float, float], tuple[float, float]]:
    """The first and the last point of an arrow, or of a step of a request's way."""
    if "points" in line.attrib:
        points = [(float(x), float(y)) for x, y in (pair.split(",") for pair in line.attrib["points"].split())]
        return points[0], points[-1]
    x1, y1, x2, y2 = (float(line.attrib[name]) for name in ("x1", "y1", "x2", "y2"))
    return (x1, y1), (x2, y2)


def members(picture: ElementTree.Element, name: str) -> list[str]:
    """The rooms that lie in a frame, or the one room of that name."""
    all_places = places(picture)
    left, top, right, bottom = all_places[name]
    rooms = [room.attrib["data-room"] for room in elements(picture, "data-room")]
    if name in rooms:
        return [name]
    return [
        room
        for room in rooms
        for x1, y1, x2, y2 in [all_places[room]]
        if left <= x1 and top <= y1 and x2 <= right and y2 <= bottom
    ]


def on_border(point: tuple[float, float], place: Box) -> bool:
    x, y = point
    left, top, right, bottom = place
    return (x in (left, right) and top <= y <= bottom) or (y in (top, bottom) and left <= x <= right)


def test_picture_is_as_drawn(drawing: ModuleType) -> None:
    """docs/architecture.svg is what docs/draw_architecture.py draws; run it after changing that."""
    assert (DOCS / "architecture.svg").read_text() == drawing.picture()


def test_states_are_as_in_their_table(drawing: ModuleType) -> None:
    """docs/architecture.md has the lane's states as docs/draw_architecture.py draws them."""
    page = (DOCS / "architecture.md").read_text()
    assert page == drawing.with_states(page)
    assert page.count("```mermaid\nstateDiagram-v2\n    [*] --> READING\n") == 1


def test_every_room_is_in_the_picture(picture: ElementTree.Element) -> None:
    """The rooms of the picture are those of serving/, each once."""
    rooms = {name.split(".")[1] for name in read_tree(ROOT) if name.startswith("serving.")}
    assert sorted(room.attrib["data-room"] for room in elements(picture, "data-room")) == sorted(rooms)


def test_every_arrow_is_an_import(picture: ElementTree.Element, imported: set[tuple[str, str]]) -> None:
    """An arrow goes from a room that imports to the one it imports; one at a frame holds for each room in it."""
    arrows = [arrow for arrow in elements(picture, "data-source") if arrow.attrib["class"] == "import"]
    drawn = {
        (source, target)
        for arrow in arrows
        for source in members(picture, arrow.attrib["data-source"])
        for target in members(picture, arrow.attrib["data-target"])
    }
    assert len(drawn) >= len(arrows) > 0
    assert drawn - imported == set()


def test_every_line_ends_where_it_says(picture: ElementTree.Element) -> None:
    """Arrows, and steps of a request's way, go from the border of what they are said to join to that of the other."""
    found = places(picture)
    lines = elements(picture, "data-source")
    assert {line.attrib["class"] for line in lines} == {"import", "way"}
    for line in lines:
        first, last = ends(line)
        assert on_border(first, found[line.attrib["data-source"]]), line.attrib
        assert on_border(last, found[line.attrib["data-target"]]), line.attrib


def test_way_of_a_request_follows_imports(
    drawing: ModuleType, picture: ElementTree.Element, imported: set[tuple[str, str]]
) -> None:
    """Inside the server, each step of a request's way is between rooms of which one imports the other."""
    inside = [stop for stop in drawing.WAY if stop not in ENDS]
    assert len(inside) == len(drawing.WAY) - len(ENDS)
    for a, b in pairwise(inside):
        pairs = {(x, y) for x in members(picture, a) for y in members(picture, b)}
        assert pairs <= imported | {(y, x) for x, y in imported}, (a, b)


def test_rooms_do_not_overlap(picture: ElementTree.Element) -> None:
    """No room lies on another, and each lies on the page."""
    found = places(picture)
    rooms = {room.attrib["data-room"]: found[room.attrib["data-room"]] for room in elements(picture, "data-room")}
    width, height = (float(number) for number in picture.attrib["viewBox"].split()[2:])
    assert all(min(x1, y1) >= 0 and x2 <= width and y2 <= height for x1, y1, x2, y2 in rooms.values())
    overlapping = [
        (a, b)
        for (a, (ax1, ay1, ax2, ay2)), (b, (bx1, by1, bx2, by2)) in combinations(rooms.items(), 2)
        if ax1 < bx2 and bx1 < ax2 and ay1 < by2 and by1 < ay2
    ]
    assert overlapping == []
