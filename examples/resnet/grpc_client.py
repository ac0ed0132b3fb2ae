"""Asks the model what is on a picture over gRPC; no TensorFlow is imported."""

import sys

from answers import options, report

from serving.client import Client, ServingError


def main() -> None:
    """Print the best five classes and the latency."""
    chosen = options(__doc__, "localhost:8500")
    try:
        with Client(chosen.server) as client:
            report(lambda: predict(client, chosen.image), chosen.requests)
    except (ServingError, ValueError) as error:  # ValueError: the address is none, or the classes are not ours
        sys.exit(f"error: {error}")


def predict(client: Client, picture: bytes) -> list[float]:
    """The probabilities of the classes of one picture."""
    probabilities: list[float] = client.predict("resnet", {"image_bytes": [picture]})["probabilities"][0].tolist()
    return probabilities


if __name__ == "__main__":
    main()
