"""Try it and compare: requests by text, picture and pen, and answers as what they are."""

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Open
from tests.support.server_process import ServerProcess, write_model_config

NAMES = ("labels", "mnist", "strings")
DROP = """(target, bytes) => {
  const held = new DataTransfer();
  held.items.add(
    new File([Uint8Array.from(atob(bytes), (each) => each.charCodeAt(0))], "digit.jpg", {type: "image/jpeg"}),
  );
  target.dispatchEvent(new DragEvent("drop", {dataTransfer: held, bubbles: true, cancelable: true}));
}"""


@pytest.fixture(scope="module")
def server(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server of models with numbers, pictures and texts; ``labels`` has three versions and two labels."""
    paths = {name: models / name for name in NAMES}
    given = {"labels": {"stable": 1, "canary": 2}}
    config = write_model_config(tmp_path_factory.mktemp("config") / "models.config", paths, labels=given)
    flags = ("--allow_version_labels_for_unavailable_models", "--optimize=off")
    with ServerProcess((f"--model_config_file={config}", *flags)) as running:
        yield running


def field(page: Page) -> Locator:
    """Where the request stands, once the example does."""
    expect(page.get_by_text("An example is being made…")).to_be_hidden()
    found = page.get_by_role("textbox", name="Request body (JSON)")
    expect(found).not_to_have_value("")
    return found


def ask(page: Page, text: str) -> None:
    """Send that body."""
    field(page).fill(text)
    page.get_by_role("button", name="Predict").click()


def test_example_is_filled_in_and_answered(visit: Open) -> None:
    """What stands there at first is a request that the model answers, with the time by stage."""
    page = visit("/models/labels")
    assert "instances" in json.loads(field(page).input_value())
    page.get_by_role("button", name="Predict").click()
    expect(page.locator(".output h4")).to_contain_text("y")
    expect(page.get_by_role("region", name="Time")).to_contain_text("model")


def test_label_is_asked_and_numbers_are_a_table(visit: Open) -> None:
    """The version behind the label answers, with a number for each row."""
    page = visit("/models/labels")
    page.get_by_role("combobox", name="Ask").select_option("stable (version 1)")
    ask(page, '{"instances": [1.0, 2.5]}')
    expect(page.locator(".numbers tbody td")).to_have_text(["2", "3.5"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param('{"instances": ["a"]}', "is not of expected type: float", id="type"),
        pytest.param('{"instances": [1.0', "JSON Parse error", id="JSON"),
    ],
)
def test_error_is_read(visit: Open, text: str, expected: str) -> None:
    """What the server says against a request stands there with its status."""
    page = visit("/models/labels")
    ask(page, text)
    expect(page.locator(".answer").get_by_role("alert")).to_contain_text("Status 400")
    expect(page.locator(".answer").get_by_role("alert")).to_contain_text(expected)


def test_jpeg_is_dropped(visit: Open) -> None:
    """A picture becomes the numbers that the input takes, is asked about, and the classes are bars."""
    page = visit("/models/mnist")
    field(page)
    page.get_by_label("Black to white is").select_option("0 to 255")
    written = io.BytesIO()
    Image.new("RGB", (90, 60), (255, 255, 255)).save(written, "JPEG")
    page.locator(".drop").evaluate(DROP, base64.b64encode(written.getvalue()).decode())
    expect(page.locator(".bars li")).to_have_count(10)
    expect(page.locator(".drop")).to_contain_text("digit.jpg")
    assert json.loads(field(page).input_value())["instances"] == [[255] * 784]


def test_what_is_no_picture_is_said(visit: Open) -> None:
    """A file that no browser draws is named, and the request stays as it was."""
    page = visit("/models/mnist")
    before = field(page).input_value()
    page.locator(".drop").evaluate(DROP, base64.b64encode(b"no picture").decode())
    expect(page.locator(".drop")).to_contain_text("digit.jpg is no image that this browser reads")
    expect(field(page)).to_have_value(before)


def test_digit_is_drawn(visit: Open) -> None:
    """A stroke of the mouse is a request."""
    page = visit("/models/mnist")
    field(page)
    box = page.locator("canvas.pad").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 20, steps=5)
    page.mouse.up()
    expect(page.locator(".bars li")).to_have_count(10)
    assert max(json.loads(field(page).input_value())["instances"][0]) == 1


def test_encoded_picture_is_shown(visit: Open) -> None:
    """Bytes that are a picture are one, sent and answered."""
    page = visit("/models/strings")
    page.get_by_role("combobox", name="Signature").select_option("bytes")
    field(page)
    written = io.BytesIO()
    Image.effect_noise((40, 30), 60).save(written, "PNG")
    page.locator(".drop").evaluate(DROP, base64.b64encode(written.getvalue()).decode())
    shown = page.locator(".output img")
    expect(shown).to_be_visible()
    assert shown.evaluate("(image) => image.decode().then(() => image.naturalWidth)") == 40


def test_request_to_copy(server: ServerProcess, visit: Open) -> None:
    """curl, the Python client, gRPC and v2 have the address, the version and the numbers of the request."""
    page = visit("/models/labels")
    field(page).fill('{"instances": [1.0, 2.5]}')
    for title, *expected in (
        ("curl", f"127.0.0.1:{server.rest_port}/v1/models/labels/versions/3:predict", '"instances":[1,2.5]'),
        ("Python", f"127.0.0.1:{server.grpc_port}", "version=3", "[1, 2.5]"),
        ("gRPC", f"127.0.0.1:{server.grpc_port}", '"version":"3"', '"float_val":[1,2.5]'),
        ("v2", "/v2/models/labels/versions/3/infer", '"datatype":"FP32","data":[1,2.5]'),
    ):
        page.get_by_role("tab", name=title).click()
        for part in expected:
            expect(page.get_by_role("tabpanel", name=title)).to_contain_text(part)


def test_two_versions_side_by_side(visit: Open) -> None:
    """One input through two versions, with what they differ by."""
    page = visit("/models/labels")
    field(page)
    page.get_by_role("tab", name="Compare").click()
    panel = page.get_by_role("tabpanel", name="Compare")
    expect(panel.get_by_role("textbox", name="Request body (JSON)")).not_to_have_value("")
    panel.get_by_role("textbox", name="Request body (JSON)").fill('{"instances": [1.0]}')
    panel.get_by_role("button", name="Compare").click()
    expect(panel.locator(".single")).to_have_text(["4", "3"])
    expect(panel.locator("dd").first).to_have_text("1")


def test_label_is_moved(visit: Open) -> None:
    """One button moves a label, and the page shows it without a reload."""
    page = visit("/models/labels")
    page.get_by_text("Move a label").click()
    page.get_by_role("textbox", name="Label").or_(page.get_by_role("combobox", name="Label")).fill("fresh")
    page.get_by_role("combobox", name="Version").select_option("3")
    page.get_by_role("button", name="Move").click()
    expect(page.get_by_text("fresh → 3")).to_be_visible()
