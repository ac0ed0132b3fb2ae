"""What is counted is a Predict: each way gives the answer of half_plus_two. The counting itself needs valgrind."""

import subprocess
import sys

import pytest

from tests.bench.instructions import WAYS


@pytest.mark.parametrize("way", WAYS)
def test_each_way_answers(way: str) -> None:
    """The last of several requests has the answer that a server would give."""
    command = [sys.executable, "-m", "tests.bench.instructions", f"--drive={way}", "--requests=3"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert ("[2.5, 3.0, 4.5" if "lane" in way else r"\x00\x00 @\x00\x00@@\x00\x00\x90@") in said
