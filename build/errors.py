"""Everything that can end a build, one exit code each. This file alone gives out the codes.

A message says what happened and what was found; ``next_step`` is the command or the change to try next.
"""

from typing import ClassVar


class BuildError(Exception):
    """A failure that the user can act upon."""

    exit_code: ClassVar[int]

    def __init__(self, what: str, next_step: str) -> None:
        super().__init__(what)
        self.what = what
        self.next_step = next_step

    def __str__(self) -> str:
        return f"{self.what}\nnext: {self.next_step}"


class EngineUnavailableError(BuildError):
    """No Docker engine answers."""

    exit_code = 10


class EngineTooOldError(BuildError):
    """The engine lacks what the steps need."""

    exit_code = 11


class DiskSpaceError(BuildError):
    """The engine's disk is too full for what was asked."""

    exit_code = 12


class MemoryTooSmallError(BuildError):
    """Not even one compiler fits into the memory, or fewer than were asked for."""

    exit_code = 13


class CpuLacksFeaturesError(BuildError):
    """This CPU cannot run what the variant compiles, so the wheel could not be tried out."""

    exit_code = 14


class WrongArchitectureError(BuildError):
    """The variant is for another kind of CPU than the engine's."""

    exit_code = 15


class ImageBuildError(BuildError):
    """A step of a Dockerfile failed."""

    exit_code = 16


class CompileError(BuildError):
    """The compile script ended with a failure of its own."""

    exit_code = 17


class OutOfMemoryError(BuildError):
    """The kernel killed the compile, or a compiler in it, for want of memory."""

    exit_code = 18


class WheelMissingError(BuildError):
    """A wheel is needed and not there: not compiled yet, or the compile left none."""

    exit_code = 19


class WheelWrongError(BuildError):
    """What the compile left is not what was asked for."""

    exit_code = 20


class CacheInUseError(BuildError):
    """Another compile has the cache volume; two at once would spoil it."""

    exit_code = 21


class EngineLostError(BuildError):
    """The engine stopped answering, or refused, in the middle of a step."""

    exit_code = 22


class VerifyError(BuildError):
    """An image or wheel does not hold what it promises."""

    exit_code = 23


class ReleaseTooOldError(BuildError):
    """The options of this build do not hold for a release of TensorFlow that old."""

    exit_code = 24


class InputError(BuildError):
    """A file or value that the plan needs is missing or makes no sense. The code that argparse uses, too."""

    exit_code = 2


class InterruptedBuildError(BuildError):
    """Ctrl-C or SIGTERM: 128 and the number of SIGINT, as a shell reports it."""

    exit_code = 130


def catalogue() -> dict[int, type[BuildError]]:
    """Every exit code with its error, in order. 0 is success, 1 a defect of the tool itself."""
    found: dict[int, type[BuildError]] = {}
    for error in BuildError.__subclasses__():
        if error.exit_code in found:
            raise ValueError(f"{error.__name__} and {found[error.exit_code].__name__} share {error.exit_code}")
        found[error.exit_code] = error
    return dict(sorted(found.items()))
