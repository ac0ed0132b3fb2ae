"""Asks the served digits over gRPC: Predict with pixels, Classify with tf.Examples. Imports no TensorFlow.

usage: client.py --server=localhost:8500 [--model_version=2]
"""

import argparse
import sys

from digits import NAMES, Digits, split

from serving.client import Client, ServingError

MODEL = "old_digits"


def main() -> int:
    """Print which version answered, and how many of the digits held out it got right; 1 if it cannot be asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--server", default="localhost:8500", help="host and port of gRPC")
    parser.add_argument("--model_version", type=int, help="without it the latest")
    arguments = parser.parse_args()
    held_out = split()[1]
    try:
        with Client(arguments.server) as client:
            predict(client, held_out, arguments.model_version)
            classify(client, held_out, arguments.model_version)
    except (ServingError, ValueError) as error:  # ValueError: the address is none
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def predict(client: Client, digits: Digits, version: int | None) -> None:
    """All images at once, as float [digits, 64]; the scores come back as float [digits, 10]."""
    prediction = client.predict(MODEL, {"images": digits.images}, version=version, signature="predict")
    accuracy = (prediction["scores"].argmax(axis=1) == digits.labels).mean()
    print(f"Version {prediction.version}, Predict: accuracy on {len(digits.labels)} digits held out {accuracy:.1%}")


def classify(client: Client, digits: Digits, version: int | None) -> None:
    """Each image as an example with the feature ``x``; the classes come back by name, the most probable one first."""
    answers = client.classify(MODEL, [{"x": image} for image in digits.images], version=version)
    right = [classes[0].label == NAMES[label] for classes, label in zip(answers, digits.labels, strict=True)]
    accuracy = sum(right) / len(right)
    print(f"Classify: accuracy {accuracy:.1%}; the first digit is {answers[0][0].label}, {answers[0][0].score:.3f}")


if __name__ == "__main__":
    sys.exit(main())
