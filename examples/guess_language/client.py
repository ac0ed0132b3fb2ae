"""Asks a server over gRPC what languages files are written in, and prints the likeliest ones of each.

Needs serving.client and numpy; no TensorFlow.
"""

import argparse
from pathlib import Path

from serving.client import Client, ServingError

SHOWN = 3
MODEL = "guesslang"


def main() -> None:
    """Make one call for all files and print a line for each of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("call", choices=["predict", "classify"])
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--server", default="localhost:8500", help="host:port of gRPC")
    arguments = parser.parse_args()
    calls = {"predict": predict, "classify": classify}
    try:
        texts = [file.read_bytes() for file in arguments.files]
        with Client(arguments.server) as client:
            answers = calls[arguments.call](client, texts)
    except (ServingError, OSError, ValueError) as error:  # ValueError: the address is none
        raise SystemExit(f"error: {error}") from None
    for file, scores in zip(arguments.files, answers, strict=True):
        best = sorted(scores, key=lambda name: -scores[name])[:SHOWN]
        print(f"{file}: {', '.join(f'{name} {scores[name]:.1%}' for name in best)}")


def predict(client: Client, texts: list[bytes]) -> list[dict[str, float]]:
    """Predict: the texts are a tensor of strings. For each the probability of every language."""
    outputs = client.predict(
        MODEL, {"content": texts}, signature="predict", output_filter=["all_classes", "probabilities"]
    )
    return [
        {name.decode(): float(probability) for name, probability in zip(names, row, strict=True)}
        for names, row in zip(outputs["all_classes"], outputs["probabilities"], strict=True)
    ]


def classify(client: Client, texts: list[bytes]) -> list[dict[str, float]]:
    """Classify: each text is a feature of a tf.Example. For each the score of every language."""
    results = client.classify(MODEL, [{"content": text} for text in texts])
    return [{each.label: each.score for each in classes} for classes in results]


if __name__ == "__main__":
    main()
