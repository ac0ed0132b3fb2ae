"""Writes a WAV file of notes, one after the other: A4 is a note, A4+C#5+E5 three at once.

Needs numpy alone.
"""

import argparse
import re
import wave
from pathlib import Path

import numpy as np
from notes import LOWEST, NAMES, RATE
from numpy.typing import NDArray

SECONDS = 0.6
OVERTONES = 7


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, help="gets the sound, such as chord.wav")
    parser.add_argument("notes", nargs="+", metavar="NOTES", help="such as A4, or C#5+E5")
    arguments = parser.parse_args()
    try:
        silence = np.zeros(RATE // 10)
        parts = [sum(map(tone, each.split("+")), np.zeros(int(SECONDS * RATE))) for each in arguments.notes]
        sound = np.concatenate([silence, *parts, silence])
        write(arguments.file, sound / np.abs(sound).max() / 2)
    except (OSError, ValueError) as error:
        raise SystemExit(f"error: {error}") from None
    print(f"Wrote {arguments.file}, {len(sound) / RATE:.1f} seconds")


def tone(name: str) -> NDArray[np.float64]:
    """A note as a struck string sounds it, more or less, [samples]; ValueError for what is none."""
    matched = re.fullmatch(r"([A-G]#?)([0-8])", name)
    if matched is None or matched[1] not in NAMES:
        raise ValueError(f"no note: {name!r}; expected one such as A4 or C#5")
    pitch = 12 * (int(matched[2]) + 1) + NAMES.index(matched[1])
    if not LOWEST <= pitch < LOWEST + 88:
        raise ValueError(f"{name} is not on a piano; expected A0 to C8")
    frequency = 440 * 2 ** ((pitch - 69) / 12)
    time = np.arange(int(SECONDS * RATE)) / RATE
    # What is above half the rate would come back as another note.
    audible = [n for n in range(1, OVERTONES + 1) if n * frequency < RATE / 2]
    waves = sum((np.sin(2 * np.pi * n * frequency * time) / n**1.5 for n in audible), np.zeros(len(time)))
    fading = np.exp(-1.5 * time) * np.minimum(1, time / 0.01) * np.minimum(1, (SECONDS - time) / 0.02)
    return np.asarray(waves * fading)


def write(path: Path, sound: NDArray[np.float64]) -> None:
    """Write samples from -1 to 1 as a WAV file of 16 bits and one channel."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((32767 * sound).astype("<i2").tobytes())


if __name__ == "__main__":
    main()
