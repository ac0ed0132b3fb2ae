"""The models that `make serve` makes: they load, answer, and stay when they are there already."""

import json
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

# Training takes about ten seconds on a free machine, and the first test of the module pays for it.
pytestmark = pytest.mark.timeout(240)


def make_models(directory: Path) -> str:
    """What the script prints."""
    command = [sys.executable, str(SCRIPTS / "make_models.py"), str(directory)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A directory with both models, and what was printed while they were made."""
    directory = tmp_path_factory.mktemp("demo")
    return directory, make_models(directory)


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


def test_half_plus_two(demo: tuple[Path, str], executor: ThreadPoolExecutor) -> None:
    """half_plus_two halves x and adds two."""
    servable = load_saved_model(demo[0] / "models/half_plus_two/1", SavedModelOptions(), executor)
    assert predict(servable, np.array([1.0, 2.0, 5.0]))["y"].tolist() == [2.5, 3.0, 4.5]
    servable.close()


def test_digits(demo: tuple[Path, str], executor: ThreadPoolExecutor) -> None:
    """The exported digits model, run as the server runs it, reads nearly all of the data set."""
    from sklearn.datasets import load_digits

    servable = load_saved_model(demo[0] / "models/digits/1", SavedModelOptions(), executor)
    digits = load_digits()
    outputs = predict(servable, digits.images[..., None])
    assert (outputs["classes"] == digits.target).mean() >= 0.95
    assert outputs["probabilities"].shape == (len(digits.target), 10)
    servable.close()


def test_ink_of_any_scale(demo: tuple[Path, str], executor: ThreadPoolExecutor) -> None:
    """Digits from 0 to 1, as a page has the pixels of a drawing, are read like those to 16, and so is mere paper."""
    from sklearn.datasets import load_digits

    servable = load_saved_model(demo[0] / "models/digits/1", SavedModelOptions(), executor)
    images = load_digits().images[:100, ..., None]
    expected = predict(servable, images)["probabilities"]
    np.testing.assert_allclose(predict(servable, images / 16)["probabilities"], expected, atol=1e-5)
    assert np.isfinite(predict(servable, np.zeros((1, 8, 8, 1)))["probabilities"]).all()
    servable.close()


def test_progress_is_shown(demo: tuple[Path, str]) -> None:
    """Each epoch has a line, and the accuracy on the images held out is printed."""
    assert "digits: epoch 1/" in demo[1]
    assert "images held out" in demo[1]


def test_config_names_both(demo: tuple[Path, str]) -> None:
    """The configuration names both models by absolute paths that exist."""
    text = (demo[0] / "models.config").read_text()
    paths = [Path(word) for word in text.split('"') if word.startswith("/")]
    assert [path.name for path in paths] == ["half_plus_two", "digits"]
    assert all((path / "1" / "saved_model.pb").exists() for path in paths)


def test_models_that_are_there_are_kept(demo: tuple[Path, str]) -> None:
    """A second run trains nothing and leaves the files as they are."""
    saved = demo[0] / "models/digits/1/saved_model.pb"
    before = saved.stat().st_mtime_ns
    assert "epoch" not in make_models(demo[0])
    assert saved.stat().st_mtime_ns == before


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_page_is_right(demo: tuple[Path, str], tmp_path: Path) -> None:
    """The page's command, made of a server with these models, is answered 0 to 9 in order, as the page says."""
    (tmp_path / ".venv").symlink_to(sys.prefix)
    with Walk("demo_models", tmp_path) as walk:
        walk.serve(f'exec tensorflow_model_server --model_config_file={demo[0] / "models.config"} "$@"')
        walk.run()
        (ran,) = walk.ran
    assert [each["classes"] for each in json.loads(ran.output)["predictions"]] == list(range(10))


def test_a_damaged_version_is_made_anew(demo: tuple[Path, str], tmp_path: Path) -> None:
    """A version without its saved_model.pb is replaced, files and all, and nothing unfinished is left beside it."""
    shutil.copytree(demo[0] / "models", tmp_path / "models")
    model = tmp_path / "models" / "half_plus_two"
    (model / "1" / "saved_model.pb").unlink()
    (model / "1" / "left").touch()
    assert "half_plus_two: exporting" in make_models(tmp_path)
    assert (model / "1" / "saved_model.pb").exists()
    assert not (model / "1" / "left").exists()
    assert [path.name for path in model.iterdir()] == ["1"]


def test_a_bad_model_is_not_served(tmp_path: Path) -> None:
    """Below the required accuracy the script fails, says so, and leaves neither the model nor a configuration."""
    program = "import make_models, sys; make_models.EPOCHS = 1; sys.exit(make_models.main())"
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], cwd=SCRIPTS, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "expected 95%" in done.stderr
    assert not (tmp_path / "models/digits/1").exists()
    assert not (tmp_path / "models.config").exists()
