"""Asks a server over REST for the cultivar and the alcohol of the wines in wines.json.

Needs nothing but the standard library.
"""

import argparse
import http.client
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

WINES = Path(__file__).with_name("wines.json")
SIGNATURES = {"classify": "classify_cultivar", "regress": "regress_alcohol"}


def main() -> None:
    """Make one of the two calls and print what is answered, a line for each wine."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("call", choices=SIGNATURES)
    parser.add_argument("--server", default="localhost:8501", help="host:port of REST")
    arguments = parser.parse_args()
    body = {"signature_name": SIGNATURES[arguments.call], **json.loads(WINES.read_text())}
    results = ask(f"http://{arguments.server}/v1/models/wine:{arguments.call}", body)["results"]
    for number, result in enumerate(results, 1):
        if arguments.call == "classify":
            line = ", ".join(f"{label} {score:.4f}" for label, score in result)
        else:
            line = f"alcohol {result:.4f}"
        print(f"wine {number}: {line}")


def ask(url: str, body: dict[str, Any]) -> Any:
    """What the server answers to a JSON body; SystemExit with its message if it refuses, or if there is none."""
    try:
        with urllib.request.urlopen(url, json.dumps(body).encode(), timeout=60) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        raise SystemExit(f"error {error.code}: {error.read().decode()}") from None
    except (OSError, http.client.HTTPException) as error:
        sentence = f"error: no answer from {url}: {error}; expected --server=host:port of the REST API"
        raise SystemExit(sentence) from None


if __name__ == "__main__":
    main()
