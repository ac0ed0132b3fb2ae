"""A plan carried out, on an engine that is not there: the order of things, what is left out, and what stops it."""

import io
from pathlib import Path

import pytest

from build.console import Console
from build.errors import (
    CompileError,
    DiskSpaceError,
    EngineTooOldError,
    ImageBuildError,
    VerifyError,
    WheelMissingError,
)
from build.execute import Execution, Verifier
from build.machine import Machine
from build.plan import Goal, Plan
from build.steps import VerifyImage
from tests.unit.build.engines import FakeEngine, Program
from tests.unit.build.values import MACHINE, build_json, machine, plan, wheel_bytes

GOOD = Program(files={"a.whl": wheel_bytes(), "build.json": build_json()})


class Run:
    """Carries out plans below a directory and remembers what was shown and verified."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.engine = FakeEngine(GOOD)
        self.screen = io.StringIO()
        self.verified: list[str] = []
        self.verify: Verifier = lambda step: self.verified.append(step.image)

    def execution(self, on: Machine = MACHINE, force: bool = False) -> Execution:
        return Execution(
            engine=self.engine,
            machine=on,
            root=self.root,
            console=Console(self.screen, lambda: 0.0),
            verify=self.verify,
            force=force,
        )

    def __call__(self, what: Plan, force: bool = False) -> None:
        self.execution(force=force).run(what)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


DEVEL, CARRY, RUNTIME = "build Dockerfile.devel", "build build/images/wheels.Dockerfile", "build Dockerfile"
CONTAINER = ["create c1", "start c1", "remove c1"]


def test_all_steps_in_order(run: Run) -> None:
    """Toolchain, compile, an image for the wheel, the runtime image, and a look into it."""
    run(plan())
    assert run.engine.events == [DEVEL, *CONTAINER, CARRY, RUNTIME]
    assert run.verified == [plan().names.runtime]
    assert "[5/5] look at what is in it" in run.screen.getvalue()


def test_compiled_wheel_is_not_compiled_again(run: Run) -> None:
    """The same inputs give the same wheel, so it is taken from where it lies."""
    run(plan(goal=Goal.WHEEL))
    run(plan(goal=Goal.WHEEL))
    assert run.engine.events == [DEVEL, *CONTAINER, DEVEL]
    assert "compiled already" in run.screen.getvalue()


def test_force_compiles_again(run: Run) -> None:
    """With ``force`` it is compiled although it is there."""
    run(plan(goal=Goal.WHEEL))
    run(plan(goal=Goal.WHEEL), force=True)
    assert run.engine.events.count(DEVEL) == 2
    assert "create c2" in run.engine.events


def test_runtime_without_its_wheel(run: Run) -> None:
    """A runtime image whose wheel was never compiled names the command that compiles it."""
    with pytest.raises(WheelMissingError) as caught:
        run(plan(goal=Goal.RUNTIME))
    assert caught.value.next_step == "python -m build wheel --variant cpu-avx2"
    assert run.engine.events == []


def test_failed_compile_ends_the_run(run: Run) -> None:
    """Nothing is built of a wheel that is not there."""
    run.engine.program = Program(status=1)
    with pytest.raises(CompileError):
        run(plan())
    assert run.engine.events == [DEVEL, *CONTAINER]


def test_failed_dockerfile(run: Run) -> None:
    """A Dockerfile's failure names the file, shows the last lines, and all of them are in the log."""
    run.engine.failing_dockerfile = "Dockerfile"
    with pytest.raises(ImageBuildError) as caught:
        run(plan("cpu"))
    assert caught.value.what.startswith("Dockerfile: returned a non-zero code: 127")
    assert "  | gcc: not found" in caught.value.what
    (log,) = (run.root / "dist" / "logs").iterdir()
    assert log.read_text() == "Step 1/1 : FROM base\ngcc: not found\n"


def test_failed_verification_fails_the_run(run: Run) -> None:
    """What does not hold what it promises is no success."""

    def refuse(step: VerifyImage) -> None:
        raise VerifyError("too large", "look")

    run.verify = refuse
    with pytest.raises(VerifyError):
        run(plan("cpu"))


def test_check_raises_the_first_and_says_the_rest(run: Run) -> None:
    """All problems are told before anything begins; the status is the first one's."""
    with pytest.raises(EngineTooOldError):
        run.execution(machine(engine_version="18.09", free_disk_bytes=0)).check(plan())
    assert "error: The engine's disk has 0 GB free" in run.screen.getvalue()


def test_check_stops_for_one_problem(run: Run) -> None:
    """A single problem is raised and not printed twice."""
    with pytest.raises(DiskSpaceError):
        run.execution(machine(free_disk_bytes=0)).check(plan())
    assert run.screen.getvalue() == ""


@pytest.mark.parametrize(
    ("free", "expected"),
    [pytest.param(None, "was not checked", id="unknown"), pytest.param(10**12, "", id="known")],
)
def test_check_says_what_it_could_not_see(run: Run, free: int | None, expected: str) -> None:
    """A disk on another machine is not claimed to have been looked at."""
    run.execution(machine(free_disk_bytes=free)).check(plan())
    assert expected in run.screen.getvalue()
    assert bool(run.screen.getvalue()) == bool(expected)
