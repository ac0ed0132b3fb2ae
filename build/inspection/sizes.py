"""How large a wheel or an image is, unpacked and packed, and by part. An image is measured without its base image."""

import hashlib
import tarfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO

from build.inspection.contents import File, Stream

GZIP = 16 + zlib.MAX_WBITS
"""zlib's word for the format of gzip."""
_GZIP_MAGIC = b"\x1f\x8b"
_PIECE = 1 << 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part by its name, and its bytes unpacked."""

    name: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """In bytes; the parts are all there are, the largest first. ``base`` names the image that is not counted."""

    unpacked: int
    packed: int
    parts: tuple[Part, ...]
    base: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A layer of a saved image: its digest unpacked, as the image's configuration lists it, and its gzip's size."""

    digest: str
    packed: int
    files: tuple[File, ...]


def part(path: str) -> str:
    """The part that a file belongs to: a Python package; for TensorFlow what is in it; else two directories."""
    parts = PurePosixPath(path).parts
    if "site-packages" in parts:
        parts = parts[parts.index("site-packages") + 1 :]
        return "/".join(parts[:2] if parts[0] == "tensorflow" else parts[:1])
    return "/".join(parts[:2] if len(parts) > 2 or parts[0] == "tensorflow" else parts[:1])


def parts(files: Iterable[File]) -> tuple[Part, ...]:
    """The sizes by part, the largest first."""
    sizes: Counter[str] = Counter()
    for file in files:
        sizes[part(file.path)] += file.size
    return tuple(Part(name=name, size=size) for name, size in sizes.most_common())


def of_layers(layers: Iterable[Layer], base: Set[str], base_name: str) -> Sizes:
    """An image's, without the layers whose digests are the base image's."""
    above = [layer for layer in layers if layer.digest not in base]
    files = [file for layer in above for file in layer.files]
    return Sizes(
        unpacked=sum(file.size for file in files),
        packed=sum(layer.packed for layer in above),
        parts=parts(files),
        base=base_name,
    )


def layers(saved: Iterable[bytes]) -> Iterator[Layer]:
    """The layers in what `docker save` writes: ``ID/layer.tar`` in its older form, ``blobs/sha256/ID`` in OCI's."""
    with tarfile.open(fileobj=Stream(saved), mode="r|") as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isfile() else None
            if content is None or not (member.name.endswith("/layer.tar") or member.name.startswith("blobs/")):
                continue
            beginning = content.read(512)
            # OCI keeps descriptions in JSON among the layers.
            if not beginning.startswith(b"{"):
                yield _layer(_unpacked(beginning, content))


def _unpacked(beginning: bytes, content: IO[bytes]) -> Iterator[bytes]:
    # containerd keeps the layers as they came from a registry, mostly packed.
    unpack = zlib.decompressobj(GZIP) if beginning.startswith(_GZIP_MAGIC) else None
    piece = beginning
    while piece:
        yield unpack.decompress(piece) if unpack else piece
        piece = content.read(_PIECE)


def _layer(pieces: Iterable[bytes]) -> Layer:
    digest, packer, packed = hashlib.sha256(), zlib.compressobj(6, zlib.DEFLATED, GZIP), 0

    def tap(piece: bytes) -> None:
        nonlocal packed
        digest.update(piece)
        packed += len(packer.compress(piece))

    stream = Stream(pieces, tap)
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        files = tuple(File(path=member.name, size=member.size) for member in archive if member.isfile())
    # What follows the last file belongs to the digest, too.
    while stream.read(_PIECE):
        pass
    return Layer(digest=f"sha256:{digest.hexdigest()}", packed=packed + len(packer.flush()), files=files)
