"""gRPC-Web's bodies: one frame is a message, however it is written; everything else is refused."""

from base64 import b64encode
from random import Random

from serving.codecs import grpc_web
from tests.fuzz.drawing import chance, mutated
from tests.fuzz.target import Target, unless_refused
from tests.support.frames import framed

_DAMAGED = 20
"""In a hundred."""


def _frame(random: Random) -> bytes:
    return framed(random.randbytes(random.choice((0, 1, 2, 3, 40))))


def _binary(random: Random) -> bytes:
    return mutated(random, _frame(random)) if chance(random, _DAMAGED) else _frame(random)


def _text(random: Random) -> bytes:
    frame, step = _frame(random), random.choice((1, 3, 4, 5, 100))
    data = b"".join(b64encode(frame[at : at + step]) for at in range(0, len(frame), step))
    return mutated(random, data) if chance(random, _DAMAGED) else data


def _check_binary(data: bytes) -> bool:
    found = unless_refused(lambda: grpc_web.message(data, text=False))
    assert found is None or framed(found) == data
    return found is not None


def _check_text(data: bytes) -> bool:
    found = unless_refused(lambda: grpc_web.message(data, text=True))
    if found is None:
        return False
    assert grpc_web.message(b64encode(framed(found)), text=True) == found
    return True


_SEED = framed(b"message")

TARGETS = (
    Target(
        name="grpc_web.binary",
        promise="the message of exactly one frame, or ServingError",
        make=_binary,
        check=_check_binary,
        seeds=(_SEED,),
    ),
    Target(
        name="grpc_web.text",
        promise="the same message as in one piece of base64, or ServingError",
        make=_text,
        check=_check_text,
        seeds=(b64encode(_SEED), b64encode(_SEED[:4]) + b64encode(_SEED[4:])),
    ),
)
