"""Who the page is for: keyboards, screen readers, phones, dark rooms, slow lines."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.foreign.conftest import npm_installed
from tests.support.server_process import ServerProcess, write_model_config

MOST_BYTES = 150 * 1024
PHONE = {"width": 360, "height": 740}
PLACES = ("/", "/models/mnist", "/models/broken", "/checks", "/api")


@pytest.fixture(scope="module")
def server(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with models that answer, and a version of one that fails."""
    broken = tmp_path_factory.mktemp("looks") / "broken"
    shutil.copytree(models / "labels" / "1", broken / "1")
    paths = {"mnist": models / "mnist", "labels": models / "labels", "broken": broken}
    config = write_model_config(broken.parent / "models.config", paths)
    flags = ("--file_system_poll_wait_seconds=1", "--max_num_load_retries=0", "--optimize=off")
    with ServerProcess((f"--model_config_file={config}", *flags)) as running:
        shutil.copytree(models / "broken" / "1", broken / "2")
        running.wait_for("Servable {name: broken version: 2} cannot be loaded")
        yield running


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe-core; skipped where npm does not have it."""
    folder = npm_installed(tmp_path_factory.mktemp("axe"), "axe-core@4")
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text()


def settled(page: Page) -> Page:
    """The page once it is live and has its heading."""
    expect(page.locator("#connection")).to_have_text("Live")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    return page


@pytest.mark.parametrize("place", PLACES)
def test_phone(visit: Open, place: str) -> None:
    """At 360 pixels nothing is to be scrolled to sideways."""
    page = settled(visit(place, viewport=PHONE))
    assert page.evaluate("[document.documentElement.scrollWidth, document.body.scrollWidth]") == [360, 360]


def test_dark(visit: Open) -> None:
    """Who has asked for dark colours gets them, with light text."""
    page = settled(visit(color_scheme="dark"))
    colours = "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    background, text = (sum(map(int, colour[4:-1].split(","))) for colour in page.evaluate(colours))
    assert background < 100 < 600 < text


def test_less_motion(visit: Open) -> None:
    """Nothing moves for who has asked for that."""
    page = settled(visit(reduced_motion="reduce"))
    assert page.evaluate("document.getAnimations().length") == 0


def test_weight(visit: Open) -> None:
    """All that the page loads, unpacked, is at most 150 KB."""
    page = visit("/models/mnist")
    settled(page)
    entries = "[...performance.getEntriesByType('resource'), ...performance.getEntriesByType('navigation')]"
    sizes: dict[str, int] = page.evaluate(
        f"Object.fromEntries({entries}.filter((each) => !each.name.includes('/data/'))"
        ".map((each) => [each.name, each.decodedBodySize]))"
    )
    own = {name: size for name, size in sizes.items() if "/ui/" in name}
    assert len(own) > 10
    assert sum(own.values()) <= MOST_BYTES, own


def test_keyboard(visit: Open) -> None:
    """From the address to an answer without a mouse: over the skip link, along the tabs, by Ctrl+Enter."""
    page = settled(visit("/models/labels"))
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    tab = page.get_by_role("tab", name="Try it")
    tab.focus()
    page.keyboard.press("End")
    expect(page.get_by_role("tab", name="Load")).to_be_focused()
    expect(page.get_by_role("figure").first).to_be_visible()
    page.keyboard.press("Home")
    expect(tab).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.get_by_role("combobox", name="Ask")).to_be_focused()
    page.get_by_role("textbox", name="Request body (JSON)").focus()
    page.keyboard.press("Control+A")
    page.keyboard.type('{"instances": [1.5]}')
    page.keyboard.press("Control+Enter")
    expect(page.locator(".single")).to_have_text("4.5")


def test_drawing_by_keyboard(visit: Open) -> None:
    """Arrow keys and Space draw as well."""
    page = settled(visit("/models/mnist"))
    page.locator("canvas.pad").focus()
    for key in ("Space", "ArrowDown", "ArrowDown", "Space"):
        page.keyboard.press(key)
    expect(page.locator(".bars li")).to_have_count(10)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("place", PLACES)
def test_axe_finds_nothing_serious(visit: Open, axe: str, place: str, scheme: str) -> None:
    """Names, roles, contrast, order: what axe-core calls serious or critical is not there."""
    page = settled(visit(place, color_scheme=scheme, reduced_motion="reduce"))
    if place == "/models/mnist":
        page.get_by_role("button", name="Predict").click()
        expect(page.locator(".bars li")).to_have_count(10)
    page.evaluate(axe)
    found: list[dict[str, Any]] = page.evaluate("axe.run().then((found) => found.violations)")
    serious = [each for each in found if each["impact"] in ("serious", "critical")]
    assert not serious, json.dumps([(each["id"], [n["html"] for n in each["nodes"]]) for each in serious], indent=1)
