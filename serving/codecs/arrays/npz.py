"""``.npz`` files, zip archives of ``.npy`` files, <-> tensors by name; what is not compressed is not copied.

Not ``zipfile`` for reading: it copies, takes any number of members, and fails with a dozen kinds of exceptions.
"""

import zlib
from collections.abc import Mapping
from io import BytesIO
from struct import Struct, error
from typing import NamedTuple
from zipfile import ZipFile, ZipInfo

from serving.codecs.arrays import npy
from serving.codecs.arrays.npy import NpyArray
from serving.codecs.protobuf.wire import STEP
from serving.core.tensor import Tensor
from serving.errors import ServingError, invalid_argument

SIGNATURE = b"PK"
MOST_MEMBERS = 1024
LARGEST_INFLATED = 100 * 2**20
"""Bytes that compressed members may become, as for gzip bodies; plain ones may fill the body."""

_SUFFIX = ".npy"
_END_MARK, _END = b"PK\x05\x06", Struct("<4s4H2LH")
_LONGEST_COMMENT = 2**16 - 1
_ENTRY_MARK, _ENTRY = b"PK\x01\x02", Struct("<4s6H3L5H2L")
_LOCAL_MARK, _LOCAL = b"PK\x03\x04", Struct("<4s5H3L2H")
_ENCRYPTED, _UTF_8 = 1, 1 << 11
_STORED, _DEFLATED = 0, 8
_RAW_DEFLATE = -15


class _Member(NamedTuple):
    """One line of the archive's directory: sizes in bytes, before and after inflating, and where it lies."""

    name: str
    flags: int
    method: int
    checksum: int
    packed: int
    size: int
    position: int


def read(body: bytes) -> dict[str, NpyArray]:
    """The arrays of an archive by their names, without ``.npy``. Raises ServingError, INVALID_ARGUMENT."""
    try:
        members = _directory(body)
    except (error, UnicodeDecodeError):
        raise _damaged("its directory cannot be read") from None
    if sum(member.size for member in members) > max(LARGEST_INFLATED, len(body)):
        raise invalid_argument(f"The archive's members have more than {LARGEST_INFLATED} bytes when inflated")
    view = memoryview(body)
    arrays = {member.name.removesuffix(_SUFFIX): npy.read(_content(view, member)) for member in members}
    if len(arrays) < len(members):
        raise _damaged("a name comes twice")
    return arrays


def _damaged(what: str) -> ServingError:
    return invalid_argument(f"The body is no usable .npz archive: {what}; expected one as numpy.savez writes it")


def _directory(body: bytes) -> list[_Member]:
    end = body.rfind(_END_MARK, max(0, len(body) - _END.size - _LONGEST_COMMENT))
    if end < 0:
        raise _damaged("it has no end")
    _, _, _, _, count, _, position, _ = _END.unpack_from(body, end)
    if count > MOST_MEMBERS:
        raise _damaged(f"it has {count} members, more than {MOST_MEMBERS}")
    members = []
    for _ in range(count):
        mark, _, _, flags, method, _, _, checksum, packed, size, name, extra, comment, _, _, _, local = (
            _ENTRY.unpack_from(body, position)
        )
        if mark != _ENTRY_MARK:
            raise _damaged("its directory is not where its end says")
        position += _ENTRY.size
        text = body[position : position + name].decode("utf-8" if flags & _UTF_8 else "cp437")
        members.append(_Member(text, flags, method, checksum, packed, size, local))
        position += name + extra + comment
    return members


def _content(view: memoryview, member: _Member) -> memoryview:
    """The bytes of a member. Raises ServingError."""
    if member.flags & _ENCRYPTED or member.method not in (_STORED, _DEFLATED):
        raise _damaged("a member is encrypted, or compressed otherwise than by deflate")
    try:
        mark, *_, name, extra = _LOCAL.unpack_from(view, member.position)
    except error:
        raise _damaged("a member is cut off") from None
    start = member.position + _LOCAL.size + name + extra
    data = view[start : start + member.packed]
    if mark != _LOCAL_MARK or len(data) < member.packed:
        raise _damaged("a member is cut off")
    if member.method == _DEFLATED:
        data = _inflated(data, member.size)
    if len(data) != member.size or zlib.crc32(data) != member.checksum:
        raise _damaged("a member has not the size or the checksum that the directory says")
    return data


def _inflated(data: memoryview, size: int) -> memoryview:
    """At most one byte more than ``size``, so that a member cannot become more than it says."""
    try:
        return memoryview(zlib.decompressobj(_RAW_DEFLATE).decompress(data, size + 1))
    except zlib.error:
        raise _damaged("a member cannot be inflated") from None


def write(outputs: Mapping[str, Tensor]) -> bytes:
    """The archive of these outputs, not compressed. Raises ServingError as ``npy.write`` does."""
    file = BytesIO()
    with ZipFile(file, "w") as archive:
        for alias, tensor in outputs.items():
            data, member = memoryview(npy.write(alias, tensor)), ZipInfo(alias + _SUFFIX)
            member.file_size = len(data)
            with archive.open(member, "w") as to:
                for at in range(0, len(data), STEP):
                    to.write(data[at : at + STEP])
    return file.getvalue()
