"""What trying has found, as facts and files that come back from JSON."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from serving.core.tensor import DataType
from serving.openvino.accepted import Accepted, AcceptedInput
from serving.openvino.body import BodyPlan, InputPlan, OutputPlan
from serving.openvino.compiled import Port
from serving.optimizing.choice import Cell, Engine, Table
from serving.optimizing.freezing import FrozenGraph
from serving.optimizing.verdict import (
    OpenVinoPart,
    StepVerdict,
    TensorFlowPart,
    Tried,
    Verdict,
    all_won,
    read_example,
    verdict_from,
)

PLAN = BodyPlan(
    head=("h:0",),
    inputs=(InputPlan(Port("a:0", DataType.FLOAT), "h:0"),),
    outputs=(OutputPlan(Port("b:0", DataType.INT64), "y:0"),),
    given={"z:0": "h:0"},
    accepted=Accepted(inputs=(AcceptedInput(dtype=DataType.FLOAT, sizes=((1, None), (3, 3))),)),
)


def cell(engine: Engine, before: float, after: float, rows: int = 1) -> Cell:
    return Cell(rows=rows, calls=1, engine=engine, plain_milliseconds=before, milliseconds=after)


class Files:
    """Makes memory files with these contents, and closes those that nobody else has closed."""

    def __init__(self) -> None:
        self.made: list[int] = []

    def __call__(self, data: bytes) -> int:
        fd = os.memfd_create("f")
        os.write(fd, data)
        self.made.append(fd)
        return fd

    def close(self) -> None:
        for fd in self.made:
            try:
                os.close(fd)
            except OSError:
                continue


@pytest.fixture
def file() -> Iterator[Files]:
    files = Files()
    yield files
    files.close()


def optimized(file: Files, weights: int = 2) -> TensorFlowPart:
    graph = FrozenGraph(graph=file(b"graph"), weights=tuple(file(b"w%d" % number) for number in range(weights)))
    return TensorFlowPart(graph=graph, optimized=True, seconds=0.5, difference=1e-6)


def openvino(file: Files, *cells: Cell, head: bool = True) -> OpenVinoPart:
    return OpenVinoPart(
        plan=PLAN,
        table=Table(cells=cells or (cell(Engine.OPENVINO, 2.0, 1.0),)),
        difference=1e-7,
        blob=file(b"blob"),
        head=file(b"head") if head else None,
    )


def step(
    example: int | None = None,
    optimized: TensorFlowPart | None = None,
    openvino: OpenVinoPart | None = None,
    reasons: Sequence[str] = (),
) -> StepVerdict:
    return StepVerdict(
        plain_seconds=0.25, example=example, tensorflow=optimized, openvino=openvino, reasons=tuple(reasons)
    )


VERDICTS: dict[str, Callable[[Files], tuple[StepVerdict, ...]]] = {
    "nothing": lambda file: (step(reasons=["no", "nor this"]),),
    "an example": lambda file: (step(file(b"[]"), reasons=["no"]),),
    "TensorFlow": lambda file: (step(file(b"[]"), optimized(file)),),
    "TensorFlow without weights": lambda file: (step(file(b"[]"), optimized(file, 0)),),
    "OpenVINO": lambda file: (step(file(b"[]"), None, openvino(file, head=False)),),
    "OpenVINO with all": lambda file: (step(file(b"[]"), None, openvino(file)),),
    "both": lambda file: (step(file(b"[]"), optimized(file), openvino(file, head=False)),),
    "several steps": lambda file: (
        step(file(b"[1]"), optimized(file), openvino(file)),
        step(reasons=["no"]),
        step(file(b"[2]"), None, openvino(file)),
    ),
}


def contents(verdict: Verdict) -> list[bytes]:
    return [os.pread(fd, 100, 0) for fd in verdict.files]


@pytest.mark.parametrize("name", VERDICTS)
def test_verdicts_come_back(file: Files, name: str) -> None:
    """Facts through JSON with copies of the files make the same verdict, each file in its place."""
    verdict = Verdict(steps=VERDICTS[name](file))
    facts = json.loads(json.dumps(verdict.facts()))
    read = verdict_from(facts, [file(each) for each in contents(verdict)])
    assert json.dumps(read.facts()) == json.dumps(verdict.facts())
    assert contents(read) == contents(verdict)
    for one, other in zip(read.steps, verdict.steps, strict=True):
        assert (one.plain_seconds, one.reasons) == (other.plain_seconds, other.reasons)
        assert [os.pread(fd, 100, 0) for fd in one.files] == [os.pread(fd, 100, 0) for fd in other.files]
        if one.openvino is not None and other.openvino is not None:
            assert (one.openvino.plan, one.openvino.table) == (other.openvino.plan, other.openvino.table)
            assert os.pread(one.openvino.blob, 100, 0) == b"blob"


def test_closing_closes_every_file(file: Files) -> None:
    """A verdict owns its files, each once."""
    verdict = Verdict(steps=VERDICTS["several steps"](file))
    assert sorted(verdict.files) == sorted(file.made)
    verdict.close()
    for fd in file.made:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)


@pytest.mark.parametrize("more", [-2, -1, 1])
def test_other_numbers_of_files_are_refused(file: Files, more: int) -> None:
    """Files that are missing, or that nobody names, make no verdict."""
    verdict = Verdict(steps=VERDICTS["several steps"](file))
    files = [*verdict.files, 0][: len(verdict.files) + more]
    with pytest.raises(ValueError, match="files than the facts"):
        verdict_from(verdict.facts(), files)


@pytest.mark.parametrize(
    "facts", [[{}], [1], [{"plain_seconds": "x"}], [{"plain_seconds": 1, "example": False}], [None]], ids=str
)
def test_other_facts_are_refused(facts: list[Any]) -> None:
    """What is no verdict is one of three errors."""
    with pytest.raises((ValueError, KeyError, TypeError)):
        verdict_from(facts, [])


def test_examples_are_read_from_the_start(file: Files) -> None:
    """Wherever the one who wrote it has left off."""
    fd = file(json.dumps([["a"], ["b"]]).encode())
    assert [read_example(fd), read_example(fd)] == [Tried(["a"], ["b"])] * 2


@pytest.mark.parametrize(
    ("cells", "won"),
    [
        pytest.param([(Engine.OPENVINO, 1.0, 0.8), (Engine.OPENVINO_STREAMS, 1.0, 0.1)], True, id="all clearly"),
        pytest.param([(Engine.OPENVINO, 1.0, 0.81), (Engine.OPENVINO, 1.0, 0.1)], False, id="one barely"),
        pytest.param([(Engine.TENSORFLOW, 1.0, 0.1), (Engine.OPENVINO, 1.0, 0.1)], False, id="one of TensorFlow"),
    ],
)
def test_a_clear_win_is_one_in_every_cell(file: Files, cells: list[tuple[Engine, float, float]], won: bool) -> None:
    """Only then is there nothing more to try."""
    part = openvino(file, *(cell(*each) for each in cells))
    assert all_won(Verdict(steps=(step(None, None, part),)), 0.8) is won
    assert not all_won(Verdict(steps=(step(None, None, part), step())), 0.8)
