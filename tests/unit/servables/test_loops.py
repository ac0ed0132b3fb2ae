"""Which graphs have loops, and that those who have never run in the thread of a door."""

from pathlib import Path

import pytest

from serving.servables.loops import may_loop
from serving.servables.pace import PaceOfLoops


@pytest.mark.parametrize(
    ("model", "expected"),
    [("slow", True), ("half_plus_three", False), ("mnist", False), ("strings", False), ("matrix", False)],
)
def test_loops_of_models(models: Path, model: str, expected: bool) -> None:
    """By the operations in the file, functions included."""
    assert may_loop(models / model / "1") is expected


@pytest.mark.parametrize("before", [0, 2**20 - 3, 2**20, 3 * 2**20 - 8])
def test_loops_are_found_wherever_they_are(tmp_path: Path, before: int) -> None:
    """Across the pieces that a file is read in, too."""
    (tmp_path / "saved_model.pb").write_bytes(bytes(before) + b"\x12\x0eStatelessWhile" + bytes(100))
    assert may_loop(tmp_path)


def test_text_and_what_is_not_there(tmp_path: Path) -> None:
    """A text form is looked at too; a directory without a model has no loops."""
    assert not may_loop(tmp_path)
    (tmp_path / "saved_model.pbtxt").write_text('node { name: "loop" op: "While" }')
    assert may_loop(tmp_path)


def test_names_are_not_operations(tmp_path: Path) -> None:
    """A node may be called as it likes."""
    (tmp_path / "saved_model.pb").write_bytes(b"\x0a\x05While\x12\x03Add")
    assert not may_loop(tmp_path)


def test_loops_are_never_inline() -> None:
    """However short their runs have been; they are known to be short."""
    pace = PaceOfLoops()
    for _ in range(5):
        pace.note(1, 1e-6)
    assert (pace.inline, pace.inline_for(1), pace.short_for(1)) == (False, False, True)
