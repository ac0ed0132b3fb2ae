"""The bare engine without any server: for each line "SECONDS" on stdin, calls for so long, one at a time.

usage: python -m tests.bench.baselines.model_time VERSION_DIRECTORY INPUT.npy
It prints a JSON list of milliseconds for each line.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.bench.baselines.bare_engine import BareModel, Floats


def call_times(model: Callable[[Floats], object], x: Floats, seconds: float) -> list[float]:
    """Milliseconds of each call that began within ``seconds``; at least one."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        began = time.perf_counter()
        model(x)
        times.append((time.perf_counter() - began) * 1e3)
    return times


def follow(model: Callable[[Floats], object], x: Floats) -> None:
    """Call once, say so with an empty list, and then do as stdin says."""
    model(x)
    print("[]", flush=True)
    for line in sys.stdin:
        print(json.dumps(call_times(model, x, float(line))), flush=True)


if __name__ == "__main__":
    follow(BareModel(Path(sys.argv[1])), np.load(sys.argv[2]))
