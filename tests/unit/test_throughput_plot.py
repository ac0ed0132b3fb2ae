"""docs/images/throughput.svg, the plot of README.md, against docs/benchmarks.md."""

import re
from types import ModuleType

import pytest

from tests.support.pages import DOCS, program


@pytest.fixture(scope="module")
def drawing() -> ModuleType:
    """docs/draw_throughput.py as a module; docs/ is no package."""
    return program("draw_throughput")


def test_plot_is_as_drawn(drawing: ModuleType) -> None:
    """It has the figures of the page; run docs/draw_throughput.py after `make bench`."""
    bars = drawing.figures((DOCS / "benchmarks.md").read_text())
    assert list(bars)[-1] == "this server"
    assert (DOCS / "images" / "throughput.svg").read_text() == drawing.picture(bars)


def test_bars_are_as_long_as_their_figures(drawing: ModuleType) -> None:
    """In proportion, and the longest one is the greatest."""
    picture = drawing.picture({"a": 25, "b": 50, "this server": 100})
    lengths = [int(each) for each in re.findall(r'<rect class="(?:bar|ours)".*? width="(\d+)"', picture)]
    assert [each / lengths[-1] for each in lengths] == [0.25, 0.5, 1.0]


def test_figures_that_are_missing_are_named(drawing: ModuleType) -> None:
    """A page without the rows draws nothing."""
    with pytest.raises(ValueError, match=r"docs/benchmarks.md has no rows of 'connections 16, req/s'"):
        drawing.figures("| connections 16, req/s | lane: 1 | Flask: 2 | 0.5 |\n")
