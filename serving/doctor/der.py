"""The two dates of an X.509 certificate, out of its DER. Python's ``ssl`` shows those of a peer alone."""

from collections.abc import Iterator
from datetime import UTC, datetime

_SEQUENCE, _UTC_TIME, _GENERALIZED_TIME, _VERSION = 0x30, 0x17, 0x18, 0xA0
_LONG = 0x80


def validity(certificate: bytes) -> tuple[datetime, datetime]:
    """Since when and until when it is valid. Raises ValueError for what is no certificate (RFC 5280, 4.1)."""
    try:
        outer = _elements(certificate)
        (_, signed), *_ = _elements(next(outer)[1])
        fields = [each for each in _elements(signed) if each[0] != _VERSION]
        kind, dates = fields[3]  # after serial number, signature and issuer
        if kind != _SEQUENCE:
            raise ValueError("no validity where it ought to be")
        since, until = (_moment(*each) for each in _elements(dates))
    except (IndexError, StopIteration, UnicodeDecodeError) as error:
        raise ValueError("it is cut off, or no certificate") from error
    return since, until


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and contents of what lies one behind the other."""
    at = 0
    while at < len(data):
        tag, length, at = data[at], data[at + 1], at + 2
        if length & _LONG:
            count = length - _LONG
            length, at = int.from_bytes(data[at : at + count]), at + count
        if at + length > len(data):
            raise IndexError(at)
        yield tag, data[at : at + length]
        at += length


def _moment(tag: int, text: bytes) -> datetime:
    words = text.decode("ascii")
    if tag == _UTC_TIME:  # years from 50 on are the last century's
        words = ("19" if words[:2] >= "50" else "20") + words
    elif tag != _GENERALIZED_TIME:
        raise ValueError("a date is of an unknown kind")
    return datetime.strptime(words, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
