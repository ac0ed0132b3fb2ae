"""What is tried in which order, and what comes of it: the processes are scripts that answer as a test wants."""

import json
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from serving.core.tensor import DataType
from serving.openvino.accepted import Accepted, AcceptedInput
from serving.openvino.body import BodyPlan, InputPlan, OutputPlan
from serving.openvino.compiled import Port
from serving.openvino.compiling import Numbers
from serving.optimizing.candidates import Group, NotOptimizedError, Step
from serving.optimizing.choice import Cell, Engine, Table
from serving.optimizing.process import Children, Programs
from serving.optimizing.trying import Trier
from serving.optimizing.verdict import Verdict
from tests.server.tensorflow.optimizing import model, open_files, terms

PLAN = BodyPlan(
    head=(),
    inputs=(InputPlan(Port("a:0", DataType.FLOAT), "x:0"),),
    outputs=(OutputPlan(Port("b:0", DataType.FLOAT), "y:0"),),
    given={},
    accepted=Accepted(inputs=(AcceptedInput(dtype=DataType.FLOAT, sizes=((1, None),)),)),
)

PROGRAM = """
import json, os, socket, sys
connection = socket.socket(fileno=os.dup(0))
request = json.loads(connection.makefile("rb").readline())
what = request.get("kind", "again" if any(step.get("optimized") for step in request["steps"]) else "trial")
with open({log!r}, "a") as log: log.write(what + "\\n")
script = json.loads({script!r})[what]
if isinstance(script, int): sys.exit(script)
def file(data):
    fd = os.memfd_create("f")
    os.write(fd, data)
    return fd
fds = [file(each.encode()) for each in script["files"]]
connection.sendall(json.dumps({{"parts": script["parts"], "files": len(fds)}}).encode() + b"\\n")
if fds: socket.send_fds(connection, [b"."], fds)
"""


def table(ratio: float) -> Table:
    return Table(cells=(Cell(rows=1, calls=1, engine=Engine.OPENVINO, plain_milliseconds=1.0, milliseconds=ratio),))


def openvino(ratio: float) -> dict[str, Any]:
    """What a trial says of OpenVINO, whose one file follows."""
    facts = {"plan": PLAN.as_json(), "table": table(ratio).as_json(), "difference": 0.0}
    return {**facts, "head": False}


def part(**engines: dict[str, Any]) -> dict[str, Any]:
    return {"plain_seconds": 0.001, **engines}


BETTER = {"seconds": 0.0005, "difference": 0.0}
NO = {"error": "no gain"}
SHORT = {"error": "a call takes 0.01 ms"}
FLAT = {"parts": [{"weights": 0}], "files": ["flat"]}
OPTIMIZED = {"parts": [{"weights": 1}], "files": ["graph", "weights"]}
CLEAR = {"parts": [part(openvino=openvino(0.5))], "files": ["[[], []]", "blob"]}
BARELY = {"parts": [part(openvino=openvino(0.85))], "files": ["[[], []]", "blob"]}
BOTH = {"parts": [part(openvino=openvino(0.85), optimized=BETTER)], "files": ["[[], []]", "blob"]}
ONLY_TENSORFLOW = {"parts": [part(openvino=NO, optimized=BETTER)], "files": ["[[], []]"]}
NEITHER = {"parts": [part(openvino=NO, optimized=NO)], "files": ["[[], []]"]}
CRASH = 3


@dataclass
class House:
    """Processes with a script, and what was asked of them."""

    path: Path
    script: dict[str, Any]
    groups: int = 1
    numbers: Numbers | None = Numbers.FLOAT32
    tensorflow: bool = True

    @property
    def asked(self) -> list[str]:
        log = self.path / "asked"
        return log.read_text().split() if log.exists() else []

    def verdict(self) -> Verdict:
        text = PROGRAM.format(log=str(self.path / "asked"), script=json.dumps(self.script))
        command = (sys.executable, "-c", text)
        groups = [Group(step=Step((f"x{n}:0",), (f"y{n}:0",)), signatures=(f"s{n}",)) for n in range(self.groups)]
        trier = Trier(
            children=Children(Programs(freezing=command, trying=command)),
            model=model(self.path),
            groups=groups,
            terms=terms(numbers=self.numbers, tensorflow=self.tensorflow),
            every_signature=False,
            given_up=lambda: False,
        )
        return trier.verdict()


@pytest.fixture(autouse=True)
def nothing_left_open() -> Iterator[None]:
    """Whatever comes of it, only the verdict's files stay open, and these until it is closed."""
    before = open_files()
    yield
    assert open_files() == before


CASES = [
    pytest.param(
        {"flat": FLAT, "trial": CLEAR}, ["flat", "trial"], ("openvino",), (), id="clearly better, so no more is tried"
    ),
    pytest.param(
        {"flat": FLAT, "trial": BARELY, "optimized": OPTIMIZED, "again": BOTH},
        ["flat", "trial", "optimized", "again"],
        ("optimized", "openvino"),
        (),
        id="both",
    ),
    pytest.param(
        {"flat": FLAT, "trial": BARELY, "optimized": OPTIMIZED, "again": ONLY_TENSORFLOW},
        ["flat", "trial", "optimized", "again"],
        ("optimized",),
        ("OpenVINO: no gain",),
        id="no better than TensorFlow's",
    ),
    pytest.param(
        {"flat": FLAT, "trial": BARELY, "optimized": {"parts": [NO], "files": []}},
        ["flat", "trial", "optimized"],
        ("openvino",),
        ("no gain",),
        id="TensorFlow's cannot be had",
    ),
    pytest.param(
        {"flat": FLAT, "trial": BARELY, "optimized": CRASH},
        ["flat", "trial", "optimized"],
        ("openvino",),
        ("the process that optimises it ended with status 3: no words",),
        id="TensorFlow's optimiser crashes",
    ),
    pytest.param(
        {"flat": FLAT, "trial": BARELY, "optimized": OPTIMIZED, "again": CRASH},
        ["flat", "trial", "optimized", "again"],
        ("openvino",),
        ("the process that optimises it ended with status 3: no words",),
        id="TensorFlow's graph crashes",
    ),
    pytest.param(
        {
            "flat": {"parts": [{"error": "not frozen"}], "files": []},
            "trial": {"parts": [part()], "files": ["[[], []]"]},
            "optimized": OPTIMIZED,
            "again": {"parts": [part(optimized=BETTER)], "files": ["[[], []]"]},
        },
        ["flat", "trial", "optimized", "again"],
        ("optimized",),
        ("not frozen",),
        id="OpenVINO's graph cannot be had",
    ),
]


@pytest.mark.parametrize(("script", "asked", "engines", "reasons"), CASES)
def test_what_is_tried(
    tmp_path: Path, script: dict[str, Any], asked: list[str], engines: tuple[str, ...], reasons: tuple[str, ...]
) -> None:
    """OpenVINO first, TensorFlow's own graph where that leaves something; what fails takes nothing else along."""
    house = House(tmp_path, script)
    verdict = house.verdict()
    (step,) = verdict.steps
    found = {"optimized": step.tensorflow, "openvino": step.openvino}
    assert tuple(name for name, part in found.items() if part is not None) == engines
    assert (house.asked, step.reasons) == (asked, reasons)
    verdict.close()


REFUSED = [
    pytest.param(
        {"flat": FLAT, "trial": BARELY, "optimized": OPTIMIZED, "again": NEITHER},
        "OpenVINO: no gain; TensorFlow's optimised graph: no gain",
        False,
        id="neither gains",
    ),
    pytest.param({"flat": FLAT, "trial": {"parts": [SHORT], "files": []}}, "a call takes 0.01 ms", False, id="short"),
    pytest.param(
        {"flat": FLAT, "trial": CRASH}, "the process that optimises it ended with status 3: no words", False, id="crash"
    ),
    pytest.param(
        {"flat": CRASH}, "the process that optimises it ended with status 3: no words", False, id="not frozen"
    ),
]


@pytest.mark.parametrize(("script", "reason", "expected"), REFUSED)
def test_what_is_refused(tmp_path: Path, script: dict[str, Any], reason: str, expected: bool) -> None:
    """Why a version stays as it is saved; that its calls are short is no news."""
    with pytest.raises(NotOptimizedError) as raised, closing(House(tmp_path, script).verdict()) as verdict:
        verdict.check()
    assert (str(raised.value), raised.value.expected) == (reason, expected)


def test_only_tensorflow(tmp_path: Path) -> None:
    """Nothing is frozen for an engine that is not to be tried."""
    plain = {"parts": [part()], "files": ["[[], []]"]}
    again = {"parts": [part(optimized=BETTER)], "files": ["[[], []]"]}
    house = House(tmp_path, {"trial": plain, "optimized": OPTIMIZED, "again": again}, numbers=None)
    house.verdict().close()
    assert house.asked == ["trial", "optimized", "again"]


def test_only_openvino(tmp_path: Path) -> None:
    """However little it gains."""
    house = House(tmp_path, {"flat": FLAT, "trial": BARELY}, tensorflow=False)
    house.verdict().close()
    assert house.asked == ["flat", "trial"]


def test_short_calls_of_one_signature_leave_the_others(tmp_path: Path) -> None:
    """Each step has what is best for it, or its reason."""
    script = {
        "flat": {"parts": [{"weights": 0}, {"weights": 0}], "files": ["flat", "flat"]},
        "trial": {"parts": [SHORT, part(openvino=openvino(0.5))], "files": ["[[], []]", "blob"]},
    }
    verdict = House(tmp_path, script, groups=2, tensorflow=False).verdict()
    short, long = verdict.steps
    assert (short.openvino, short.reasons) == (None, ("a call takes 0.01 ms",))
    assert long.openvino is not None
    verdict.close()
