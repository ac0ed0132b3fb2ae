"""Two ways to come to inputs: atheris, which follows the code's branches, and our own loop, for where it is not.

Either draws two inputs of three from the target's generator and changes others; which ones follows from the seed.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from tests.fuzz import targets
from tests.fuzz.drawing import chance, mutated
from tests.fuzz.target import Target

Try = Callable[[bytes], None]
"""Tries one input, and ends the process if it fails."""

_FRESH = 67
"""Of a hundred inputs, drawn from the generator."""
_KEPT = 64
_LARGEST = 2**18
_GROWN = 4096
"""Bytes up to which atheris makes inputs longer: by itself it goes on to the largest, which take the longest."""


def own(name: str, trying: Callable[[Target], Try], *, seed: int, inputs: int, seconds: float) -> None:
    """Try ``inputs``, or as many as there are in ``seconds``; 0 is no limit."""
    target = targets.named(name)
    attempt, random, kept = trying(target), Random(seed), list(target.seeds)
    deadline, tried = time.monotonic() + seconds, 0
    while (not inputs or tried < inputs) and (not seconds or time.monotonic() < deadline):
        if not kept or chance(random, _FRESH):
            data = target.make(random)
            _keep(random, kept, data)
        else:
            data = mutated(random, random.choice(kept), kept)
        attempt(data)
        tried += 1


def _keep(random: Random, kept: list[bytes], data: bytes) -> None:
    if len(kept) < _KEPT:
        kept.append(data)
    elif chance(random, 5):
        kept[random.randrange(_KEPT)] = data


def guided(name: str, trying: Callable[[Target], Try], *, seed: int, inputs: int, seconds: float) -> None:
    """The same by atheris, with what it learns from the code of ``serving``. Ends the process."""
    import atheris

    with atheris.instrument_imports(include=["serving"]):
        target = targets.named(name)

    def mutate(data: bytes, most: int, number: int) -> bytes:
        random = Random(number)
        if chance(random, _FRESH):
            return target.make(random)[:most]
        if len(data) > _GROWN:
            return mutated(random, data)[:most]
        return bytes(atheris.Mutate(data, _GROWN))

    with tempfile.TemporaryDirectory() as corpus:
        for number, data in enumerate(target.seeds):
            Path(corpus, f"seed-{number}").write_bytes(data)
        arguments = [*_arguments(seed, inputs, seconds), f"-artifact_prefix={corpus}/", corpus]
        atheris.Setup(arguments, trying(target), custom_mutator=mutate)
        atheris.Fuzz()


def _arguments(seed: int, inputs: int, seconds: float) -> list[str]:
    """libFuzzer's; it takes 0 runs for none, and a time of 0 for no limit."""
    return [
        sys.argv[0],
        f"-seed={seed}",
        f"-runs={inputs or -1}",
        f"-max_total_time={int(seconds)}",
        f"-max_len={_LARGEST}",
        "-len_control=0",
        "-verbosity=0",
        "-detect_leaks=0",
        "-rss_limit_mb=0",
        "-timeout=86400",
    ]


def has_guide() -> bool:
    """Whether atheris is installed, which has wheels for few machines."""
    try:
        import atheris  # noqa: F401
    except ImportError:
        return False
    return True
