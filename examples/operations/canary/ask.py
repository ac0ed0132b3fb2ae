"""Asks a model by version labels over gRPC, and prints which version has answered each."""

import argparse
import sys

from serving.client import Client, ServingError


def main() -> int:
    """One line for each label; 1 if one of them was refused."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", default="localhost:8500")
    parser.add_argument("labels", nargs="+", metavar="label")
    arguments = parser.parse_args()
    status = 0
    try:
        with Client(arguments.server) as client:
            for label in arguments.labels:
                try:
                    outputs = client.predict("labelled", {"x": [1.0, 2.0, 5.0]}, label=label)
                    print(f"{label}: version {outputs.version} answers {outputs['y'].tolist()}")
                except ServingError as error:
                    print(f"{label}: {error}")
                    status = 1
    except ValueError as error:  # the address is none
        raise SystemExit(f"error: {error}") from None
    return status


if __name__ == "__main__":
    sys.exit(main())
