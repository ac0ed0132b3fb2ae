"""Asks a server what digits it sees on the test images, many at a time, and prints how often it is wrong.

usage: client.py --num_tests=1000 --concurrency=10 --server=localhost:8500
"""

import argparse
import sys
import threading
from concurrent.futures import Future

import numpy as np
from digits_data import TESTS, load

from serving.client import Client, Prediction


def main() -> int:
    """Print the error rate; 1 if calls failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num_tests", type=int, default=TESTS, help=f"test images to ask about, up to {TESTS}")
    parser.add_argument("--concurrency", type=int, default=1, help="the most calls under way at a time (1)")
    parser.add_argument("--server", default="localhost:8500", help="host:port of gRPC (localhost:8500)")
    parser.add_argument("--model", default="digits", help="the model's name (digits)")
    flags = parser.parse_args()
    if not 1 <= flags.num_tests <= TESTS or flags.concurrency < 1:
        parser.error(f"--num_tests is 1 to {TESTS}, --concurrency is 1 or more")

    _, tests = load()
    with Client(flags.server) as client:
        futures = ask(client, flags.model, tests.images[: flags.num_tests], flags.concurrency)
    print()
    failures = [error for future in futures if (error := future.exception()) is not None]
    if failures:
        print(f"error: {len(failures)} of {len(futures)} calls failed; the first: {failures[0]}", file=sys.stderr)
        return 1
    answers = [future.result() for future in futures]
    guesses = [int(np.argmax(answer["scores"])) for answer in answers]
    wrong = np.count_nonzero(guesses != tests.labels[: flags.num_tests])
    print(f"Inference error rate: {100 * wrong / len(guesses):g}%")
    print(f"Answered by version: {', '.join(map(str, sorted({answer.version for answer in answers})))}")
    return 0


def ask(client: Client, model: str, images: np.ndarray, concurrency: int) -> list[Future[Prediction]]:
    """Send each image as a call of its own, at most ``concurrency`` under way; the futures are done."""
    free = threading.Semaphore(concurrency)

    def done(future: Future[Prediction]) -> None:  # called in a thread of gRPC's
        print("." if future.exception() is None else "E", end="", flush=True)
        free.release()

    futures: list[Future[Prediction]] = []
    for image in images:
        free.acquire()
        future = client.predict_future(model, {"images": image[np.newaxis]}, signature="predict_images")
        future.add_done_callback(done)
        futures.append(future)
    for _ in range(concurrency):  # until every call is done
        free.acquire()
    return futures


if __name__ == "__main__":
    sys.exit(main())
