"""Asks a server what digits it sees on the test images, many at a time, and prints how often it is wrong.

usage: client.py --num_tests=1000 --concurrency=10 --server=localhost:8500
"""

import argparse
import os
import sys
from concurrent.futures import FIRST_COMPLETED, Future, wait

import numpy as np
from digits_data import TESTS, load

from serving.client import Client, Prediction


def main() -> int:
    """Print the error rate; 1 if calls failed, or if nobody reads the output any more."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num_tests", type=int, default=TESTS, help=f"test images to ask about, up to {TESTS}")
    parser.add_argument("--concurrency", type=int, default=1, help="the most calls under way at a time (1)")
    parser.add_argument("--server", default="localhost:8500", help="host:port of gRPC (localhost:8500)")
    parser.add_argument("--model", default="digits", help="the model's name (digits)")
    flags = parser.parse_args()
    if not 1 <= flags.num_tests <= TESTS or flags.concurrency < 1:
        parser.error(f"--num_tests is 1 to {TESTS}, --concurrency is 1 or more")

    _, tests = load()
    try:
        with Client(flags.server) as client:
            futures = ask(client, flags.model, tests.images[: flags.num_tests], flags.concurrency)
    except ValueError as error:  # the address is none
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Python writes what is left once more when it ends, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    print()
    failures = [failure for future in futures if (failure := future.exception()) is not None]
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
    futures: list[Future[Prediction]] = []
    under_way: set[Future[Prediction]] = set()
    for image in images:
        if len(under_way) == concurrency:
            under_way = wait_for_some(under_way)
        futures.append(client.predict_future(model, {"images": image[np.newaxis]}, signature="predict_images"))
        under_way.add(futures[-1])
    while under_way:
        under_way = wait_for_some(under_way)
    return futures


def wait_for_some(under_way: set[Future[Prediction]]) -> set[Future[Prediction]]:
    """Print a dot for each call that is done, an E for one that failed; the others are still under way."""
    done, others = wait(under_way, return_when=FIRST_COMPLETED)
    print("".join("." if future.exception() is None else "E" for future in done), end="", flush=True)
    return others


if __name__ == "__main__":
    sys.exit(main())
