"""The trained models that packages carry: what the pages' clients print about texts and sounds is true."""

import os
import re
import subprocess
import sys
import wave
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.walks.walk import EXAMPLES, Walk

FETCH = EXAMPLES / "fetch_model.py"


def fetched(walk: Walk, package: str, model: str) -> None:
    """Have the model where the page will put it; skipped where the package index is out of reach or has it no more."""
    try:
        walk.shell(f"python examples/fetch_model.py {package} models/{model}")
    except AssertionError as error:
        if "No matching distribution found" in str(error):
            pytest.skip(f"the package index has no {package}: {str(error)[-300:]}")
        raise


@pytest.fixture(scope="module")
def languages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    """The page about languages, walked through; its server is still up."""
    with Walk("guess_language", tmp_path_factory.mktemp("guess_language")) as walk:
        fetched(walk, "guesslang", "guesslang")
        walk.run()
        yield walk


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    """The page about notes, walked through; its server is still up."""
    with Walk("notes_in_sound", tmp_path_factory.mktemp("notes_in_sound")) as walk:
        fetched(walk, "basic-pitch", "basic_pitch")
        walk.run()
        yield walk


def printed_on(page: str) -> str:
    """What the page says that its client prints."""
    (text,) = re.findall(r"^```text\n(.*?)^```$", (EXAMPLES / page / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert isinstance(text, str)
    return text


def likeliest(output: str) -> dict[str, str]:
    """The first language of each file's line."""
    return dict(re.findall(r"^\S+/(\S+): (\w+) \d", output, re.MULTILINE))


def test_languages_are_told(languages: Walk) -> None:
    """Python, shell and C++ are what they are, and what the page has."""
    output = languages.output("guess_language/client.py predict")
    assert likeliest(output) == {"client.py": "py", "serve.sh": "sh", "plus_seven.cc": "cpp"}
    assert likeliest(printed_on("guess_language")) == likeliest(output)


def test_languages_are_the_same_over_rest(languages: Walk) -> None:
    """Another signature of the model, and the same scores."""
    assert languages.output("rest_client.py predict") == languages.output("guess_language/client.py predict")


def test_a_line_is_told(languages: Walk) -> None:
    """A few lines of Python are enough, with curl and the signature of text."""
    assert languages.output("curl") == "[['py']]\n"


def test_languages_are_classes(languages: Walk) -> None:
    """Classify says it too, over gRPC and over REST."""
    over_grpc, over_rest = languages.output("client.py classify").splitlines()
    assert likeliest(over_grpc) == {"client.py": "py"}
    assert over_rest == over_grpc


def test_notes_are_heard(sounds: Walk) -> None:
    """Those that were written into the sound, when they were, and no others: the page has them."""
    output = sounds.output("notes_in_sound/client.py")
    assert re.findall(r"\S+$", output, re.MULTILINE) == ["A4", "C#5", "E5", "A4", "C#5", "E5"]
    assert output == printed_on("notes_in_sound")


def test_notes_are_the_same_over_rest(sounds: Walk) -> None:
    """Arrays as numpy writes them bring the same answer."""
    assert sounds.output("rest_client.py") == sounds.output("notes_in_sound/client.py")


def test_another_rate_and_two_channels(sounds: Walk) -> None:
    """A recording as others make them is heard at its own pitch."""
    time = np.arange(2 * 44100) / 44100
    note = sum(np.sin(2 * np.pi * n * 440 * time) / n**1.5 for n in range(1, 8)) * np.exp(-1.5 * time) / 4
    with wave.open(str(sounds.directory / "stereo.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(44100)
        file.writeframes((32767 * np.stack([note, note], axis=1)).astype("<i2").tobytes())
    output = sounds.shell("python examples/notes_in_sound/client.py stereo.wav --server=localhost:8500")
    assert re.findall(r"\S+$", output, re.MULTILINE) == ["A4"]


def test_another_file_of_that_name_is_refused(tmp_path: Path) -> None:
    """A wheel with another hash ends the script with pip's words, and nothing is left where a server would look."""
    with zipfile.ZipFile(tmp_path / "guesslang-2.2.1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("guesslang/data/model/saved_model.pb", b"another model")
        wheel.writestr("guesslang-2.2.1.dist-info/METADATA", "Metadata-Version: 2.1\nName: guesslang\nVersion: 2.2.1\n")
    done = subprocess.run(
        [sys.executable, str(FETCH), "guesslang", str(tmp_path / "guesslang")],
        env={**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: pip could not download guesslang==2.2.1:\n")
    assert "DO NOT MATCH THE HASHES" in done.stderr
    assert list((tmp_path / "guesslang").iterdir()) == []
