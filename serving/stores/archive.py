"""Unpacking an archive that somebody else made: nothing gets out of its directory, and nothing grows without bound."""

import re
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from serving.core import version_files
from serving.errors import Code
from serving.stores.values import StoppedError, StoreError, megabytes

_MOST_FILES = 100_000
_GROWTH = 100
"""An archive may unpack to so many times its size; trained weights hardly shrink, and zeros shrink by a thousand."""
_LEAST_BOUND_BYTES = 1 << 30
_BLOCK_BYTES = 1 << 20
_DEPTH = 4
_NUMBER = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Member:
    """A file or, without ``opened``, a directory of an archive."""

    name: str
    opened: Callable[[], IO[bytes] | None] | None


def unpack(archive: Path, name: str, to: Path, room: int, stopped: Callable[[], bool]) -> None:
    """Write what is in an archive called ``name`` below ``to``. StoreError for what may not be in one.

    ``room`` is what the disk may take of it, in bytes.
    """
    bound = min(max(_LEAST_BOUND_BYTES, _GROWTH * archive.stat().st_size), room)
    left = bound
    try:
        for count, member in enumerate(_members(archive, name)):
            if count >= _MOST_FILES:
                raise _refused(f"has more than {_MOST_FILES} files")
            path = to / _inside(member.name)
            if member.opened is None:
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            opened = member.opened()
            if opened is not None:
                left -= _copy(opened, path, left, bound, stopped)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, ValueError, NotImplementedError) as error:
        raise _refused(f"cannot be read: {error}") from error
    except OSError as error:
        raise _refused(f"cannot be unpacked: {error.strerror or error}") from error


def _copy(opened: IO[bytes], path: Path, left: int, bound: int, stopped: Callable[[], bool]) -> int:
    copied = 0
    with opened, path.open("wb") as out:
        while block := opened.read(_BLOCK_BYTES):
            if stopped():
                raise StoppedError
            copied += len(block)
            if copied > left:
                raise _refused(f"unpacks to more than {megabytes(bound)}")
            out.write(block)
    return copied


def _members(archive: Path, name: str) -> Iterator[_Member]:
    if name.endswith(".zip"):
        with zipfile.ZipFile(archive) as zipped:
            for info in zipped.infolist():
                kind = info.external_attr >> 28  # what is above the permissions in a Unix mode
                if kind not in (0, 0o10, 0o4):
                    raise _refused(f"has {info.filename!r}, which is neither a file nor a directory")
                yield _Member(
                    name=info.filename,
                    opened=None if info.is_dir() else lambda info=info: zipped.open(info),  # type: ignore[misc]
                )
        return
    with tarfile.open(archive, "r|*") as tarred:  # as a stream: it is read once, from front to back
        for entry in tarred:
            if not (entry.isfile() or entry.isdir()):
                raise _refused(f"has {entry.name!r}, which is neither a file nor a directory")
            yield _Member(
                name=entry.name,
                opened=None if entry.isdir() else lambda entry=entry: tarred.extractfile(entry),  # type: ignore[misc]
            )


def _inside(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name or "\\" in name:
        raise _refused(f"has {name!r}, which leads out of it")
    return path


def _refused(what: str) -> StoreError:
    return StoreError(f"the archive {what}", Code.FAILED_PRECONDITION)


def arranged(unpacked: Path) -> Path:
    """The directory below ``unpacked`` that has version directories, made so if it is the model itself: version 1.

    Directories that hold nothing but one other are gone through, as that of ``tar czf m.tar.gz m``. StoreError where
    there is neither.
    """
    here = unpacked
    for _ in range(_DEPTH):
        children = sorted(each for each in here.iterdir() if not each.name.startswith("."))
        if any(each.name in version_files.MODELS for each in children):
            return _as_version_1(here, unpacked)
        directories = [each for each in children if each.is_dir()]
        if any(_NUMBER.fullmatch(each.name) for each in directories):
            return here
        if len(directories) != 1:
            break
        here = directories[0]
    names = ", ".join(sorted(each.name for each in unpacked.iterdir())[:5]) or "nothing"
    raise _refused(
        f"has {names} in it; expected version directories such as 1/, or the files of one version such as "
        f"{version_files.SAVED_MODEL}"
    )


def _as_version_1(model: Path, unpacked: Path) -> Path:
    aside = unpacked.parent / "model"
    if model == unpacked:
        unpacked.rename(aside)
        unpacked.mkdir()
    else:
        model.rename(aside)
        shutil.rmtree(unpacked)
        unpacked.mkdir()
    aside.rename(unpacked / "1")
    return unpacked
