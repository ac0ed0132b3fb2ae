"""What is marked as stateful and keeps nothing is still there in an optimised graph: assertions, filled tables."""

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from serving.codecs.protobuf import tensor_proto
from serving.core.servable import Run
from serving.core.tensor import DataType, Tensor
from serving.errors import Code, ServingError
from serving.optimizing import qualifying
from serving.optimizing.comparing import Example
from serving.optimizing.examples import examples
from serving.optimizing.freezing import FrozenGraph, Kind, Model, frozen
from serving.optimizing.process import Children
from serving.optimizing.session import WholeStep, open_frozen
from serving.servables import libtensorflow
from tests.conftest import made_by
from tests.support.models import NO_LIMIT, loaded


@pytest.fixture(scope="module")
def directory(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The models of ``make_qualifying.py``."""
    return made_by(Path(__file__).with_name("make_qualifying.py"), pytestconfig, tmp_path_factory)


@contextmanager
def optimized(path: Path) -> Iterator[tuple[Run, WholeStep, list[Example]]]:
    """The step of the default signature as it is saved and optimised, and what it is tried with."""
    with loaded(path) as plain, ThreadPoolExecutor(1) as executor:
        found = qualifying.qualified(path / "saved_model.pb", ["serve"], plain.signatures)
        group = found.groups[0]
        made = examples(plain.signatures, group.step, path, found.index)
        (graph,) = frozen(
            Children(),
            Model(path=path, tags=("serve",), config=b""),
            [group],
            Kind.OPTIMIZED,
            examples=[[_encoded(tensor) for tensor in made[0]]],
        )
        assert isinstance(graph, FrozenGraph), graph
        session = open_frozen(libtensorflow.load(), graph, b"")
        try:
            yield plain.resolve(*group.step), WholeStep(session, group.step, executor), made
        finally:
            session.close()
            graph.close()


def _encoded(tensor: Tensor) -> str:
    return base64.b64encode(tensor_proto.encode(tensor)).decode()


@pytest.mark.parametrize("model", ["asserting", "estimator", "vocabulary"])
def test_answers_stay(directory: Path, model: str) -> None:
    """Assertions, tables of constants and tables of a file of words are in the optimised graph as well."""
    with optimized(directory / model / "1") as (plain, step, made):
        for example in made:
            for expected, given in zip(plain(example, NO_LIMIT), step.whole(example, NO_LIMIT), strict=True):
                assert np.allclose(expected.array, given.array, atol=1e-6)


def test_words_of_a_file(directory: Path) -> None:
    """Each word has its own row, and unknown ones another."""
    with optimized(directory / "vocabulary" / "1") as (_, step, _made):
        words = Tensor(DataType.STRING, np.array([b"the", b"cat", b"nobody knows it"], object))
        (rows,) = step.whole([words], NO_LIMIT)
    assert rows.array[:, 0].tolist() == [0.0, 2.0, 6.0]


@pytest.mark.parametrize(
    ("value", "text"), [(11.0, "assertion failed"), (np.nan, "assertion failed"), (-np.inf, "y : Tensor had")]
)
def test_assertions_refuse_as_before(directory: Path, value: float, text: str) -> None:
    """What the model refuses the optimised graph refuses with the same code, for the same reason."""
    wrong = [Tensor(DataType.FLOAT, np.full((2, 4), value, np.float32))]
    with optimized(directory / "asserting" / "1") as (plain, step, _):
        for run in (plain, step.whole):
            with pytest.raises(ServingError, match=text) as raised:
                run(wrong, NO_LIMIT)
            assert raised.value.code is Code.INVALID_ARGUMENT


def test_what_nobody_asked_for_fails_no_call(directory: Path) -> None:
    """A call for one output is answered though another, which runs with it, refuses the input."""
    path = directory / "partly" / "1"
    with loaded(path) as saved:
        signature = saved.signatures["serving_default"]
    feeds = signature.feeds(("x",)).names
    infinite = [Tensor(DataType.FLOAT, np.full((1, 4), np.inf, np.float32))]
    with optimized(path) as (_, step, _made):
        run, refused = (step.part(feeds, signature.fetches((alias,)).names) for alias in ("y", "checked"))
        assert run is not None
        assert refused is not None
        (answer,) = run(infinite, NO_LIMIT)
        assert not np.isfinite(answer.array).any()
        with pytest.raises(ServingError, match=r"checked : Tensor had (Inf|NaN)"):
            refused(infinite, NO_LIMIT)
