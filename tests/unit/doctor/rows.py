"""What the tests of the checks share: rows by their level, models on disk, and being another user for a while."""

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from serving.configuration.model_config import ModelConfig
from serving.core.version_policy import Latest, VersionPolicy
from serving.doctor.config_files import Named
from serving.doctor.finding import Finding, Level

NOBODY = 65534


def level(findings: Iterable[Finding], wanted: Level) -> list[Finding]:
    """The rows of one level."""
    return [each for each in findings if each.level is wanted]


def only(findings: Iterable[Finding], wanted: Level = Level.FAILS) -> Finding:
    """The one row of this level."""
    found = level(findings, wanted)
    assert len(found) == 1, found
    return found[0]


def model(
    base_path: Path,
    policy: VersionPolicy | None = None,
    labels: Mapping[str, int] | None = None,
    file: Path | None = None,
) -> Named:
    """A configured model called ``m``."""
    return Named(
        model=ModelConfig(name="m", base_path=base_path, policy=policy or Latest(), labels=labels or {}),
        file=file,
        line=7,
    )


def fill(base: Path, *names: str) -> Path:
    """Make these below ``base``: a name that ends in a slash is a directory, any other a file with a byte in it."""
    base.mkdir(parents=True, exist_ok=True)
    for name in names:
        path = base / name
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.write_bytes(b"x")
    return base


@contextmanager
def somebody(directory_mode: int = 0o755) -> Iterator[Path]:
    """A directory that everybody can enter, and no rights beyond those of a user for the time of the block."""
    root = os.geteuid() == 0
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(directory_mode)
        if root:
            os.seteuid(NOBODY)
        try:
            yield directory
        finally:
            if root:
                os.seteuid(0)
            for each in [directory, *directory.rglob("*")]:
                each.chmod(0o700)
