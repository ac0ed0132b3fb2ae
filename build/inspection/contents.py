"""What lies in a wheel or an image: every file with its size, and the few to look into, on disk. Reads archives."""

import re
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path, PurePosixPath
from typing import Any

from build.errors import InputError
from build.wheels import DESCRIPTION

LICENCE = re.compile(r"(?i)(licen[cs]e|copying|copyright|notice|third_party_notices|authors)[^/]*$")
_LIBRARY = re.compile(r"\.so(\.[0-9]+)*$")
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A plain file, or a link, by its path without a leading slash."""

    path: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """Every file, and the directory below which the interesting ones were written."""

    files: tuple[File, ...]
    kept: Path

    def named(self, pattern: str) -> list[Path]:
        """The files on disk whose path below the directory matches a pattern of ``Path.glob``, in order."""
        return sorted(path for path in self.kept.glob(pattern) if path.is_file())

    def library(self) -> Path | None:
        """``libtensorflow_cc``, stripped or not."""
        found = self.named("**/tensorflow/libtensorflow_cc.so.*")
        return found[0] if found else None


def interesting(path: str) -> bool:
    """Whether a file is looked into."""
    parts = PurePosixPath(path).parts
    if parts[:1] in (("proc",), ("sys",), ("dev",)):
        return False
    return (
        bool(_LIBRARY.search(path))
        or path in ("var/lib/dpkg/status", "etc/os-release", "usr/lib/os-release")
        or any(part.endswith(".dist-info") for part in parts)
        or parts[-1:] == (DESCRIPTION,)
    )


def of_wheel(wheel: Path, directory: Path) -> Contents:
    """A wheel's; ``InputError`` when it is none."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            for member in members:
                if interesting(member.filename):
                    archive.extract(member, directory)
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{wheel} cannot be read as a wheel: {error}", "ls -l of it: is it whole?") from error
    return Contents(files=tuple(File(path=m.filename, size=m.file_size) for m in members), kept=directory)


def of_archive(pieces: Iterable[bytes], directory: Path) -> Contents:
    """A whole file system's, given as a tar stream."""
    files = []
    with tarfile.open(fileobj=Stream(pieces), mode="r|") as archive:
        for member in archive:
            path = str(PurePosixPath("/", member.name)).lstrip("/")
            if not member.isdir():
                files.append(File(path=path, size=member.size))
            content = archive.extractfile(member) if member.isfile() and interesting(path) else None
            if content:
                _write(content.read, directory / path)
    return Contents(files=tuple(files), kept=directory)


def _write(read: Callable[[int], bytes], target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as copy:
        while piece := read(_PIECE):
            copy.write(piece)


class Stream(RawIOBase):
    """Pieces of bytes as a file that can be read once; ``tap`` is shown all of them."""

    def __init__(self, pieces: Iterable[bytes], tap: Callable[[bytes], None] = lambda piece: None) -> None:
        self._pieces: Iterator[bytes] = iter(pieces)
        self._tap = tap
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """As much of the next piece as fits."""
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._tap(piece)
            self._rest = memoryview(piece)
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size
