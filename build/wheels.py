"""A compiled wheel and its build.json on disk: are they what was asked for? And how they get into place whole."""

import json
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from build.errors import WheelMissingError, WheelWrongError

DESCRIPTION = "build.json"
"""What the compile says of itself, beside a wheel or in an image: ``tensorflow`` (the version), ``cpu_target``,
``cpu_features`` (a list) and what else was noted.
"""


def is_there(directory: Path) -> bool:
    """Whether a whole wheel lies there; a directory gets its name only when everything is in it."""
    return (directory / DESCRIPTION).is_file()


@contextmanager
def replaced(directory: Path) -> Iterator[Path]:
    """An empty directory beside ``directory`` that takes its place when the block ends well, and goes otherwise."""
    partial = directory.with_name(f"{directory.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        shutil.rmtree(directory, ignore_errors=True)
        partial.rename(directory)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def check(directory: Path, *, tensorflow: str, cpu_target: str, log: Path) -> Path:
    """The wheel in a directory, which must be one, whole, of this version and for this CPU."""
    wheels = sorted(directory.glob("*.whl"))
    if len(wheels) != 1 or not is_there(directory):
        found = ", ".join(sorted(path.name for path in directory.iterdir())) or "nothing"
        raise WheelMissingError(
            f"The compile said that it succeeded and left: {found}. Expected one wheel and {DESCRIPTION}.",
            f"read its output: less {log}",
        )
    if not zipfile.is_zipfile(wheels[0]):
        raise WheelWrongError(f"{wheels[0].name} is not a whole wheel.", "df -h . ; then the same command again")
    _check_description(directory / DESCRIPTION, {"tensorflow": tensorflow, "cpu_target": cpu_target}, log)
    return wheels[0]


def _check_description(path: Path, wanted: dict[str, str], log: Path) -> None:
    try:
        described = json.loads(path.read_text())
    except ValueError as error:
        raise WheelWrongError(f"{path.name} is not JSON: {error}", f"read the output: less {log}") from error
    found = {name: described.get(name) if isinstance(described, dict) else None for name in [*wanted, "cpu_features"]}
    features = found.pop("cpu_features")
    if found != wanted or not isinstance(features, list):
        raise WheelWrongError(
            f"{path.name} says {json.dumps(found)} with cpu_features {json.dumps(features)}; "
            f"expected {json.dumps(wanted)} and a list of features.",
            f"read the output: less {log}",
        )
