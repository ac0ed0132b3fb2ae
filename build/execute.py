"""A plan carried out: a loop over its steps. Says what it does, and stops at the first failure."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, assert_never

from build import preflight, wheels
from build.compile_tensorflow import CompileEngine, compile_wheel
from build.console import Console, Log
from build.errors import ImageBuildError, WheelMissingError
from build.machine import Machine
from build.plan import Plan
from build.progress import duration
from build.steps import BuildImage, CompileWheel, Step, VerifyImage

STEP_COLUMNS = 100
"""Of a Dockerfile's step as it is shown; the log has the whole."""


class BuildEngine(CompileEngine, Protocol):
    """What carrying out a plan needs of an engine."""

    def build(self, step: BuildImage, root: str) -> Iterator[str]:
        """Build an image; what the engine prints."""


Verifier = Callable[[VerifyImage], None]
"""Looks into an image and says what is there; raises ``VerifyError`` when it does not hold what it promises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """What carries out a plan. ``force`` compiles although the wheel of these inputs is there."""

    engine: BuildEngine
    machine: Machine
    root: Path
    console: Console
    verify: Verifier
    keep: bool = False
    force: bool = False

    def check(self, plan: Plan) -> None:
        """Say all that stands in the way, and raise the first of it."""
        found = preflight.problems(self.machine, plan)
        for problem in found[1:]:
            self.console.say(f"error: {problem}")
        if found:
            raise found[0]
        if self.machine.free_disk_bytes is None:
            self.console.say("The engine's disk cannot be seen from here; whether it has room was not checked.")

    def run(self, plan: Plan) -> None:
        """Do every step."""
        for number, step in enumerate(plan.steps, 1):
            began = self.console.now()
            self.console.say(f"[{number}/{len(plan.steps)}] {step.summary}")
            self._do(plan, step)
            self.console.say(f"      {result(step)}, in {duration(self.console.now() - began)}")

    def _do(self, plan: Plan, step: Step) -> None:
        match step:
            case BuildImage():
                self._build(plan, step)
            case CompileWheel():
                self._compile(step)
            case VerifyImage():
                self.verify(step)
            case _:
                assert_never(step)

    def _compile(self, step: CompileWheel) -> None:
        if wheels.is_there(self.root / step.output) and not self.force:
            self.console.say("      these inputs have been compiled already; --force does it again")
            return
        jobs = preflight.jobs(self.machine, step)
        compile_wheel(self.engine, step, jobs=jobs, root=self.root, console=self.console, keep=self.keep)

    def _build(self, plan: Plan, step: BuildImage) -> None:
        if not (self.root / step.context).is_dir():
            raise WheelMissingError(
                f"There is no {step.context}: the wheel of these inputs has not been compiled.",
                f"python -m build wheel --variant {plan.variant.name}",
            )
        path = self.root / step.log
        with Log(path) as log:
            try:
                self._show(self.engine.build(step, str(self.root)), log)
            except ImageBuildError as error:
                tail = "".join(f"\n  | {line}" for line in log.tail())
                raise ImageBuildError(
                    f"{step.dockerfile}: {error.what.rstrip('.')}. Its last lines:{tail}\nThe whole output: {path}",
                    "mend what they say, then the same command again: the steps before it are in the engine's cache",
                ) from error
            finally:
                self.console.end_line()

    def _show(self, lines: Iterable[str], log: Log) -> None:
        for line in lines:
            log.write(line)
            if line.startswith("Step "):
                self.console.show_now(f"      {' '.join(line.split())[:STEP_COLUMNS]}")


def result(step: Step) -> str:
    """What a step leaves."""
    match step:
        case BuildImage():
            return ", ".join(step.images)
        case CompileWheel():
            return step.output
        case VerifyImage():
            return f"{step.image} looked at"
        case _:
            assert_never(step)
