"""Sound for the model of Basic Pitch, and the notes in what the model answers."""

import wave
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RATE = 22050
"""Samples per second that the model was trained on."""
WINDOW = 43844
"""Samples that it hears at a time; it answers with 172 frames for them."""
EDGE = 15
"""Frames at either end of a window that are left to the window before or after, which hears what is around them."""
STEP = WINDOW - 2 * EDGE * 256
"""Samples from one window to the next."""
FRAME = STEP / (172 - 2 * EDGE)
"""Samples for which one frame stands."""

BEGINS = 0.5
"""A note begins where the model is at least so sure of it."""
GOES_ON = 0.3
"""It goes on while the model is."""
SHORTEST = 11
"""Frames, about an eighth of a second. A shorter note is none, and a shorter gap does not end one."""

LOWEST = 21
"""MIDI's number of the lowest of the 88 notes, A0."""
NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")

Sound = NDArray[np.float32]


class Note(NamedTuple):
    """From where to where it sounds, in seconds, and what it is in MIDI's numbers: 69 is A4."""

    begin: float
    end: float
    pitch: int

    @property
    def name(self) -> str:
        """Such as C#5."""
        return f"{NAMES[self.pitch % 12]}{self.pitch // 12 - 1}"


def read(path: Path) -> Sound:
    """The samples of a WAV file, -1 to 1, float32 [samples], as one channel at ``RATE``; ValueError for other formats.

    OSError if there is no such file.
    """
    try:
        with wave.open(str(path)) as file:
            rate, channels, width = file.getframerate(), file.getnchannels(), file.getsampwidth()
            samples = file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise ValueError(f"{path} is no WAV file that Python reads: {error}") from None
    if width != 2:
        raise ValueError(f"{path} has {8 * width} bits per sample; expected a WAV file with 16")
    sound = np.frombuffer(samples, "<i2").reshape(-1, channels).mean(axis=1) / 32768
    return resampled(sound, rate)


def resampled(sound: NDArray[np.float64], rate: int) -> Sound:
    """A sound of ``rate`` samples per second as one of ``RATE``: its spectrum, cut off or continued by zeros."""
    length = round(len(sound) * RATE / rate)
    if length in (0, len(sound)):
        return sound[:length].astype(np.float32)
    return (np.fft.irfft(np.fft.rfft(sound), length) * (length / len(sound))).astype(np.float32)


def windows(sound: Sound) -> Sound:
    """The model's input for a sound [samples]: overlapping windows, float32 [windows, ``WINDOW``, 1]."""
    padded = np.pad(sound, (EDGE * 256, WINDOW))
    starts = range(0, EDGE * 256 + len(sound), STEP)
    return np.stack([padded[start : start + WINDOW] for start in starts])[..., np.newaxis]


def find(onset: Sound, note: Sound, samples: int) -> list[Note]:
    """The notes of a sound of so many samples, the earliest and lowest first, from outputs of the model.

    onset: how sure it is that a note begins, note: that one sounds, both float32 [windows, 172, 88].
    """
    frames = round(samples / FRAME)
    begins, sounds = (
        output[:, EDGE:-EDGE].reshape(-1, output.shape[-1])[:frames].astype(np.float64) for output in (onset, note)
    )
    seconds = FRAME / RATE
    found = [
        Note(first * seconds, last * seconds, LOWEST + key)
        for key in range(begins.shape[1])
        for first, last in spans(begins[:, key], sounds[:, key])
    ]
    return sorted(found, key=lambda note: (round(note.begin, 1), note.pitch))


def spans(begins: NDArray[np.float64], sounds: NDArray[np.float64]) -> list[tuple[int, int]]:
    """First frame, and the one after the last, of each time that one key is struck; both [frames]."""
    before, after = np.r_[0, begins[:-1]], np.r_[begins[1:], 0]
    struck = np.flatnonzero((begins >= BEGINS) & (begins >= before) & (begins > after)).tolist()
    found = []
    for first, following in pairwise([*struck, len(sounds)]):
        # Where it is struck counts as heard: what sounds long after that is not this note.
        heard = np.r_[0, 1 + np.flatnonzero(sounds[first + 1 : following] >= GOES_ON)]
        gaps = np.flatnonzero(np.diff(heard) > SHORTEST)
        last = first + int(heard[gaps[0] if len(gaps) else -1]) + 1
        if last - first >= SHORTEST:
            found.append((first, last))
    return found
