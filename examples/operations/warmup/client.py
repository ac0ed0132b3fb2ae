"""Sends requests to the model one after the other, and prints how long the first one took, and the others."""

import argparse
import statistics
import sys
import time

from serving.client import Client


def main() -> int:
    """Print the version that answered, and the times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", default="localhost:8500")
    parser.add_argument("--version", type=int, help="the version to ask; the newest without it")
    parser.add_argument("--requests", type=int, default=100)
    arguments = parser.parse_args()
    milliseconds = []
    with Client(arguments.server) as client:
        client.status("recorded")  # opens the connection, so that the first request does not pay for it
        for number in range(arguments.requests):
            begin = time.perf_counter()
            outputs = client.predict("recorded", {"x": [float(number), 1.0]}, version=arguments.version)
            milliseconds.append(1000 * (time.perf_counter() - begin))
            assert len(outputs["y"]) == 2
    first, *others = milliseconds
    print(f"first request: {first:.1f} ms; median of {len(others)} more: {statistics.median(others):.1f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
