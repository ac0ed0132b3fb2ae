"""The models of `make serve`: they load, answer as well as their page says, and can be made anew."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from serving.core.tensor import DataType, Tensor
from serving.servables.saved_model import SavedModelOptions, SavedModelServable, load_saved_model
from tests.walks.walk import EXAMPLES, Walk

SCRIPTS = EXAMPLES / "demo_models"

MADE = SCRIPTS / "models"

# Training takes about ten seconds on a free machine, and the page does it.
pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


def predict(servable: SavedModelServable, values: np.ndarray) -> dict[str, np.ndarray]:
    """The outputs of ``serving_default``, which has one float input, by alias."""
    signature = servable.signatures["serving_default"]
    feeds, fetches = signature.feeds(tuple(signature.inputs)), signature.fetches(())
    outputs = servable.resolve(feeds.names, fetches.names)([Tensor(DataType.FLOAT, values.astype(np.float32))], 0)
    return {alias: tensor.array for alias, tensor in zip(fetches.aliases, outputs, strict=True)}


def held_out() -> tuple[np.ndarray, np.ndarray]:
    """The images and labels that training never saw, by scikit-learn's own data and its own split."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    _, images, _, labels = train_test_split(digits.images[..., None], digits.target, test_size=1 / 3, random_state=7)
    return images, labels


def test_half_plus_two(executor: ThreadPoolExecutor) -> None:
    """half_plus_two halves x and adds two."""
    servable = load_saved_model(MADE / "half_plus_two/1", SavedModelOptions(), executor)
    assert predict(servable, np.array([1.0, 2.0, 5.0]))["y"].tolist() == [2.5, 3.0, 4.5]
    servable.close()


def test_digits_is_as_good_as_its_page_says(executor: ThreadPoolExecutor) -> None:
    """The digits model, run as the server runs it, is right on the written share of the images held out."""
    (written,) = re.findall(r"right on (\S+) % of these (\d+) images", (SCRIPTS / "README.md").read_text())
    servable = load_saved_model(MADE / "digits/1", SavedModelOptions(), executor)
    images, labels = held_out()
    outputs = predict(servable, images)
    assert (str(round(100 * (outputs["classes"] == labels).mean(), 1)), str(len(labels))) == written
    assert outputs["probabilities"].shape == (len(labels), 10)
    servable.close()


def test_ink_of_any_scale(executor: ThreadPoolExecutor) -> None:
    """Digits from 0 to 1, as a page has the pixels of a drawing, are read like those to 16, and so is mere paper."""
    servable = load_saved_model(MADE / "digits/1", SavedModelOptions(), executor)
    images = held_out()[0][:100]
    expected = predict(servable, images)["probabilities"]
    np.testing.assert_allclose(predict(servable, images / 16)["probabilities"], expected, atol=1e-5)
    assert np.isfinite(predict(servable, np.zeros((1, 8, 8, 1)))["probabilities"]).all()
    servable.close()


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_page_is_right(tmp_path: Path) -> None:
    """The page's commands train anew, as well as before; the ten digits are answered in order by what is there."""
    (tmp_path / ".venv").symlink_to(sys.prefix)
    with Walk("demo_models", tmp_path) as walk:
        walk.serve(f'exec tensorflow_model_server --model_name=digits --model_base_path={MADE / "digits"} "$@"')
        walk.run()
        made, asked = walk.ran
    assert "digits: epoch 1/" in made.output
    assert float(re.findall(r"right on (\S+)% of 599 images held out", made.output)[0]) >= 97
    assert (tmp_path / ".demo/anew/half_plus_two/1/saved_model.pb").exists()
    assert (tmp_path / ".demo/anew/digits/1/saved_model.pb").exists()
    assert [each["classes"] for each in json.loads(asked.output)["predictions"]] == list(range(10))


def test_a_bad_model_is_not_exported(tmp_path: Path) -> None:
    """Below the required accuracy the script fails, says so, and leaves no model."""
    program = "import make_models, sys; make_models.EPOCHS = 1; sys.exit(make_models.main())"
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], cwd=SCRIPTS, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "expected 95%" in done.stderr
    assert not (tmp_path / "digits/1").exists()
