"""Targets that keep no promise, for the tests of campaigns: one raises, one takes its process with it."""

import os
from random import Random

from tests.fuzz.target import Target

_BAD = b"bad"


def _make(random: Random) -> bytes:
    return random.choice((b"good", b"good", b"odd", _BAD))


def _raise(data: bytes) -> bool:
    assert data != _BAD, "it is bad"
    return data == b"good"


def _abort(data: bytes) -> bool:
    if data == _BAD:
        os.abort()
    return True


def _keep(data: bytes) -> bool:
    return data == b"good"


TARGETS = (
    Target(name="_broken.raises", promise="none", make=_make, check=_raise),
    Target(name="_broken.aborts", promise="none", make=_make, check=_abort),
    Target(name="_broken.keeps", promise="all", make=_make, check=_keep),
)
