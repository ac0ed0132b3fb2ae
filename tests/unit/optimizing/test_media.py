"""Pictures and sounds, read by others' decoders."""

import io
import wave

import pytest
from PIL import Image

from serving.optimizing import media

WRITERS = {"PNG": media.png, "JPEG": media.jpeg, "BMP": media.bmp, "GIF": media.gif}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("size", [(1, 1), (8, 9), (13, 7), (64, 48), (224, 224)])
def test_pictures(name: str, size: tuple[int, int]) -> None:
    """A picture is one of its format and its size, with more than one colour."""
    with Image.open(io.BytesIO(WRITERS[name](*size, 3))) as picture:
        assert (picture.format, picture.size) == (name, size)
        colors = picture.convert("RGB").getcolors(2**24) or []
    assert (len(colors) > 1) is (size > (1, 1))


@pytest.mark.parametrize("name", WRITERS)
def test_same_seed_same_picture(name: str) -> None:
    """The seed decides."""
    assert WRITERS[name](9, 9, 1) == WRITERS[name](9, 9, 1) != WRITERS[name](9, 9, 2)


def test_sounds() -> None:
    """A sound has as many samples as were asked for."""
    with wave.open(io.BytesIO(media.wav(1000, 1))) as sound:
        assert (sound.getnframes(), sound.getnchannels(), sound.getframerate()) == (1000, 1, 16000)
