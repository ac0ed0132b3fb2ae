"""The compile, driven on an engine that is not there: what it is given, what it leaves, how each failure is told."""

import io
from pathlib import Path

import pytest

from build.compile_tensorflow import compile_wheel
from build.console import Console
from build.errors import BuildError, CacheInUseError, CompileError, OutOfMemoryError, WheelMissingError, WheelWrongError
from build.plan import Options
from build.steps import CACHE_LABEL, CompileWheel
from tests.unit.build.engines import FakeEngine, Program
from tests.unit.build.values import build_json, compile_step, wheel_bytes

STEP = compile_step()
WHEEL = "tensorflow_cpu-2.21.0-cp311-cp311-linux_x86_64.whl"
GOOD = {WHEEL: wheel_bytes(), "build.json": build_json()}


class Compile:
    """Compiles below a directory and remembers what was shown."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.screen = io.StringIO()

    def __call__(self, program: Program, step: CompileWheel = STEP, jobs: int = 4, keep: bool = False) -> Path:
        self.engine = FakeEngine(program)
        console = Console(self.screen, lambda: 0.0)
        return compile_wheel(self.engine, step, jobs=jobs, root=self.root, console=console, keep=keep)


@pytest.fixture
def compiled(tmp_path: Path) -> Compile:
    return Compile(tmp_path)


def test_wheel_is_copied_out(compiled: Compile) -> None:
    """The wheel and build.json end in the step's directory, and the container is gone."""
    wheel = compiled(Program(files=GOOD))
    assert wheel == compiled.root / STEP.output / WHEEL
    assert sorted(path.name for path in wheel.parent.iterdir()) == ["build.json", WHEEL]
    assert compiled.engine.alive == set()


def test_what_the_container_gets(compiled: Compile) -> None:
    """The image, the environment with the jobs, the cache volume, the limit and the labels."""
    step = compile_step(options=Options(memory_bytes=10_000_000_000, network="host"))
    compiled(Program(files=GOOD), step, jobs=3)
    (spec,) = compiled.engine.specs
    assert spec.image == step.image
    assert spec.environment == {**dict(step.environment), "JOBS": "3"}
    assert spec.volumes == {step.cache_volume: "/cache"}
    assert (spec.memory_bytes, spec.network) == (10_000_000_000, "host")
    assert spec.labels[CACHE_LABEL] == step.cache_volume
    assert set(compiled.engine.volumes) == {step.cache_volume}


def test_the_log_has_everything(compiled: Compile) -> None:
    """Each line is in the file, and the screen has the reports alone."""
    compiled(Program(prints=b"warning: w\n[1 / 2] Compiling a.cc; 1s local\n", files=GOOD))
    assert (compiled.root / STEP.log).read_text() == "warning: w\n[1 / 2] Compiling a.cc; 1s local\n"
    assert "1/2 (50 %)" in compiled.screen.getvalue()
    assert "warning: w" not in compiled.screen.getvalue()


CURSED = b"clang: error: unable to execute command: Killed\n"


@pytest.mark.parametrize(
    ("program", "expected", "what", "next_step"),
    [
        pytest.param(
            Program(prints=b"a.cc:1: error: no\n", status=1), CompileError, "status 1", STEP.cache_volume, id="fails"
        ),
        pytest.param(
            Program(status=137, out_of_memory=True), OutOfMemoryError, "want of memory", "--jobs 2", id="out-of-memory"
        ),
        pytest.param(Program(status=137), OutOfMemoryError, "137 is SIGKILL", "--jobs 2", id="killed-by-someone"),
        pytest.param(
            Program(prints=CURSED, status=1),
            OutOfMemoryError,
            "something in it was killed",
            "--jobs 2",
            id="clang-killed",
        ),
        pytest.param(
            Program(prints=b"Server terminated abruptly (error code: 14)\n", status=37),
            OutOfMemoryError,
            "status 37",
            "resumes",
            id="bazel-killed",
        ),
        pytest.param(Program(), WheelMissingError, "left: nothing", "less ", id="no-wheel"),
        pytest.param(Program(files={WHEEL: wheel_bytes()}), WheelMissingError, WHEEL, "less ", id="no-description"),
        pytest.param(
            Program(files={**GOOD, "b.whl": wheel_bytes()}), WheelMissingError, "b.whl", "less ", id="two-wheels"
        ),
        pytest.param(
            Program(files={**GOOD, WHEEL: b"PK"}), WheelWrongError, "not a whole wheel", "df -h", id="cut-off"
        ),
        pytest.param(
            Program(files={**GOOD, "build.json": b"{"}), WheelWrongError, "not JSON", "less ", id="description-cut-off"
        ),
        pytest.param(
            Program(files={**GOOD, "build.json": build_json(cpu_target="native")}),
            WheelWrongError,
            '"cpu_target": "native"',
            "less ",
            id="another-target",
        ),
        pytest.param(
            Program(files={**GOOD, "build.json": build_json(tensorflow="2.20.0")}),
            WheelWrongError,
            '"tensorflow": "2.20.0"',
            "less ",
            id="another-version",
        ),
        pytest.param(
            Program(files={**GOOD, "build.json": build_json(cpu_features="avx2")}),
            WheelWrongError,
            'cpu_features "avx2"',
            "less ",
            id="features-no-list",
        ),
        pytest.param(
            Program(files={**GOOD, "build.json": b"[]"}), WheelWrongError, '"cpu_target": null', "less ", id="no-object"
        ),
    ],
)
def test_failure(compiled: Compile, program: Program, expected: type[BuildError], what: str, next_step: str) -> None:
    """Each failure has its own error, says what happened, and what to do; no wheel is left, and no container."""
    with pytest.raises(expected) as caught:
        compiled(program)
    assert type(caught.value) is expected
    assert what in caught.value.what
    assert next_step in caught.value.next_step
    assert list((compiled.root / "dist" / "wheels").glob("*")) == []
    assert compiled.engine.alive == set()


def test_failure_shows_the_last_lines(compiled: Compile) -> None:
    """Forty lines of the end are shown, and where the rest is."""
    printed = b"".join(b"line %d\n" % number for number in range(100))
    with pytest.raises(CompileError) as caught:
        compiled(Program(prints=printed, status=1))
    shown = [line for line in caught.value.what.splitlines() if line.startswith("  | ")]
    assert (len(shown), shown[0], shown[-1]) == (40, "  | line 60", "  | line 99")
    assert str(compiled.root / STEP.log) in caught.value.what


def test_one_job_out_of_memory_needs_more_memory(compiled: Compile) -> None:
    """Fewer than one job cannot be advised."""
    with pytest.raises(OutOfMemoryError) as caught:
        compiled(Program(status=137), jobs=1)
    assert "--jobs" not in caught.value.next_step
    assert "memory" in caught.value.next_step


def test_cache_in_use(compiled: Compile) -> None:
    """A volume that another container compiles with is left alone."""
    engine = FakeEngine(containers_with_label={"c9": f"{CACHE_LABEL}={STEP.cache_volume}"})
    with pytest.raises(CacheInUseError, match="c9"):
        compile_wheel(engine, STEP, jobs=1, root=compiled.root, console=Console(io.StringIO(), lambda: 0.0))
    assert engine.events == []


def test_old_wheel_stays_when_the_new_one_fails(compiled: Compile) -> None:
    """A failed compile does not take away the wheel that was there."""
    wheel = compiled(Program(files=GOOD))
    with pytest.raises(WheelMissingError):
        compiled(Program())
    assert wheel.read_bytes() == GOOD[WHEEL]


def test_interrupted(compiled: Compile) -> None:
    """Ctrl-C in the middle removes the container and leaves the volume for the next attempt."""
    with pytest.raises(KeyboardInterrupt):
        compiled(Program(raises=KeyboardInterrupt()))
    assert compiled.engine.alive == set()
    assert set(compiled.engine.volumes) == {STEP.cache_volume}
