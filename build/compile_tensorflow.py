"""The compile in a driven container: followed, bounded, explained when it fails, and its wheel copied out.

What is compiled is the script's business. What the script leaves in the cache volume is there for the next attempt.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from build import wheels
from build.console import Console, Log
from build.container import Containers, DrivenContainer
from build.engine import ContainerSpec, Ended
from build.errors import BuildError, CacheInUseError, CompileError, OutOfMemoryError
from build.progress import Progress, duration
from build.steps import CACHE, CACHE_LABEL, LABEL, WHEELS, CompileWheel

# 128 and SIGKILL.
KILLED = 137

# What Bazel, clang and gcc print when one of theirs was killed; their own status is then an ordinary one.
_KILLED_TEXT = re.compile(
    r"Server terminated abruptly|unable to execute command: Killed|[Ii]nternal compiler error: Killed"
    r"|fatal error: Killed signal|Killed signal terminated program|\(Killed\)|OutOfMemoryError"
)


class CompileEngine(Containers, Protocol):
    """What a compile needs of an engine."""

    def make_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """Make a named volume, if it is not there."""

    def containers(self, label: str, *, running: bool) -> tuple[str, ...]:
        """The containers with a label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """What a container printed: its last lines, whether something in it was killed, and the longest action."""

    tail: tuple[str, ...]
    killed: bool
    longest: str


def compile_wheel(
    engine: CompileEngine, step: CompileWheel, *, jobs: int, root: Path, console: Console, keep: bool = False
) -> Path:
    """Compile and copy out; the wheel below ``root``. A ``BuildError`` says what went wrong and what to try."""
    running = engine.containers(f"{CACHE_LABEL}={step.cache_volume}", running=True)
    if running:
        raise CacheInUseError(
            f"Container {running[0]} compiles with the cache volume {step.cache_volume} already.",
            f"follow it: docker logs --follow {running[0]}; or end it: docker rm --force {running[0]}",
        )
    engine.make_volume(step.cache_volume, {LABEL: "cache"})
    log = root / step.log
    output = root / step.output
    console.say(f"{jobs} jobs at once; the whole output: {log}")
    with DrivenContainer(engine, _spec(step, jobs), keep=keep, say=console.say) as container:
        followed = follow(container.lines(), log, console)
        ended = container.wait()
        if ended.status:
            raise failure(step, ended, followed, jobs, log)
        with wheels.replaced(output) as partial:
            container.copy_out(WHEELS, partial)
            wheel = wheels.check(partial, tensorflow=step.tensorflow, cpu_target=step.cpu_target, log=log)
    console.say(f"longest action: {followed.longest}" if followed.longest else "no action took a second")
    return output / wheel.name


def _spec(step: CompileWheel, jobs: int) -> ContainerSpec:
    return ContainerSpec(
        image=step.image,
        command=step.command,
        environment={**dict(step.environment), "JOBS": str(jobs)},
        labels=dict(step.labels),
        volumes={step.cache_volume: CACHE},
        memory_bytes=step.memory_bytes,
        network=step.network,
    )


def follow(lines: Iterable[str], path: Path, console: Console) -> Followed:
    """Write every line to the log and show Bazel's reports as one line, until there are no more."""
    progress = Progress(console.now())
    killed = False
    with Log(path) as log:
        for line in lines:
            log.write(line)
            killed = killed or bool(_KILLED_TEXT.search(line))
            if progress.feed(line, console.now()):
                console.show(progress.text)
    console.show_now(progress.text(console.now()))
    console.end_line()
    action, seconds = progress.slowest
    longest = f"{action}, {duration(seconds)}" if action else ""
    return Followed(tail=log.tail(), killed=killed, longest=longest)


def failure(step: CompileWheel, ended: Ended, followed: Followed, jobs: int, log: Path) -> BuildError:
    """Why the script failed, as far as its end tells."""
    tail = "".join(f"\n  | {line}" for line in followed.tail)
    shown = f"{tail}\nThe whole output: {log}"
    if not (ended.out_of_memory or ended.status == KILLED or followed.killed):
        return CompileError(
            f"The compile ended with status {ended.status}. Its last lines:{shown}",
            "mend what they say, then the same command again: what is compiled stays in the volume "
            f"{step.cache_volume}. --keep leaves the container to look into",
        )
    limit = f" of {step.memory_bytes / 1e9:.1f} GB" if step.memory_bytes else ""
    how = "the kernel counted a kill for want of memory" if ended.out_of_memory else "something in it was killed"
    more = "a higher --memory" if step.memory_bytes else "an engine with more memory"
    remedy = f"--jobs {jobs // 2} or {more}" if jobs > 1 else more
    return OutOfMemoryError(
        f"The compile ran out of memory{limit} with {jobs} jobs: status {ended.status}, and {how}. "
        f"Status {KILLED} is SIGKILL. Its last lines:{shown}",
        f"the same command again with {remedy}; it resumes where it stopped",
    )
