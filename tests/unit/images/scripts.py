"""Scripts of the images, run on this machine with programs in place of those that it lacks. No tests."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.image.containers import ROOT

IMAGES = ROOT / "build" / "images"
DEVEL = IMAGES / "devel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How a script ended and what it printed."""

    status: int
    output: str
    errors: str

    @property
    def words(self) -> list[str]:
        """The lines that it printed."""
        return self.output.splitlines()


def run(
    script: Path, *arguments: str, programs: Path | None = None, environment: Mapping[str, str] | None = None
) -> Done:
    """Run a script with nothing in its environment but what is given; ``programs`` is looked into before the others."""
    places = [str(programs)] if programs else []
    path = os.pathsep.join([*places, str(DEVEL), str(IMAGES), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", str(script), *arguments],
        env={"PATH": path, "HOME": "/nonexistent", "GIT_CONFIG_GLOBAL": os.devnull, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    return Done(status=done.returncode, output=done.stdout, errors=done.stderr)


def write_program(directory: Path, name: str, text: str) -> Path:
    """A program of that name, in bash."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / name
    path.write_text(f"#!/usr/bin/env bash\nset -Eeuo pipefail\n{text}\n")
    path.chmod(0o755)
    return path
