"""A store in memory that behaves as stores do, the bad ones too: down, cut, changed meanwhile, wrong bytes."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from serving.stores.values import Bundle, Checksum, OnBytes, RemoteFile, StoreError

Files = Mapping[str, bytes]


def model(text: str) -> Files:
    """The files of a version with this text in it."""
    return {"saved_model.pb": text.encode(), "variables/variables.index": b"index"}


@dataclass
class FakeStore:
    """``content`` is what it holds: files by version, or the bytes of an archive. ``down`` is raised by every call."""

    content: dict[int, Files] = field(default_factory=dict)
    archive: bytes | None = None
    down: StoreError | None = None
    wrong_bytes: bool = False
    cut_after: int | None = None
    vouching: bool = True
    on_read: Callable[[RemoteFile], None] = lambda file: None
    modified: float = 0.0
    reads: list[str] = field(default_factory=list)
    bytes_read: int = 0
    there: Sequence[str] = ()

    def versions(self) -> Mapping[int, str] | None:
        self._answer()
        if self.archive is not None:
            return None
        return {version: str(version) for version in self.content}

    def bundle(self, version: int | None, name: str) -> Bundle:
        self._answer()
        if version is None:
            assert self.archive is not None
            return Bundle(version=None, files=(self._file("m.tar.gz", self.archive),))
        return Bundle(version=version, files=tuple(self._file(*each) for each in self.content[version].items()))

    def read(self, file: RemoteFile, to: Path, on_bytes: OnBytes) -> None:
        self._answer()
        self.reads.append(file.path)
        self.on_read(file)
        self._answer()
        data = self._data(file)
        with to.open("ab") as out:
            rest = data[out.tell() :]
            if self.cut_after is not None:
                out.write(rest[: self.cut_after])
                self.bytes_read += len(rest[: self.cut_after])
                raise StoreError("it was cut")
            out.write(b"x" * len(rest) if self.wrong_bytes else rest)
        self.bytes_read += len(rest)
        on_bytes(len(rest))

    def vouches(self, file: RemoteFile) -> bool:
        return self.vouching

    def _data(self, file: RemoteFile) -> bytes:
        for files in self.content.values():
            if file.path in files and hashlib.md5(files[file.path]).hexdigest() == file.token:
                return files[file.path]
        if self.archive is not None:
            return self.archive
        raise StoreError(f"{file.path} is gone")

    def _file(self, path: str, data: bytes) -> RemoteFile:
        digest = hashlib.md5(data)
        return RemoteFile(
            path=path,
            key=path,
            size=len(data),
            token=digest.hexdigest(),
            checksum=Checksum(kind="md5", digest=digest.digest()),
            modified=self.modified,
        )

    def _answer(self) -> None:
        if self.down is not None:
            raise self.down
