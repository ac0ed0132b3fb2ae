"""The seven models: what they are asked, that a flat one would be noticed, and one of them written and answering."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.bench.keras_inputs import INPUTS, VOCABULARY, inputs
from tests.bench.keras_models import BUILDERS, LEAST_SPREAD, spread
from tests.bench.servers import ROOT


def test_each_model_has_inputs() -> None:
    """Whatever can be written can be asked, and nothing else is."""
    assert set(INPUTS) == set(BUILDERS)
    assert len(BUILDERS) == 7


@pytest.mark.parametrize("name", INPUTS)
def test_inputs_differ(name: str) -> None:
    """No two rows are alike, and the same seed gives the same rows."""
    rows = inputs(name, 3, 5)
    assert len({row.tobytes() for row in rows}) == 3
    np.testing.assert_array_equal(rows, inputs(name, 3, 5))


def test_tokens_are_known() -> None:
    """Token ids are in the vocabulary, over all of it."""
    tokens = inputs("transformer", 64, 0)
    assert tokens.dtype == np.int32
    assert 0 <= tokens.min() < VOCABULARY // 100
    assert VOCABULARY * 99 // 100 < tokens.max() < VOCABULARY


def test_pixels_use_their_range() -> None:
    """Images are dark and bright, within 0 to 255."""
    pixels = inputs("resnet50", 4, 0)
    assert (pixels.min(), pixels.max()) == (0.0, 255.0)


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        pytest.param([[1.0, 2.0], [1.0, 2.0], [4.0, 0.0]], 0.0, id="two alike"),
        pytest.param([[1.0, 2.0], [1.0, 3.0], [4.0, 0.0]], 0.25, id="the most alike, by the largest value"),
        pytest.param([[-1.0], [0.0]], 1.0, id="of either sign"),
    ],
)
def test_spread(answers: list[list[float]], expected: float) -> None:
    """It is the smallest of the differences between rows."""
    assert spread(np.array(answers)) == expected


def test_a_model_is_written(tmp_path: Path) -> None:
    """The command writes what TensorFlow Serving's layout wants, and its answers differ enough."""
    command = [sys.executable, "-m", "tests.bench.keras_models", str(tmp_path), "mlp4x512"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert float(printed.partition("answers differ by ")[2].partition(",")[0]) >= LEAST_SPREAD
    assert (tmp_path / "mlp4x512" / "1" / "saved_model.pb").exists()


def test_an_unknown_model_is_named(tmp_path: Path) -> None:
    """A misspelt name ends the command before anything is written."""
    command = [sys.executable, "-m", "tests.bench.keras_models", str(tmp_path), "lstn"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, "no model lstn" in done.stderr) == (2, True)
    assert list(tmp_path.iterdir()) == []
