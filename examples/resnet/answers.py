"""What both clients share: the options, the names of the classes, the best five, and the latency of many requests.

Not about how a server is asked: that is in each client.
"""

import argparse
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

HERE = Path(__file__).parent
LABELS = (HERE / "labels.txt").read_text().splitlines()


def options(description: str | None, server: str) -> argparse.Namespace:
    """``--server`` (by default ``server``), ``--image`` and ``--requests``."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--server", default=server, help="host:port (default: %(default)s)")
    parser.add_argument("--image", type=Path, default=HERE / "flower.jpg", help="a JPEG or PNG file")
    parser.add_argument("--requests", type=int, default=100, help="how many to measure (default: %(default)s)")
    return parser.parse_args()


def report(ask: Callable[[], Sequence[float]], requests: int) -> None:
    """Print the best five classes that ``ask`` answers with, then the latency of ``requests`` more calls of it."""
    # The first one also opens the connection, and is not measured.
    for probability, index, label in top_five(ask()):
        print(f"{probability:.6f}  {index:3}  {label}")
    milliseconds = sorted(_timed(ask) for _ in range(requests))
    if milliseconds:
        mean = sum(milliseconds) / requests
        print(f"{requests} requests: mean {mean:.1f} ms, p99 {percentile(milliseconds, 99):.1f} ms")


def top_five(probabilities: Sequence[float]) -> list[tuple[float, int, str]]:
    """Probability, index and name of the five most probable classes, the best first."""
    # Networks with 1001 classes begin with one for everything else.
    labels = ["background", *LABELS] if len(probabilities) == len(LABELS) + 1 else LABELS
    ranked = sorted(zip(probabilities, range(len(labels)), labels, strict=True), key=lambda each: (-each[0], each[1]))
    return [(float(probability), index, label) for probability, index, label in ranked[:5]]


def percentile(ordered: Sequence[float], percent: int) -> float:
    """The smallest of the ascending values that ``percent`` of 100 of them do not exceed."""
    return ordered[math.ceil(len(ordered) * percent / 100) - 1]


def _timed(ask: Callable[[], object]) -> float:
    began = time.perf_counter()
    ask()
    return (time.perf_counter() - began) * 1000
