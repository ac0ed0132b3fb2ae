"""What other code has found is not taken from the cache."""

from pathlib import Path

import pytest

from serving.optimizing.cache import code_digest


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """A directory with a package in it."""
    (tmp_path / "package").mkdir()
    (tmp_path / "one.py").write_text("1\n")
    (tmp_path / "package" / "two.py").write_text("2\n")
    return tmp_path


def test_the_same_code_has_the_same_digest(room: Path) -> None:
    """What is no source does not count."""
    before = code_digest([room])
    (room / "package" / "two.pyc").write_bytes(b"compiled")
    assert code_digest([room]) == before


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("package/two.py", "3\n", id="changed"),
        pytest.param("package/three.py", "", id="added"),
    ],
)
def test_other_code_has_another_digest(room: Path, name: str, text: str) -> None:
    """Also when it is only in a package below."""
    before = code_digest([room])
    (room / name).write_text(text)
    assert code_digest([room]) != before
