"""Points the version labels of a model to versions, while it is served: `labels.py --base_path=DIR stable=1 canary=2`.

What is sent is the whole configuration of the server. A label that is not named is gone, and so is a model.
"""

import argparse
import sys
import time
from pathlib import Path

from serving.client import Client, ModelConfig

MODEL = "labelled"
LIMIT_SECONDS = 60


def main() -> int:
    """Wait until the versions can answer, then move the labels in one step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", default="localhost:8500")
    parser.add_argument("--base_path", type=Path, required=True, help="where the server finds the model's versions")
    parser.add_argument("labels", nargs="+", metavar="label=version")
    arguments = parser.parse_args()
    labels = {label: int(version) for label, _, version in (each.partition("=") for each in arguments.labels)}
    with Client(arguments.server) as client:
        if not available(client, set(labels.values())):
            print(f"error: not all of these versions can answer: {sorted(set(labels.values()))}", file=sys.stderr)
            return 1
        base_path = str(arguments.base_path.absolute())
        client.reload([ModelConfig(name=MODEL, base_path=base_path, latest=2, labels=labels)])
    print("now " + ", ".join(f"{label} is version {version}" for label, version in labels.items()))
    return 0


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
