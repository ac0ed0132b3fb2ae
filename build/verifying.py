"""The way to build/verify.py from the command line and from a plan: a broken promise becomes a failure of the tool."""

import shlex
from collections.abc import Mapping, Sequence

from build.errors import VerifyError
from build.steps import VerifyImage
from build.verify import main


def verify(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """``python -m build verify ARGUMENTS``; ``VerifyError`` when a promise is broken."""
    status = main(arguments, environment)
    if status:
        raise VerifyError(f"verify {shlex.join(arguments)}: status {status}.", "read the report above")


def verify_step(step: VerifyImage, environment: Mapping[str, str]) -> None:
    """The last step of a plan."""
    base = ["--base", step.base_image] if step.base_image else []
    verify(["--image", step.image, *base], environment)
