"""docs/images/capacity.svg, the plot of docs/capacity.md, against the page's table."""

import re
from types import ModuleType

import pytest

from tests.support.pages import DOCS, program

ROW = "| {} | {}% | 10 | 100 | {} | {} | 1.0 | +0% | {} | {} | 1.0 | +0% | 1.0 |\n"


@pytest.fixture(scope="module")
def drawing() -> ModuleType:
    """docs/draw_capacity.py as a module; docs/ is no package."""
    return program("draw_capacity")


def test_plot_is_as_drawn(drawing: ModuleType) -> None:
    """It has the figures of the page; run docs/draw_capacity.py after new ones."""
    found = drawing.points((DOCS / "capacity.md").read_text())
    assert [(point.batching, point.load) for point in found] == [
        (batching, load) for batching in ("off", "on") for load in (30, 50, 70, 90)
    ]
    assert (DOCS / "images" / "capacity.svg").read_text() == drawing.picture(found)


def test_points_are_as_high_as_their_figures(drawing: ModuleType) -> None:
    """In proportion, predicted and measured alike."""
    page = ROW.format("off", 30, 50, 50, 100, 100) + ROW.format("on", 30, 50, 25, 100, 75)
    picture = drawing.picture(drawing.points(page))
    measured = [280 - int(each) for each in re.findall(r'cy="(\d+)"', picture)]
    assert measured == [70, 140, 35, 105]
    assert [280 - int(each) for each in re.findall(r'points="\d+,(\d+)"', picture)] == [70, 140, 70, 140]


def test_figures_that_are_missing_are_named(drawing: ModuleType) -> None:
    """A page without the rows draws nothing."""
    with pytest.raises(ValueError, match=r"docs/capacity.md has no rows without and with batching"):
        drawing.points(ROW.format("off", 30, 1, 1, 1, 1))
