"""Watching models: what is there, what arrives, what fails; and names and outputs that are markup, shown as text."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.support.server_process import ServerProcess, write_model_config

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def arriving(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base path with one version, for others to arrive at."""
    base = tmp_path_factory.mktemp("arriving") / "model"
    shutil.copytree(models / "labels" / "1", base / "1")
    return base


@pytest.fixture(scope="module")
def server(models: Path, arriving: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server of four models, one with a hostile name, that looks for versions all the time."""
    paths = {name: models / name for name in ("half_plus_three", "mnist")}
    config = write_model_config(
        tmp_path_factory.mktemp("config") / "models.config",
        {**paths, HOSTILE: models / "strings", "arriving": arriving},
    )
    flags = ("--file_system_poll_wait_seconds=1", "--max_num_load_retries=0", "--optimize=off")
    with ServerProcess((f"--model_config_file={config}", *flags)) as running:
        yield running


def bring(base: Path, version: int, saved: Path) -> None:
    """Put a version there at once, as tools that export do."""
    shutil.copytree(saved, base.parent / f"unfinished-{version}")
    (base.parent / f"unfinished-{version}").rename(base / str(version))


def test_browser_is_led_to_the_page(server: ServerProcess, visit: Open) -> None:
    """Who opens the server's address sees its models, their states, and that the page is live."""
    page = visit()
    page.goto(f"http://127.0.0.1:{server.rest_port}/")
    expect(page).to_have_url(f"http://127.0.0.1:{server.rest_port}/ui/")
    expect(page.get_by_role("link", name="half_plus_three 1 available")).to_be_visible()
    expect(page.locator("#connection")).to_have_text("Live")


def test_version_arrives_and_another_fails(arriving: Path, models: Path, visit: Open) -> None:
    """A new version appears without a reload; of one that cannot be loaded the error is there in full."""
    page = visit("/models/arriving")
    versions = page.get_by_role("region", name="Versions").get_by_role("listitem")
    expect(versions).to_contain_text(["Version 1"])
    bring(arriving, 2, models / "labels" / "2")
    expect(versions).to_contain_text(["Version 2", "Version 1"])
    expect(versions.first).to_contain_text("Available")
    bring(arriving, 3, models / "broken" / "1")
    expect(versions.first).to_contain_text("Failed")
    expect(versions.first.locator("pre")).to_contain_text("saved_model.pb")


def test_markup_in_a_name_is_text(visit: Open) -> None:
    """A model's name that is markup is read as it is written, wherever it stands."""
    page = visit()
    page.get_by_role("link", name=HOSTILE).last.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(HOSTILE)
    expect(page).to_have_title(f"{HOSTILE} · Model server")
    expect(page.locator("img")).to_have_count(1)  # the server's own sign


def test_markup_in_inputs_and_outputs_is_text(visit: Open) -> None:
    """Strings that the model answers are shown as the characters that they are, and sent so by the copied commands."""
    page = visit(f"/models/{quote(HOSTILE)}")
    page.get_by_role("combobox", name="Signature").select_option("plain")
    page.get_by_role("textbox", name="Request body (JSON)").fill(
        '{"signature_name": "plain", "instances": ["<b onclick=alert(1)>\'"]}'
    )
    page.get_by_role("button", name="Predict").click()
    expect(page.locator(".output pre")).to_have_text("<b onclick=alert(1)>'")
    expect(page.get_by_role("tabpanel", name="curl")).to_contain_text("'\\''")


def test_signatures_are_a_table(visit: Open) -> None:
    """Each input and output with its type and shape."""
    page = visit("/models/mnist")
    page.get_by_role("tab", name="Signatures").click()
    rows = page.get_by_role("region", name="Signatures of version 1").get_by_role("row")
    expect(rows.filter(has_text="Input")).to_contain_text(["images"])
    expect(rows.filter(has_text="Input")).to_contain_text(["float[?, 784]"])


def test_charts_have_words(visit: Open) -> None:
    """A chart says its figures to who does not see it, and a table has them."""
    page = visit()
    chart = page.get_by_role("img", name="Memory of the server")
    expect(chart).to_have_attribute("aria-label", re.compile(r"now [\d.]+ MiB, highest [\d.]+ MiB"))
    page.get_by_text("The same as a table").click()
    expect(page.get_by_role("row", name="Memory of the server")).to_contain_text("MiB")


def test_lost_connection_is_said(server: ServerProcess, visit: Open) -> None:
    """A page that cannot reach its server says so, and is live again once it can."""
    page = visit()
    expect(page.locator("#connection")).to_have_text("Live")
    page.route("**/ui/data/events", lambda route: route.abort())
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("The connection to the server is lost")
    page.unroute("**/ui/data/events")
    expect(page.locator("#connection")).to_have_text("Live")
    expect(page.get_by_role("alert")).to_be_hidden()
