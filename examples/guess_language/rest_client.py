"""Asks a server over REST what languages files are written in, and prints the likeliest ones of each.

Needs nothing but the standard library.
"""

import argparse
import base64
import http.client
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

SHOWN = 3
MODEL = "guesslang"


def main() -> None:
    """Make one call for all files and print a line for each of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("call", choices=["predict", "classify"])
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--server", default="localhost:8501", help="host:port of REST")
    arguments = parser.parse_args()
    url = f"http://{arguments.server}/v1/models/{MODEL}:{arguments.call}"
    try:
        # Bytes: a file need not be UTF-8, as JSON's strings are.
        texts = [{"b64": base64.b64encode(file.read_bytes()).decode()} for file in arguments.files]
    except OSError as error:
        raise SystemExit(f"error: {error}") from None
    if arguments.call == "predict":
        rows = ask(url, {"instances": texts})["predictions"]
        answers = [zip(row["classes"], row["scores"], strict=True) for row in rows]
    else:
        answers = ask(url, {"examples": [{"content": text} for text in texts]})["results"]
    for file, answer in zip(arguments.files, answers, strict=True):
        best = sorted(answer, key=lambda pair: -pair[1])[:SHOWN]
        print(f"{file}: {', '.join(f'{name} {score:.1%}' for name, score in best)}")


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
