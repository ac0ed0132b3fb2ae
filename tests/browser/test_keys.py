"""A server that asks for keys: the page asks for one, keeps it in its tab, and offers what the key may do."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from playwright.sync_api import expect

from serving.access.making import make_key
from tests.browser.conftest import Open
from tests.support.server_process import ServerProcess, write_model_config


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """By name: the file, a key with all rights, and one that may only read."""
    path = str(tmp_path_factory.mktemp("keys") / "keys.json")
    rights = {"all": "predict,read,admin,metrics", "read": "read"}
    return {"file": path, **{name: make_key(name, given, "", path).key for name, given in rights.items()}}


@pytest.fixture(scope="module")
def server(models: Path, keys: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with keys."""
    config = write_model_config(tmp_path_factory.mktemp("config") / "models.config", {"labels": models / "labels"})
    with ServerProcess((f"--model_config_file={config}", f"--api_keys_file={keys['file']}")) as running:
        yield running


def test_key_is_asked_for_and_kept_for_the_tab(visit: Open, keys: Mapping[str, str]) -> None:
    """A wrong key is told so; the right one opens the page, also after a reload, and for no other tab."""
    page = visit()
    page.get_by_label("API key").fill("wrong")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("alert")).not_to_be_empty()
    page.get_by_label("API key").fill(keys["all"])
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("link", name="labels").first).to_be_visible()
    page.reload()
    expect(page.get_by_role("link", name="labels").first).to_be_visible()
    other = page.context.new_page()
    other.goto(page.url)
    expect(other.get_by_label("API key")).to_be_visible()


def test_key_goes_with_requests(visit: Open, keys: Mapping[str, str]) -> None:
    """With a key that may predict, the panel's requests are answered; what is copied names the key and has it not."""
    page = visit("/models/labels")
    page.get_by_label("API key").fill(keys["all"])
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("textbox", name="Request body (JSON)").fill('{"instances": [1.0]}')
    page.get_by_role("button", name="Predict").click()
    expect(page.locator(".single")).to_have_text("4")
    copied = page.get_by_role("tabpanel", name="curl")
    expect(copied).to_contain_text("Authorization: Bearer $KEY")
    expect(copied).not_to_contain_text(keys["all"])


def test_key_without_the_right_to_predict(visit: Open, keys: Mapping[str, str]) -> None:
    """What a key may not do is not offered, and the page says why."""
    page = visit("/models/labels")
    page.get_by_label("API key").fill(keys["read"])
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("button", name="Predict")).to_be_disabled()
    expect(page.get_by_text("Your key may not predict.")).to_be_visible()
