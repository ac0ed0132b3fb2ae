"""The kinds of step, as frozen values that print the ``docker`` lines which do the same. Pure; does nothing itself."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

Pairs = tuple[tuple[str, str], ...]
"""Names and values, sorted by name."""

CACHE = "/cache"
"""Where the compile keeps what makes it resume: the named volume is mounted here."""
WHEELS = "/wheels"
"""Where the compile leaves the wheel and build.json, and where the runtime image takes them from."""
COMPILE = "/usr/local/bin/compile-tensorflow.sh"
"""The script in the devel image; its environment and exit status are its whole interface."""
TOOLCHAIN_STAGE = "source"
"""The stage of Dockerfile.devel that has everything but the wheel."""

LABEL = "serving.build"
"""On every container, volume and image that is made here; its value is the kind."""
CACHE_LABEL = "serving.build.cache"
"""On a compile's container: the volume that it has."""


_NEXT_LINE = " \\\n    "


def _line(words: Sequence[str], *rest: str) -> str:
    # Quoted for the shell; each option begins a line of the screen, as does the rest, and the whole can be copied.
    options = "".join(f"{_gap(word)}{shlex.quote(word)}" for word in words).lstrip()
    return f"{options}{_NEXT_LINE}{shlex.join(rest)}"


def _gap(word: str) -> str:
    return _NEXT_LINE if word.startswith("--") else " "


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildImage:
    """``docker build``: ``images`` are all the names that the result gets, the one with the digest first."""

    summary: str
    images: tuple[str, ...]
    dockerfile: str
    context: str = "."
    target: str = ""
    arguments: Pairs = ()
    labels: Pairs = ()
    network: str = ""
    log: str

    def commands(self) -> tuple[str, ...]:
        """The line that does the same."""
        words = ["docker", "build", "--file", self.dockerfile]
        words += ["--target", self.target] if self.target else []
        words += ["--network", self.network] if self.network else []
        words += [word for name, value in self.arguments for word in ("--build-arg", f"{name}={value}")]
        words += [word for name, value in self.labels for word in ("--label", f"{name}={value}")]
        words += [word for image in self.images for word in ("--tag", image)]
        return (_line(words, self.context),)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompileWheel:
    """The compile script in a container of its own, with the cache volume; the wheel is copied out to ``output``."""

    summary: str
    image: str
    command: tuple[str, ...] = (COMPILE,)
    cache_volume: str
    environment: Pairs
    labels: Pairs
    jobs: int | None = None
    memory_bytes: int | None = None
    network: str = ""
    output: str
    log: str
    tensorflow: str
    cpu_target: str

    def commands(self) -> tuple[str, ...]:
        """The lines that do the same."""
        kind = f"{LABEL}=cache"
        words = ["docker", "create", "--init", "--volume", f"{self.cache_volume}:{CACHE}"]
        words += ["--network", self.network] if self.network else []
        words += ["--memory", str(self.memory_bytes)] if self.memory_bytes else []
        words += [word for name, value in self.labels for word in ("--label", f"{name}={value}")]
        words += [word for name, value in self.environment for word in ("--env", f"{name}={value}")]
        words += ["--env", f"JOBS={self.jobs}"] if self.jobs else []
        quoted = shlex.quote
        return (
            shlex.join(["docker", "volume", "create", "--label", kind, self.cache_volume]),
            f"container=$({_line(words, self.image, *self.command)})",
            shlex.join(["mkdir", "-p", self.output, self.log.rpartition("/")[0]]),
            f'docker start --attach "$container" 2>&1 | tee {quoted(self.log)}',
            f'docker cp "$container":{WHEELS}/. {quoted(self.output)}',
            'docker rm --force --volumes "$container"',
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyImage:
    """Look at what the runtime image really contains."""

    summary: str
    image: str
    base_image: str = ""

    def commands(self) -> tuple[str, ...]:
        """The line that does the same; this step is the tool's own."""
        base = ["--base", self.base_image] if self.base_image else []
        return (shlex.join(["python", "-m", "build", "verify", "--image", self.image, *base]),)


Step = BuildImage | CompileWheel | VerifyImage
