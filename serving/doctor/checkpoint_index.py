"""How long the data files of a checkpoint ought to be, out of its index: a table of LevelDB's format, read and no more.

Each entry says in which part a tensor lies, where it begins and how long it is; TensorFlow finds out as it reads them.
"""

from collections.abc import Iterator

from serving.codecs.protobuf import wire

_MAGIC = 0xDB4775248B80FB57.to_bytes(8, "little")
_FOOTER, _RESTART = 48, 4
_PART, _OFFSET, _SIZE = 3 << 3, 4 << 3, 5 << 3
"""Tags of a BundleEntryProto: the fields shard_id, offset and size, as varints."""


def expected_bytes(index: bytes) -> dict[int, int]:
    """The least length of each part, by its number; empty for a compressed table. ValueError for what is none."""
    if len(index) < _FOOTER or not index.endswith(_MAGIC):
        raise ValueError("it does not end as the index of a checkpoint")
    lengths: dict[int, int] = {}
    try:
        _, at = _handle(index, len(index) - _FOOTER)
        of_blocks, _ = _handle(index, at)
        for _, handle in _entries(index, of_blocks):
            for key, value in _entries(index, _handle(handle, 0)[0]):
                if key:  # the first one, without a name, is about the whole checkpoint
                    part, end = _place(value)
                    lengths[part] = max(lengths.get(part, 0), end)
    except IndexError as error:
        raise ValueError("it is cut off") from error
    return lengths


def _handle(data: bytes, at: int) -> tuple[tuple[int, int], int]:
    """Where a block begins and ends, and what comes behind that."""
    offset, at = wire.read_varint(data, at)
    size, at = wire.read_varint(data, at)
    return (offset, offset + size), at


def _entries(data: bytes, block: tuple[int, int]) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a block; a key is told by what it shares with the one before."""
    at, stop = block
    if data[stop]:  # TensorFlow writes none that is compressed
        return
    stop -= _RESTART * (1 + int.from_bytes(data[stop - _RESTART : stop], "little"))
    key = b""
    while at < stop:
        shared, at = wire.read_varint(data, at)
        more, at = wire.read_varint(data, at)
        length, at = wire.read_varint(data, at)
        key = key[:shared] + data[at : at + more]
        at += more
        yield key, data[at : at + length]
        at += length


def _place(entry: bytes) -> tuple[int, int]:
    """The part that a tensor lies in, and where it ends there."""
    found = {tag: begin for tag, begin, _ in wire.fields(entry, 0, len(entry))}
    part, offset, size = (
        wire.read_varint(entry, found[tag])[0] if tag in found else 0 for tag in (_PART, _OFFSET, _SIZE)
    )
    return part, offset + size
