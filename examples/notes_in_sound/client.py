"""Asks a server over gRPC for the notes in a WAV file, and prints when each is heard.

Needs serving.client and numpy; no TensorFlow.
"""

import argparse
from pathlib import Path

from notes import find, read, windows

from serving.client import Client, ServingError


def main() -> None:
    """Send the whole file as one request, and print a line for each note."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, help="a WAV file of 16 bits")
    parser.add_argument("--server", default="localhost:8500", help="host:port of gRPC")
    arguments = parser.parse_args()
    try:
        sound = read(arguments.file)
        with Client(arguments.server) as client:
            outputs = client.predict("basic_pitch", {"input_2": windows(sound)}, output_filter=["onset", "note"])
    except (ServingError, OSError, ValueError) as error:  # ValueError: no WAV file, or the address is none
        raise SystemExit(f"error: {error}") from None
    for note in find(outputs["onset"], outputs["note"], len(sound)):
        print(f"{note.begin:5.1f} s to {note.end:4.1f} s  {note.name}")


if __name__ == "__main__":
    main()
