"""Sends the test images as tf.Examples to the Classify signature, in batches, and prints how often it is wrong.

usage: classify_client.py --num_tests=1000 --server=localhost:8500
"""

import argparse
import sys

from digits_data import TESTS, load

from serving.client import Client, ServingError

BATCH = 100


def main() -> int:
    """Print what the first image may be, and the error rate; 1 if a call failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num_tests", type=int, default=TESTS, help=f"test images to ask about, up to {TESTS}")
    parser.add_argument("--server", default="localhost:8500", help="host:port of gRPC (localhost:8500)")
    parser.add_argument("--model", default="digits", help="the model's name (digits)")
    flags = parser.parse_args()
    if not 1 <= flags.num_tests <= TESTS:
        parser.error(f"--num_tests is 1 to {TESTS}")

    _, tests = load()
    examples = [{"x": image} for image in tests.images[: flags.num_tests]]
    classes = []
    try:
        with Client(flags.server) as client:
            for start in range(0, len(examples), BATCH):
                classes += client.classify(flags.model, examples[start : start + BATCH])
    except (ServingError, ValueError) as error:  # ValueError: the address is none
        print(f"error: {error}", file=sys.stderr)
        return 1

    likely = ", ".join(f"{each.label} ({each.score:.3f})" for each in classes[0][:3])
    print(f"The first image is a {tests.labels[0]}; the model says: {likely}")
    wrong = sum(best.label != str(label) for (best, *_), label in zip(classes, tests.labels, strict=False))
    print(f"Inference error rate: {100 * wrong / flags.num_tests:g}%")
    return 0


if __name__ == "__main__":
    sys.exit(main())
