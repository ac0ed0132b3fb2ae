"""One process of a campaign: tries inputs of one target until there are enough, or until one breaks the promise."""

import argparse
import logging
import os
import resource
import sys
import time
import traceback
from pathlib import Path

from tests.fuzz import engines
from tests.fuzz.record import Record
from tests.fuzz.target import Target

BROKEN = 70
"""The exit status after an input that broke a promise."""

MOST_SECONDS = 5.0
"""Of CPU for one input, of a quarter of a megabyte at most. Most take a ten-thousandth of it."""

_MOST_MEMORY = 6 * 2**30
"""Address space in bytes, several times what a process with everything loaded has; who asks for more gets an error."""


def attempt(target: Target, data: bytes) -> bool:
    """Whether an input is valid. Raises any exception if the promise is broken."""
    began = time.thread_time()
    valid = target.check(data)
    spent = time.thread_time() - began
    assert spent < MOST_SECONDS, f"{spent:.1f} s of CPU for {len(data)} bytes"
    return valid


def main() -> int:
    """Run the worker that the command line describes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("target")
    parser.add_argument("--record", type=Path, required=True)
    parser.add_argument("--engine", choices=("own", "guided"), default="own")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--inputs", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=0.0)
    given = parser.parse_args()
    quieten()
    record = Record(given.record)

    def trying(target: Target) -> engines.Try:
        def try_one(data: bytes) -> None:
            record.begin(data)
            try:
                valid = attempt(target, data)
            except BaseException:  # noqa: BLE001 - whatever it is, it is what is looked for
                traceback.print_exc()
                sys.stderr.flush()
                os._exit(BROKEN)
            record.end(valid=valid)

        return try_one

    run = engines.guided if given.engine == "guided" else engines.own
    run(given.target, trying, seed=given.seed, inputs=given.inputs, seconds=given.seconds)
    return 0


def quieten() -> None:
    """Bound the process's memory, and log nothing: there is a line for most inputs that are refused."""
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
    logging.disable(logging.CRITICAL)


if __name__ == "__main__":
    sys.exit(main())
