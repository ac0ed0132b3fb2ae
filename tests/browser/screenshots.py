"""Takes the README's pictures of the page, light and dark, with the demo models, and measures its first paint.

usage: python -m tests.browser.screenshots [--to=DIRECTORY]
Not a test: needs Debian's Chromium.
"""

import argparse
import io
import json
import re
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import chromium
from tests.support.server_process import REPOSITORY, ServerProcess, wait_until, write_model_config

LOADS = 20
WIDTH, HEIGHT = 1280, 1024
REQUESTS = 20
QUICK = re.compile(r"^\d(\.\d+)? ms$")
SCALE = 1.5
COLOURS = 256
MOST_BYTES = 200_000
# A three, as shares of the side of what is drawn on.
STROKE = ((0.3, 0.24), (0.42, 0.14), (0.6, 0.15), (0.69, 0.27), (0.63, 0.4), (0.48, 0.47), (0.64, 0.54), (0.71, 0.68))
STROKE_END = ((0.63, 0.82), (0.45, 0.87), (0.29, 0.78))


def main() -> int:
    """Serve the demo models, wait until their engines are chosen, take the pictures, print the times of first paint."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, default=REPOSITORY / "docs" / "images")
    to: Path = parser.parse_args().to
    to.mkdir(parents=True, exist_ok=True)
    models = {name: REPOSITORY / "examples" / "demo_models" / "models" / name for name in ("half_plus_two", "digits")}
    with tempfile.TemporaryDirectory() as directory, chromium() as browser:
        config = write_model_config(Path(directory) / "models.config", models)
        paints = shown(browser, config, to)
    print(
        f"first paint: median {statistics.median(paints):.0f} ms, from {paints[0]:.0f} to {paints[-1]:.0f}, of {LOADS}"
    )
    return 0


def shown(browser: Browser, config: Path, to: Path) -> list[float]:
    """Take the pictures of a server with these models; the times of first paint, sorted."""
    with ServerProcess((f"--model_config_file={config}",)) as server:
        wait_until("the engines are chosen", lambda: not is_trying(server), 600)
        address = f"http://127.0.0.1:{server.rest_port}/ui/"
        for scheme in ("light", "dark"):
            picture(browser, address, scheme, to / f"page-{scheme}.png")
        return sorted(first_paint(browser, address) for _ in range(LOADS))


def is_trying(server: ServerProcess) -> bool:
    """Whether any version's engines are still being tried."""
    state = json.loads(server.rest("GET", "/ui/data/state")[1])
    return any(version["trying"] for model in state["models"] for version in model["versions"])


def picture(browser: Browser, address: str, scheme: str, path: Path) -> None:
    """The digits model with a drawn three and its answer, in at most ``MOST_BYTES``."""
    page = browser.new_page(
        viewport={"width": WIDTH, "height": HEIGHT},
        color_scheme="dark" if scheme == "dark" else "light",
        device_scale_factor=SCALE,
        reduced_motion="reduce",
    )
    expect.set_options(timeout=120_000)  # an example is tried on the model before it is shown
    page.goto(f"{address}#/models/digits")
    draw(page)
    page.locator(".bars").wait_for()
    for _ in range(REQUESTS):  # the first of a page takes longer than others, and so does any on a busy machine
        page.get_by_role("button", name="Predict").click()
        page.locator(".answer:not(.working)").wait_for()
        if QUICK.match(page.locator(".times b").inner_text()):
            break
    page.evaluate("document.activeElement.blur()")
    page.locator(".path").evaluate("(place) => place.remove()")  # where this machine has the models says nothing
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    few_colours(image).save(path, optimize=True)
    page.close()
    size = path.stat().st_size
    assert size <= MOST_BYTES, f"{path} has {size} bytes"
    print(f"{path}: {image.width} x {image.height}, {size} bytes")


def few_colours(image: Image.Image) -> Image.Image:
    """The image in its most frequent colours; palettes made in other ways join greys that differ little."""
    pixels = np.asarray(image).reshape(-1, 3)
    colours, which, counts = np.unique(pixels, axis=0, return_inverse=True, return_counts=True)
    frequent = colours[np.argsort(-counts)[:COLOURS]].astype(int)
    nearest = ((colours[:, None, :].astype(int) - frequent) ** 2).sum(axis=2).argmin(axis=1)
    found = Image.frombytes("P", image.size, nearest[which.reshape(-1)].astype(np.uint8).tobytes())
    found.putpalette(frequent.astype(np.uint8).tobytes())
    return found


def draw(page: Page) -> None:
    """Draw a three with the mouse."""
    expect(page.locator("#try-body")).not_to_have_value("")
    box = page.locator("canvas.pad").bounding_box()
    assert box is not None
    for at, (left, top) in enumerate(STROKE + STROKE_END):
        page.mouse.move(box["x"] + left * box["width"], box["y"] + top * box["height"], steps=6)
        if at == 0:
            page.mouse.down()
    page.mouse.up()


def first_paint(browser: Browser, address: str) -> float:
    """Milliseconds from asking for the page to its first contents, with nothing kept from before."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(address)
    page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length")
    found: float = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    context.close()
    return found


if __name__ == "__main__":
    sys.exit(main())
