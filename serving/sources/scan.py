"""One look at a model's base path: which numeric directories it has and, when it has none, what is there instead."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from serving.core import version_files
from serving.core.version_policy import Specific, VersionPolicy, choose, missing
from serving.errors import first_few

_NUMBER = re.compile(r"[ \t\n\v\f\r]*[+-]?[0-9]+[ \t\n\v\f\r]*")
_MIN, _MAX = -(2**63), 2**63 - 1
_SIMILAR_NAMES = 5
_EXPECTED = "expected a numeric version directory such as 1/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What a base path holds.

    ``versions`` are those that the policy chose, by their actual paths; None when the base path cannot be read, so that
    nothing is known of its versions. ``notice`` says in one sentence why there are none. ``absent`` are versions that
    the policy names and that are not there; ``duplicates`` are (version, name taken, name ignored).
    """

    versions: Mapping[int, Path] | None
    notice: str | None = None
    absent: tuple[int, ...] = ()
    duplicates: tuple[tuple[int, str, str], ...] = field(default=())


def scan(base_path: Path, policy: VersionPolicy) -> Scan:
    """Look for the versions that ``policy`` wants. Directories are not looked into, nor told from files by number.

    Never raises for what is or is not in the file system; see docs/models.md, "Version directories".
    """
    named = _named(base_path, policy)
    if named is not None:
        return Scan(versions=named)
    try:
        names = sorted(child.name for child in base_path.iterdir())
    except OSError as error:
        return Scan(versions=None, notice=_unreadable(base_path, error))
    found, duplicates = _by_version(names)
    versions = {version: base_path / found[version] for version in choose(policy, found)}
    return Scan(
        versions=versions,
        notice=None if versions else _nothing(names, found, policy),
        absent=missing(policy, found),
        duplicates=duplicates,
    )


def version_number(name: str) -> int | None:
    """The version that a directory's name stands for: a whole decimal int64, else None. ``007`` is 7."""
    if not _NUMBER.fullmatch(name):
        return None
    number = int(name)
    return number if _MIN <= number <= _MAX else None


def _named(base_path: Path, policy: VersionPolicy) -> dict[int, Path] | None:
    """The versions that the policy names, when each is there under its plain number; spares listing the directory."""
    if not isinstance(policy, Specific) or not policy.versions:
        return None
    paths = {version: base_path / str(version) for version in policy.versions}
    return paths if all(os.path.lexists(path) for path in paths.values()) else None


def _by_version(names: Iterable[str]) -> tuple[dict[int, str], tuple[tuple[int, str, str], ...]]:
    found: dict[int, str] = {}
    duplicates: list[tuple[int, str, str]] = []
    for name in names:
        version = version_number(name)
        if version is None:
            continue
        if version in found:
            duplicates.append((version, name, found[version]))
        found[version] = name
    return found, tuple(duplicates)


def _nothing(names: Sequence[str], found: Iterable[int], policy: VersionPolicy) -> str:
    for model in (*version_files.SAVED_MODELS, version_files.KERAS_MODEL):
        if model in names:
            return f"found {model} in the base path itself; {_EXPECTED}"
    versions = [str(version) for version in sorted(found, reverse=True)]
    if versions and isinstance(policy, Specific):
        wanted = first_few([str(version) for version in sorted(policy.versions)])
        return f"found {first_few(versions)}; the version policy asks for {wanted or 'no version'}"
    if names:
        return f"found {first_few(names)}; {_EXPECTED}"
    return f"the directory is empty; {_EXPECTED}"


def _unreadable(base_path: Path, error: OSError) -> str:
    if isinstance(error, NotADirectoryError) and os.path.lexists(base_path):
        return "it is a file; expected a directory with numeric version directories such as 1/"
    if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return f"it cannot be read ({error.strerror})"
    parent = next(each for each in base_path.parents if os.path.lexists(each))
    return f"it does not exist; the nearest existing path above is {parent}, which {_holds(parent, base_path)}"


def _holds(parent: Path, base_path: Path) -> str:
    """What there is in ``parent`` that may have been meant, the most similar names first."""
    try:
        names = sorted(entry.name for entry in os.scandir(parent) if entry.is_dir())
    except NotADirectoryError:
        return "is not a directory"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    similar = get_close_matches(base_path.relative_to(parent).parts[0], names, n=_SIMILAR_NAMES)
    return (
        f"has {first_few(similar + [name for name in names if name not in similar])}" if names else "has no directories"
    )
