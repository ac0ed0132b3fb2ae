"""Asks the served iris model over REST: a few flowers by rows, all that were held out by columns.

The standard library is enough to ask; scikit-learn has the flowers.

usage: rest_client.py --server=localhost:8501
"""

import argparse
import http.client
import json
import sys
import urllib.error
import urllib.request
from typing import Any

from split import FEATURES, SPECIES, split

TIMEOUT_SECONDS = 30


def main() -> int:
    """Print predictions and the accuracy; 1 if the server cannot be asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--server", default="localhost:8501", help="host and port of the REST API")
    url = f"http://{parser.parse_args().server}/v1/models/iris:predict"
    try:
        by_rows(url)
        by_columns(url)
    except urllib.error.HTTPError as refused:
        print(f"error: {url} answered {refused.code}: {refused.read().decode()}", file=sys.stderr)
        return 1
    except (OSError, http.client.HTTPException) as error:
        print(f"error: no answer from {url}: {error}; expected --server=host:port of the REST API", file=sys.stderr)
        return 1
    return 0


def by_rows(url: str) -> None:
    """Three flowers as "instances": an object per flower in, an object per flower out."""
    held_out = split()[1]
    instances = [dict(zip(FEATURES, row, strict=True)) for row in held_out.features[:3].tolist()]
    predictions = post(url, {"instances": instances})["predictions"]
    for instance, prediction, truth in zip(instances, predictions, held_out.species, strict=False):
        print(f"{instance}: {prediction['species']} ({max(prediction['probabilities']):.3f}), is {SPECIES[truth]}")


def by_columns(url: str) -> None:
    """All flowers held out as "inputs": a list per feature in, a list per output out."""
    held_out = split()[1]
    inputs = {name: column.tolist() for name, column in zip(FEATURES, held_out.features.T, strict=True)}
    outputs = post(url, {"inputs": inputs})["outputs"]
    right = sum(name == SPECIES[truth] for name, truth in zip(outputs["species"], held_out.species, strict=True))
    print(f"Accuracy on {len(held_out.species)} flowers held out: {right / len(held_out.species):.1%}")


def post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    """The server's answer to a JSON body."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
        answer: dict[str, Any] = json.load(response)
    return answer


if __name__ == "__main__":
    sys.exit(main())
