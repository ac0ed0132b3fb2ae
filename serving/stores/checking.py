"""Whether a file that was fetched is the one in the store: its size, and its checksum where the store gives one."""

import hashlib
import os
from pathlib import Path

import google_crc32c

from serving.stores.values import Checksum, RemoteFile

_BLOCK_BYTES = 1 << 20


def wrong(path: Path, file: RemoteFile) -> str:
    """What is wrong with a fetched file, in a few words; nothing if it is whole."""
    size = path.stat().st_size
    if file.size >= 0 and size != file.size:
        return f"it has {size} bytes here and {file.size} in the store"
    if file.checksum is not None and digest(path, file.checksum.kind) != file.checksum.digest:
        return f"its {file.checksum.kind.upper()} is not that of the store"
    return ""


def digest(path: Path, kind: str) -> bytes:
    """``md5`` or ``crc32c`` of a file's bytes; that of CRC32C is big-endian, as Google's storage has it."""
    with path.open("rb") as opened:
        if kind == "md5":
            found = hashlib.md5(usedforsecurity=False)
            while block := opened.read(_BLOCK_BYTES):
                found.update(block)
            return found.digest()
        checksum = google_crc32c.Checksum()
        while block := opened.read(_BLOCK_BYTES):
            checksum.update(block)
        return bytes(checksum.digest())


def of_hex(text: str) -> Checksum | None:
    """MD5 of an ETag, unless the ETag is another thing, as that of an upload in parts is."""
    try:
        found = bytes.fromhex(text.strip('"'))
    except ValueError:
        return None
    return Checksum(kind="md5", digest=found) if len(found) == hashlib.md5(usedforsecurity=False).digest_size else None


def write_through(path: Path) -> None:
    """Have the system put a file or directory on the disk: what is published has to be whole after a power cut too."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
