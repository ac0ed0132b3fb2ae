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
CLASSES = (len(LABELS), len(LABELS) + 1)
EXPECTED_CLASSES = f"the {CLASSES[0]} classes of labels.txt, or of {CLASSES[1]} with a background in front"


def options(description: str | None, server: str) -> argparse.Namespace:
    """``server`` (by default as given), ``image``, the bytes of the file, and ``requests``, 0 or more.

    Ends the program with a sentence if the file cannot be read.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--server", default=server, help="host:port (default: %(default)s)")
    parser.add_argument("--image", type=_read, default=str(HERE / "flower.jpg"), help="a JPEG or PNG file")
    parser.add_argument("--requests", type=int, default=100, help="how many to measure (default: %(default)s)")
    chosen = parser.parse_args()
    if chosen.requests < 0:
        parser.error(f"--requests is 0 or more, not {chosen.requests}")
    return chosen


def report(ask: Callable[[], Sequence[float]], requests: int, seconds: Callable[[], float] = time.perf_counter) -> None:
    """Print the best five classes that ``ask`` answers with, then the latency of ``requests`` more calls of it.

    ValueError if the answer has not as many classes as ``labels.txt``. ``seconds`` is the clock.
    """
    # The first one also opens the connection, and is not measured.
    for probability, index, label in top_five(ask()):
        print(f"{probability:.6f}  {index:3}  {label}")
    milliseconds = sorted(_timed(ask, seconds) for _ in range(requests))
    if milliseconds:
        mean = sum(milliseconds) / requests
        print(f"{requests} requests: mean {mean:.1f} ms, p99 {percentile(milliseconds, 99):.1f} ms")


def top_five(probabilities: Sequence[float]) -> list[tuple[float, int, str]]:
    """Probability, index and name of the five most probable classes, the best first."""
    if len(probabilities) not in CLASSES:
        raise ValueError(f"expected probabilities of {EXPECTED_CLASSES}; the model has {len(probabilities)}")
    # Networks with 1001 classes begin with one for everything else.
    labels = ["background", *LABELS] if len(probabilities) == len(LABELS) + 1 else LABELS
    ranked = sorted(zip(probabilities, range(len(labels)), labels, strict=True), key=lambda each: (-each[0], each[1]))
    return [(float(probability), index, label) for probability, index, label in ranked[:5]]


def percentile(ordered: Sequence[float], percent: int) -> float:
    """The smallest of the ascending values that ``percent`` of 100 of them do not exceed."""
    return ordered[math.ceil(len(ordered) * percent / 100) - 1]


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _timed(ask: Callable[[], object], seconds: Callable[[], float]) -> float:
    began = seconds()
    ask()
    return (seconds() - began) * 1000
