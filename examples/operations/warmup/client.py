"""Sends requests to the model one after the other, and prints how long the first one took, and the others."""

import argparse
import statistics
import sys
import time

from serving.client import Client, ServingError


def main() -> int:
    """Print the times; end with status 1 and a sentence if a request was not answered."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", default="localhost:8500")
    parser.add_argument("--version", type=int, help="the version to ask; the newest without it")
    parser.add_argument("--requests", type=int, default=100)
    arguments = parser.parse_args()
    if arguments.requests < 2:
        parser.error("--requests is 2 or more: the first, and others to compare it with")
    try:
        with Client(arguments.server) as client:
            first, *others = times(client, arguments.version, arguments.requests)
    except (ServingError, ValueError) as error:  # ValueError: the address is none
        raise SystemExit(f"error: {error}") from None
    print(f"first request: {first:.1f} ms; median of {len(others)} more: {statistics.median(others):.1f} ms")
    return 0


def times(client: Client, version: int | None, requests: int) -> list[float]:
    """How long each of the requests took, in milliseconds."""
    client.status("recorded")  # opens the connection, so that the first request does not pay for it
    milliseconds = []
    for number in range(requests):
        begin = time.perf_counter()
        outputs = client.predict("recorded", {"x": [float(number), 1.0]}, version=version)
        milliseconds.append(1000 * (time.perf_counter() - begin))
        assert len(outputs["y"]) == 2
    return milliseconds


if __name__ == "__main__":
    sys.exit(main())
