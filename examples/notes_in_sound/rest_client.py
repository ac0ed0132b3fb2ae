"""Asks a server over REST for the notes in a WAV file, and prints when each is heard.

Needs numpy; no TensorFlow. The arrays go as numpy writes them, which JSON would make several times as large.
"""

import argparse
import http.client
import io
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
from notes import Sound, find, read, windows


def main() -> None:
    """Send the whole file as one request, and print a line for each note."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, help="a WAV file of 16 bits")
    parser.add_argument("--server", default="localhost:8501", help="host:port of REST")
    arguments = parser.parse_args()
    try:
        sound = read(arguments.file)
    except (OSError, ValueError) as error:
        raise SystemExit(f"error: {error}") from None
    outputs = ask(f"http://{arguments.server}/v1/models/basic_pitch:predict", windows(sound))
    for note in find(outputs["onset"], outputs["note"], len(sound)):
        print(f"{note.begin:5.1f} s to {note.end:4.1f} s  {note.name}")


def ask(url: str, array: Sound) -> dict[str, Sound]:
    """The outputs by name for the array of the only input; SystemExit with the server's message if it refuses."""
    body = io.BytesIO()
    np.save(body, array)
    headers = {"Content-Type": "application/x-npy", "Accept": "application/x-npz"}
    request = urllib.request.Request(url, body.getvalue(), headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return dict(np.load(io.BytesIO(response.read())))
    except urllib.error.HTTPError as error:
        raise SystemExit(f"error {error.code}: {error.read().decode()}") from None
    except (OSError, http.client.HTTPException) as error:
        sentence = f"error: no answer from {url}: {error}; expected --server=host:port of the REST API"
        raise SystemExit(sentence) from None


if __name__ == "__main__":
    main()
