"""Measures how many requests a second a server answers when many are in flight; compares two such runs.

Each request has one row, as the requests of independent clients would.
"""

import argparse
import sys
import threading
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from serving.client import Client, ServingError

MODEL = "batched"
FEATURES = 512
SEED = 7


def main() -> int:
    """Measure, and end with status 1 and a sentence if that was not possible."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", default="localhost:8500")
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--in_flight", type=int, default=48, help="requests that are sent before an answer is awaited")
    parser.add_argument("--save", type=Path, required=True, help="an .npz file that gets the answers and the rate")
    parser.add_argument("--compare", type=Path, help="the file of an earlier run")
    arguments = parser.parse_args()
    if arguments.requests < 1 or arguments.in_flight < 1:
        parser.error("--requests and --in_flight are 1 or more")
    try:
        measure(arguments)
    except (ServingError, OSError, ValueError) as error:  # ValueError: the address is none
        raise SystemExit(f"error: {error}") from None
    return 0


def measure(arguments: argparse.Namespace) -> None:
    """Print requests per second; with --compare also the ratio to that run, and how far its answers are from these."""
    rows = np.random.default_rng(SEED).standard_normal((arguments.requests, FEATURES), np.float32)
    with Client(arguments.server) as client:
        ask(client, rows[:100], arguments.in_flight)  # the first calls of a model are slow
        begin = time.perf_counter()
        scores = ask(client, rows, arguments.in_flight)
        rate = len(rows) / (time.perf_counter() - begin)
    print(f"{rate:.0f} requests per second, {arguments.in_flight} in flight")
    np.savez(arguments.save, scores=scores, rate=rate)
    if arguments.compare:
        with np.load(arguments.compare) as earlier:
            print(f"ratio to {arguments.compare}: {rate / earlier['rate']:.2f}")
            print(f"largest difference of a score: {np.abs(scores - earlier['scores']).max():.1e}")


def ask(client: Client, rows: NDArray[np.float32], in_flight: int) -> NDArray[np.float32]:
    """The scores of all rows, in their order, float [rows, 10]; at most ``in_flight`` requests at a time."""
    free = threading.Semaphore(in_flight)
    futures = []
    for row in rows:
        free.acquire()
        future = client.predict_future(MODEL, {"x": row[None]})
        future.add_done_callback(lambda _: free.release())
        futures.append(future)
    return np.concatenate([future.result()["scores"] for future in futures])


if __name__ == "__main__":
    sys.exit(main())
