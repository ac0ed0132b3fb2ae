"""Bytes drawn from a ``random.Random``: a seed's, for millions of inputs, or Hypothesis's, which makes them small."""

from collections.abc import Sequence
from random import Random

_LONGEST = 2**18
_INTERESTING = (
    b"\0",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"\xff\xff\xff\xff\x0f",
    b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
    b"\xff\xff\xff\xff",
    b"\0\0\0\0",
    b"\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"{",
    b"}",
    b"[",
    b"]",
    b'"',
    b"\\",
    b":",
    b",",
    b"\r\n",
    b"%",
    b"-1",
    b"1e999",
    b"9" * 25,
    b"\xed\xa0\x80",
    b"\xc3",
    b"null",
    b"true",
    b"\\u0000",
    b"\\ud800",
)


def chance(random: Random, percent: int) -> bool:
    """True in so many cases of a hundred."""
    return random.randrange(100) < percent


def some_bytes(random: Random, most: int) -> bytes:
    """Any bytes, ``most`` at most."""
    return bytes([random.randrange(256) for _ in range(random.randrange(most + 1))])


def mutated(random: Random, data: bytes, others: Sequence[bytes] = ()) -> bytes:
    """``data`` with one to four changes: bytes replaced, cut out, doubled, put in, or taken from one of ``others``."""
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 3, 4))):
        start = random.randrange(len(changed) + 1)
        end = min(len(changed), start + random.choice((0, 1, 1, 2, 4, 8, 16, 64)))
        changed[start:end] = _instead(random, bytes(changed[start:end]), others)
    return bytes(changed[:_LONGEST])


def _instead(random: Random, old: bytes, others: Sequence[bytes]) -> bytes:
    match random.randrange(8):
        case 0:
            return b""
        case 1:
            return some_bytes(random, 4)
        case 2:
            return old * 2
        case 3 if chance(random, 5):
            return (old or random.choice(_INTERESTING)) * random.choice((100, 1000, 20_000))
        case 4 if others:
            other = random.choice(others)
            start = random.randrange(len(other) + 1)
            return other[start : start + random.choice((1, 4, 16, 256))]
        case 5 if old:
            return bytes([old[0] ^ 1 << random.randrange(8)]) + old[1:]
        case 6 if old:
            return bytes([(old[0] + random.choice((-1, 1))) % 256]) + old[1:]
        case _:
            return random.choice(_INTERESTING)
