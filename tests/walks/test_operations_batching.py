"""The page examples/operations/batching: the same answers with and without, and batches of more than one row.

How much faster it is, is not looked at.
"""

import re
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.walks.walk import Walk

pytestmark = pytest.mark.timeout(300)

REQUESTS = 1000
ASKED_BEFORE = 100
"""Requests that measure.py sends before it measures."""


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    with Walk("operations/batching", tmp_path_factory.mktemp("batching")) as walk:
        walk.run()
        yield walk


def scores(walk: Walk, name: str) -> NDArray[np.float32]:
    """The answers of one run, float [requests, 10]."""
    with np.load(walk.directory / "models" / name) as run:
        return np.asarray(run["scores"])


def test_every_request_is_answered(walk: Walk) -> None:
    """Both runs have the scores of all requests."""
    assert scores(walk, "plain.npz").shape == scores(walk, "batches.npz").shape == (REQUESTS, 10)


def test_answers_are_equal(walk: Walk) -> None:
    """A row gets the same scores in a batch as alone."""
    np.testing.assert_allclose(scores(walk, "batches.npz"), scores(walk, "plain.npz"), rtol=1e-4, atol=1e-4)


def test_answers_belong_to_their_rows(walk: Walk) -> None:
    """No two of the random rows have the same scores, so equal answers are not equal by chance."""
    assert len(np.unique(scores(walk, "plain.npz").round(3), axis=0)) == REQUESTS


def test_rates_and_ratio_are_printed(walk: Walk) -> None:
    """The second run prints its ratio to the first."""
    assert re.search(r"^\d+ requests per second, 48 in flight$", walk.output("--save=models/plain.npz"), re.MULTILINE)
    printed = re.search(r"^ratio to models/plain.npz: ([\d.]+)$", walk.output("--compare"), re.MULTILINE)
    assert printed
    with np.load(walk.directory / "models/plain.npz") as off, np.load(walk.directory / "models/batches.npz") as on:
        assert float(printed[1]) == pytest.approx(float(on["rate"] / off["rate"]), abs=0.006)


def test_batches_have_more_than_one_row(walk: Walk) -> None:
    """The metrics page, which counts below its bounds, has all requests, and batches of two rows or more."""
    text = walk.output("processed_batch_size")
    values = dict(re.findall(r"processed_batch_size_(\w+\{.*?\}) (\S+)", text))
    batches, rows = int(values["count{}"]), float(values["sum{}"])
    assert rows == pytest.approx(REQUESTS + ASKED_BEFORE, rel=1e-5)
    assert int(values['bucket{le="2"}']) < batches < rows
