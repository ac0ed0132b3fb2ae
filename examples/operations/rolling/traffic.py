"""Sends requests without a pause until a new version has answered enough of them; writes down and plots who answered.

Not a load test: each thread waits a little between requests, so that the server has time to load the new version.
"""

import argparse
import csv
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt

from serving.client import Client, ServingError

MODEL = "rolling"
PAUSE_SECONDS = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request: seconds since the start, the version that answered (0 if none did), y for x = 1, and the error."""

    sent: float
    received: float
    version: int
    y: float
    error: str


class Traffic:
    """What the threads share: requests that are over, and whether it is time to stop."""

    def __init__(self, until_version: int, answers: int) -> None:
        self.requests: list[Request] = []
        self.done = threading.Event()
        self._until_version = until_version
        self._missing = answers
        self._start = time.monotonic()
        self._lock = threading.Lock()

    def send(self, client: Client) -> None:
        """Send one request after the other until there are enough answers."""
        while not self.done.is_set():
            self._record(self._one(client))
            self.done.wait(PAUSE_SECONDS)

    def _one(self, client: Client) -> Request:
        sent = time.monotonic() - self._start
        version, y, error = 0, 0.0, ""
        try:
            outputs = client.predict(MODEL, {"x": [1.0]})
            version, y = outputs.version, float(outputs["y"][0])
        except ServingError as refused:
            error = f"{refused.code.name}: {refused.message}"
        return Request(sent=sent, received=time.monotonic() - self._start, version=version, y=y, error=error)

    def _record(self, request: Request) -> None:
        with self._lock:
            self.requests.append(request)
            self._missing -= request.version == self._until_version
            if self._missing <= 0:
                self.done.set()


def main() -> int:
    """Print what happened; 1 if a request failed, an old version came back, or the new one did not come in time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", default="localhost:8500")
    parser.add_argument("--until_version", type=int, default=2)
    parser.add_argument("--answers", type=int, default=400, help="stop after so many answers of that version")
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--limit_seconds", type=float, default=120)
    parser.add_argument("--out", type=Path, required=True, help="gets requests.csv and versions.svg")
    arguments = parser.parse_args()
    traffic = Traffic(arguments.until_version, arguments.answers)
    try:
        arguments.out.mkdir(parents=True, exist_ok=True)
        with Client(arguments.server) as client:
            client.status(MODEL)  # without a server there is nothing to wait for
            in_time = send(traffic, client, arguments.threads, arguments.limit_seconds)
        write(traffic.requests, arguments.out / "requests.csv")
        plot(traffic.requests, arguments.out / "versions.svg")
    except (ServingError, OSError, ValueError) as error:  # ValueError: the address is none
        raise SystemExit(f"error: {error}") from None
    bad = report(traffic.requests)
    if not in_time:
        print(f"error: too few answers of version {arguments.until_version} in time", file=sys.stderr)
    return 1 if bad or not in_time else 0


def send(traffic: Traffic, client: Client, threads: int, limit_seconds: float) -> bool:
    """Send from so many threads; whether there were enough answers within the limit."""
    with ThreadPoolExecutor(threads) as pool:
        sending = [pool.submit(traffic.send, client) for _ in range(threads)]
        in_time = traffic.done.wait(limit_seconds)
        traffic.done.set()
    for thread in sending:
        thread.result()
    return in_time


def report(requests: list[Request]) -> int:
    """Print counts and errors; return how many requests failed, or got an older version than was known to be there."""
    counts = Counter(request.version for request in requests if not request.error)
    for version, count in sorted(counts.items()):
        print(f"version {version}: {count} answers")
    errors = Counter(request.error for request in requests if request.error)
    failed = errors.total()
    print(f"failed: {failed}")
    for error, count in errors.most_common():
        print(f"  {count} times {error}")
    late = 0
    for version in counts:
        first = min(request.received for request in requests if request.version == version)
        late += sum(request.sent > first and request.version < version and not request.error for request in requests)
    print(f"sent after the first answer of a newer version, and answered by an older one: {late}")
    return failed + late


def write(requests: list[Request], path: Path) -> None:
    """One line for each request."""
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(field.name for field in fields(Request))
        rows.writerows(astuple(request) for request in requests)


def plot(requests: list[Request], path: Path) -> None:
    """Above, the answers of each version over time; below, how long each took."""
    figure, (above, below) = plt.subplots(2, 1, sharex=True, figsize=(8, 5), layout="constrained")
    versions = sorted({request.version for request in requests if not request.error})
    received = [[request.received for request in requests if request.version == version] for version in versions]
    above.hist(received, bins=60, stacked=True, label=[f"version {version}" for version in versions])
    above.set_ylabel("answers")
    above.legend()
    for version, times in zip(versions, received, strict=True):
        latencies = [1000 * (each.received - each.sent) for each in requests if each.version == version]
        below.scatter(times, latencies, s=4)
    failed = [request.received for request in requests if request.error]
    below.scatter(failed, [1.0] * len(failed), marker="x", color="red")
    below.set(xlabel="seconds", ylabel="latency in ms", yscale="log")
    figure.savefig(path)
    plt.close(figure)


if __name__ == "__main__":
    sys.exit(main())
