"""Points the version labels of a model to versions, while it is served: `labels.py --base_path=DIR stable=1 canary=2`.

What is sent is the whole configuration of the server. A label that is not named is gone, and so is a model.
"""

import argparse
import sys
import time
from pathlib import Path

from serving.client import Client, ModelConfig, ServingError

MODEL = "labelled"
LIMIT_SECONDS = 60


def main() -> int:
    """Move the labels; end with status 1 and a sentence if that was not possible."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", default="localhost:8500")
    parser.add_argument("--base_path", type=Path, required=True, help="where the server finds the model's versions")
    parser.add_argument("labels", nargs="+", type=label_and_version, metavar="label=version")
    arguments = parser.parse_args()
    try:
        with Client(arguments.server) as client:
            move(client, arguments.base_path, dict(arguments.labels))
    except (ServingError, ValueError) as error:  # ValueError: the address is none
        raise SystemExit(f"error: {error}") from None
    return 0


def label_and_version(text: str) -> tuple[str, int]:
    """``("stable", 1)`` of ``stable=1``."""
    label, _, version = text.partition("=")
    if not label or not version.isdecimal():
        raise argparse.ArgumentTypeError(f"expected label=version, such as stable=1, got {text!r}")
    return label, int(version)


def move(client: Client, base_path: Path, labels: dict[str, int]) -> None:
    """Wait until the versions can answer, then move the labels in one step."""
    versions = set(labels.values())
    if not available(client, versions):
        raise SystemExit(f"error: not all of these versions can answer: {sorted(versions)}")
    client.reload([ModelConfig(name=MODEL, base_path=str(base_path.absolute()), latest=2, labels=labels)])
    print("now " + ", ".join(f"{label} is version {version}" for label, version in labels.items()))


def available(client: Client, versions: set[int]) -> bool:
    """Whether all versions became available within LIMIT_SECONDS; a label must not move to one that is not."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < deadline:
        if versions <= {each.version for each in client.status(MODEL) if each.state == "AVAILABLE"}:
            return True
        time.sleep(0.1)
    return False


if __name__ == "__main__":
    sys.exit(main())
