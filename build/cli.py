"""The command line of the image builder: arguments to options, failures to exit codes. Does none of the work.

``main`` turns failures into a text and a status; ``run`` raises them, which is what tests want.
"""

import argparse
import os
import re
import shlex
import signal
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import FrameType
from typing import NoReturn

from build.console import Console
from build.engine import Engine
from build.errors import BuildError, InputError, InterruptedBuildError, catalogue
from build.execute import Execution
from build.inputs import ROOT, read_inputs
from build.machine import survey
from build.plan import Goal, Options, Plan, make_plan
from build.preflight import expected
from build.variants import VARIANTS, Variant
from build.verifying import verify, verify_step

_GOALS = {
    Goal.DEVEL: "build the image that compiles TensorFlow",
    Goal.WHEEL: "compile TensorFlow in a container of it, with a cache volume; a failed compile resumes",
    Goal.RUNTIME: "build the runtime image, with the compiled wheel where the variant has one",
    Goal.ALL: "all of these and `verify`",
}
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}


def console(root: Path = ROOT) -> NoReturn:
    """The program: runs ``main`` on the process's arguments and exits with its status."""
    interrupts = Interrupts()
    signal.signal(signal.SIGINT, interrupts)
    signal.signal(signal.SIGTERM, interrupts)
    sys.exit(main(sys.argv[1:], root))


class Interrupts:
    """The handler of Ctrl-C and SIGTERM: the first ends the work, the second does not stop the tidying up after it."""

    def __init__(self) -> None:
        self._seen = 0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """A signal came."""
        self._seen += 1
        if self._seen == 2:
            print("The container is being removed; once more leaves it behind.", file=sys.stderr)
            return
        raise KeyboardInterrupt


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    """Run for the source tree ``root``; the exit status. Prints a failure, and what to do next, on standard error."""
    try:
        run(arguments, root)
    except BuildError as error:
        failure: BuildError = error
    except KeyboardInterrupt:
        failure = InterruptedBuildError("Interrupted.", "the same command again: a compile resumes")
    else:
        return 0
    print(f"error: {failure}", file=sys.stderr)
    return failure.exit_code


def run(arguments: Sequence[str], root: Path = ROOT) -> None:
    """Run; raises ``BuildError`` and lets ``KeyboardInterrupt`` pass."""
    if arguments[:1] == ["verify"]:
        verify(arguments[1:], os.environ)
        return
    chosen = parser().parse_args(arguments)
    variant = _variant(chosen.variant)
    goal = Goal(chosen.goal if chosen.command == "plan" else chosen.command)
    plan = make_plan(goal, variant, options(chosen), read_inputs(variant, root))
    if chosen.command == "plan":
        print(rendered(plan))
    else:
        _carry_out(plan, chosen, root)


def parser() -> argparse.ArgumentParser:
    """The arguments."""
    codes = "\n".join(f"  {code:3}  {(error.__doc__ or '').splitlines()[0]}" for code, error in catalogue().items())
    variants = "\n".join(f"  {variant.name:11} {variant.summary}" for variant in VARIANTS.values())
    made = argparse.ArgumentParser(
        prog="python -m build",
        description="Makes the images: compiles TensorFlow where the variant asks for it, builds, and looks into them.",
        epilog=f"variants:\n{variants}\n\nexit codes:\n{codes}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    plan = commands.add_parser("plan", help="print the steps and their exact commands; runs nothing, needs no engine")
    plan.add_argument(
        "goal", nargs="?", choices=[goal.value for goal in Goal], default="all", help="how far (%(default)s)"
    )
    _add_options(plan)
    for goal, what in _GOALS.items():
        command = commands.add_parser(goal.value, help=what)
        _add_options(command)
        command.add_argument("--keep", action="store_true", help="leave the container, to look into it")
        command.add_argument("--force", action="store_true", help="compile although the wheel of these inputs is there")
        command.add_argument("--no-checks", action="store_true", help="go on although a check before the start fails")
    # For the list alone: the rest of its line is taken by `run` as it is.
    commands.add_parser("verify", help="show what a wheel or an image really contains")
    return made


def _add_options(command: argparse.ArgumentParser) -> None:
    default = Options()
    command.add_argument("--variant", required=True, help=f"one of: {', '.join(VARIANTS)}")
    command.add_argument("--name", default=default.name, help="what the images are called (%(default)s)")
    command.add_argument(
        "--tag-prefix",
        type=repository,
        default="",
        metavar="REPOSITORY",
        help="also tag the results as REPOSITORY:latest, latest-gpu, latest-devel, latest-devel-gpu, and by version",
    )
    command.add_argument("--base-image", default="", help="instead of the Dockerfiles' own base")
    command.add_argument(
        "--build-arg", type=argument, action="append", default=[], help="NAME=VALUE for both Dockerfiles; repeatable"
    )
    command.add_argument("--network", default="", help="the network of builds and compiles, for example: host")
    command.add_argument("--output", default=default.output, help="where wheels and logs go (%(default)s)")
    command.add_argument("--jobs", type=positive, help="compilers at once; as many as the memory holds if left out")
    command.add_argument("--memory", type=size, dest="memory_bytes", help="limit of the compile's container: 16g")
    command.add_argument("--no-proof", action="store_true", help="do not try the wheel out, for another machine's CPU")
    command.add_argument("--build-options", default="", help="TF_SERVING_BUILD_OPTIONS: instead of the default configs")
    command.add_argument("--bazel-options", default="", help="TF_SERVING_BAZEL_OPTIONS: more options for Bazel")
    command.add_argument("--tensorflow-version", default="", help="compile this version and not the pinned one")
    command.add_argument("--git-branch", default="", help="TF_SERVING_VERSION_GIT_BRANCH: TensorFlow's, as r2.21")
    command.add_argument("--git-commit", default="", help="TF_SERVING_VERSION_GIT_COMMIT: TensorFlow's")
    command.add_argument("--revision", default="", help="the commit to note in the runtime image's labels")
    command.add_argument("--created", default="", help="a time to note there, as 2026-01-31T12:00:00Z: the commit's")


def options(chosen: argparse.Namespace) -> Options:
    """The parsed arguments as options."""
    return Options(
        name=chosen.name,
        tag_prefix=chosen.tag_prefix,
        tensorflow=chosen.tensorflow_version,
        base_image=chosen.base_image,
        arguments=tuple(sorted(dict(chosen.build_arg).items())),
        network=chosen.network,
        output=chosen.output,
        jobs=chosen.jobs,
        memory_bytes=chosen.memory_bytes,
        prove=not chosen.no_proof,
        build_options=chosen.build_options,
        bazel_options=chosen.bazel_options,
        git_branch=chosen.git_branch,
        git_commit=chosen.git_commit,
        revision=chosen.revision,
        created=chosen.created,
    )


def positive(text: str) -> int:
    """A number of at least one."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"not a number from 1 on: {text}")
    return int(text)


def repository(text: str) -> str:
    """A repository, with or without a registry, without a tag: ``registry.example:5000/a/serving``; "" for none."""
    part = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
    if text and not re.fullmatch(rf"(?:[A-Za-z0-9.-]+(?::\d+)?/)?{part}(?:/{part})*", text):
        raise argparse.ArgumentTypeError(
            f"not the name of a repository, without a tag, such as me/serving: {text[:256]}"
        )
    return text


def argument(text: str) -> tuple[str, str]:
    """The name and the value of ``NAME=VALUE``."""
    name, separator, value = text.partition("=")
    if not separator or not name.isidentifier():
        raise argparse.ArgumentTypeError(f"not NAME=VALUE: {text}")
    return name, value


def size(text: str) -> int:
    """Bytes from ``16g``, ``512m`` or a number."""
    found = re.fullmatch(r"(\d+)([kmg]?)b?", text.lower())
    if not found or not int(found[1]):
        raise argparse.ArgumentTypeError(f"not a size such as 16g or 512m: {text}")
    return int(found[1]) * _UNITS[found[2]]


def rendered(plan: Plan) -> str:
    """A plan to read: what each step is for and the lines that do the same by hand."""
    lines = [f"# {plan.variant.name}: {plan.variant.summary}"]
    if not plan.steps:
        return f"{lines[0]}\n# TensorFlow comes from the package index: there is nothing to compile."
    lines += [f"# {each}" for each in expected(plan)]
    for number, step in enumerate(plan.steps, 1):
        lines += ["", f"# {number}/{len(plan.steps)} {step.summary}", *step.commands()]
    return "\n".join(lines)


def _variant(name: str) -> Variant:
    if name not in VARIANTS:
        known = ", ".join(VARIANTS)
        raise InputError(f"There is no variant {shlex.quote(name[:256])}.", f"--variant with one of: {known}")
    return VARIANTS[name]


def _carry_out(plan: Plan, chosen: argparse.Namespace, root: Path) -> None:
    shown = Console(sys.stdout, time.monotonic)
    if not plan.steps:
        shown.say(rendered(plan))
        return
    with Engine.connect(os.environ) as engine:
        execution = Execution(
            engine=engine,
            machine=survey(engine.info()),
            root=root,
            console=shown,
            verify=partial(verify_step, environment=os.environ),
            keep=chosen.keep,
            force=chosen.force,
        )
        if not chosen.no_checks:
            execution.check(plan)
        execution.run(plan)
