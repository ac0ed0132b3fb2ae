"""Fetches the archive URL, whose SHA-256 must be SHA256, and unpacks it to DIRECTORY: saved_model.pb at its top.

The three are environment variables. Ends with a status other than 0, and nothing at DIRECTORY, when something is wrong.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

ATTEMPT_SECONDS = 60
BLOCK_BYTES = 1 << 20


def fetch(url: str, archive: Path) -> str:
    """Write what is at ``url`` to ``archive``; its SHA-256 in hexadecimal."""
    digest = hashlib.sha256()
    with urllib.request.urlopen(url, timeout=ATTEMPT_SECONDS) as answer, archive.open("wb") as file:
        while block := answer.read(BLOCK_BYTES):
            digest.update(block)
            file.write(block)
    return digest.hexdigest()


def main() -> None:
    """Into a directory beside, which is renamed at the end: what is at DIRECTORY is whole."""
    url, expected, directory = os.environ["URL"], os.environ["SHA256"], Path(os.environ["DIRECTORY"])
    if directory.exists():
        print(f"{directory} is there already")
        return
    unfinished = directory.parent / f"unfinished-{directory.name}"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    archive = directory.parent / f"unfinished-{directory.name}.tar.gz"
    found = fetch(url, archive)
    if found != expected:
        sys.exit(f"{url} has the SHA-256 {found}, expected {expected}")
    subprocess.run(["tar", "-xzf", archive, "-C", unfinished, "--no-same-owner"], check=True)
    archive.unlink()
    if not (unfinished / "saved_model.pb").is_file():
        sys.exit(f"{url} has no saved_model.pb at its top: {sorted(path.name for path in unfinished.iterdir())}")
    unfinished.rename(directory)
    print(f"{directory} is {url}")


if __name__ == "__main__":
    main()
