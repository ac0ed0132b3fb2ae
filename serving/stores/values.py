"""What a store holds, as values, and what every kind of store does; nothing is fetched here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from serving.errors import Code, ServingError

_FINGERPRINT_DIGITS = 16

OnBytes = Callable[[int], None]
"""Told of the bytes that came, as they come; it raises ``StoppedError`` when nobody wants them any more."""


class StoreError(ServingError):
    """A store that did not give what was wanted. The text says what happened, and is for whoever runs the server."""

    def __init__(self, text: str, code: Code = Code.UNAVAILABLE) -> None:
        super().__init__(code, text)


class StoppedError(Exception):
    """The server ends, or the model is not configured any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checksum:
    """What the bytes of a file come to: ``kind`` is ``md5`` or ``crc32c``."""

    kind: str
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """A file in a store: ``path`` below its bundle, ``key`` as the store calls it, ``size`` in bytes, -1 if unknown.

    ``token`` changes when the content does (an ETag, say); ``modified`` is Unix time in seconds, 0 if unknown.
    """

    path: str
    key: str
    size: int
    token: str = ""
    checksum: Checksum | None = None
    modified: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """What is fetched as one: a version, or with ``version`` None an archive that has versions in it."""

    version: int | None
    files: tuple[RemoteFile, ...]

    @property
    def size(self) -> int:
        """In bytes, as far as the store says."""
        return sum(max(file.size, 0) for file in self.files)

    @property
    def modified(self) -> float:
        """When the youngest file changed, by the store's clock; Unix time, 0 if unknown."""
        return max((file.modified for file in self.files), default=0.0)

    @property
    def fingerprint(self) -> str:
        """The same for the same content: of the names, sizes and tokens of the files."""
        lines = sorted(f"{file.path}\0{file.size}\0{file.token}" for file in self.files)
        return sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()[:_FINGERPRINT_DIGITS]

    @property
    def folder(self) -> str:
        """What its directory in the cache is called."""
        return f"{'archive' if self.version is None else self.version}-{self.fingerprint}"

    @property
    def named(self) -> str:
        """For a sentence."""
        return "the archive" if self.version is None else f"version {self.version}"


class Store(Protocol):
    """One base path in a store. Every method blocks, for a bounded time, and raises StoreError.

    ``there`` is what the last look at versions has seen, versions or not, by name.
    """

    there: Sequence[str]

    def versions(self) -> Mapping[int, str] | None:
        """The names of version directories by their numbers; None of a store that has one archive.

        NOT_FOUND if there is nothing at all below the base path.
        """
        ...

    def bundle(self, version: int | None, name: str) -> Bundle:
        """The files of one version directory, or of the archive."""
        ...

    def read(self, file: RemoteFile, to: Path, on_bytes: OnBytes) -> None:
        """Fetch a file; what is in ``to`` already is the beginning of the same file."""
        ...

    def vouches(self, file: RemoteFile) -> bool:
        """Whether the file's checksum is one of its bytes; asked when theirs is another."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetching:
    """What is being fetched for a model: ``done`` of ``size`` bytes; a size of 0 is not known."""

    what: str
    done: int
    size: int

    @property
    def shown(self) -> str:
        """For a sentence, such as ``version 3: 45 % of 97.5 MB``."""
        if not self.size:
            return f"{self.what}: {megabytes(self.done)}"
        return f"{self.what}: {100 * min(self.done, self.size) // self.size} % of {megabytes(self.size)}"


def megabytes(count: float) -> str:
    """A number of bytes for a sentence."""
    return f"{count / 1e6:.1f} MB"
