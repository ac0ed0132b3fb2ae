"""Asks a server over gRPC for the cultivar and the alcohol of the wines in wines.json, each way that it answers.

Needs serving.client, with which no message has to be put together by hand; no TensorFlow.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from serving.client import Client, ServingError, example

WINES = Path(__file__).with_name("wines.json")


def main() -> None:
    """Make one of the four calls and print what is answered, a line for each wine."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("call", choices=["classify", "regress", "multi_inference", "predict"])
    parser.add_argument("--server", default="localhost:8500", help="host:port of gRPC")
    arguments = parser.parse_args()
    wines = json.loads(WINES.read_text())
    calls = {"classify": classify, "regress": regress, "multi_inference": multi_inference, "predict": predict}
    try:
        with Client(arguments.server) as client:
            lines = calls[arguments.call](client, **wines)
    except (ServingError, ValueError) as error:  # ValueError: the address is none
        raise SystemExit(f"error: {error}") from None
    for number, line in enumerate(lines, 1):
        print(f"wine {number}: {line}")


def classify(client: Client, examples: list[Any], context: dict[str, Any]) -> list[str]:
    """Classify: the scores of the classes, by label."""
    results = client.classify("wine", examples, signature="classify_cultivar", context=context)
    return [", ".join(f"{label} {score:.4f}" for label, score in classes) for classes in results]


def regress(client: Client, examples: list[Any], context: dict[str, Any]) -> list[str]:
    """Regress: a number."""
    results = client.regress("wine", examples, signature="regress_alcohol", context=context)
    return [f"alcohol {value:.4f}" for value in results]


def multi_inference(client: Client, examples: list[Any], context: dict[str, Any]) -> list[str]:
    """MultiInference: both at once, from one request and one run of the graph."""
    results = client.multi_inference("wine", examples, ["classify_cultivar", "regress_alcohol"], context=context)
    pairs = zip(results["classify_cultivar"], results["regress_alcohol"], strict=True)
    best = [(max(classes, key=lambda each: each.score), alcohol) for classes, alcohol in pairs]
    return [f"{cultivar.label} {cultivar.score:.4f}, alcohol {alcohol:.4f}" for cultivar, alcohol in best]


def predict(client: Client, examples: list[Any], context: dict[str, Any]) -> list[str]:
    """Predict: the serialised examples are a tensor of strings. It knows no context, so that is put into each."""
    serialised = [example({**context, **features}) for features in examples]
    outputs = client.predict("wine", {"examples": serialised}, signature="predict")
    rows = zip(outputs["probabilities"], outputs["alcohol"], strict=True)
    return [f"probabilities {' '.join(f'{each:.4f}' for each in row)}, alcohol {alcohol:.4f}" for row, alcohol in rows]


if __name__ == "__main__":
    main()
