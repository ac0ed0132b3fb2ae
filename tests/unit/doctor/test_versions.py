"""Version directories with something missing, empty, or of another kind, each as real files."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.codecs.protobuf import wire
from serving.core.servable import ServableId
from serving.doctor.checkpoint_index import expected_bytes
from serving.doctor.versions import Version
from tests.unit.doctor.rows import fill, only

LENGTHS = {0: 1}

WHOLE = ("saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001")


def block(entries: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Keys and values as LevelDB has them, none of them sharing its beginning, and what lies behind a block."""
    written = b"".join(
        wire.varint(0) + wire.varint(len(key)) + wire.varint(len(value)) + key + value for key, value in entries
    )
    return written + bytes(4) + (1).to_bytes(4, "little") + bytes(5)


def index_of(lengths: Mapping[int, int]) -> bytes:
    """The index of a checkpoint with a tensor in each part, all of which it takes."""
    entries = [(b"", b"")]
    for part, length in lengths.items():
        entries.append((b"%05d" % part, b"\x18" + wire.varint(part) + b"\x28" + wire.varint(length)))
    data = block(entries)
    where = block([(b"z", wire.varint(0) + wire.varint(len(data) - 5))])
    handles = wire.varint(0) + wire.varint(0) + wire.varint(len(data)) + wire.varint(len(where) - 5)
    return data + where + handles.ljust(40, b"\0") + bytes.fromhex("57fb808b247547db")


def whole(path: Path, lengths: Mapping[int, int] = MappingProxyType(LENGTHS)) -> Path:
    """A version with all its files."""
    fill(path, *WHOLE)
    (path / WHOLE[1]).write_bytes(index_of(lengths))
    return path


def version(path: Path, *, prefer_tflite: bool = False) -> Version:
    return Version(id=ServableId(name="m", version=3), path=path, prefer_tflite=prefer_tflite)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def without(path: Path) -> None:
    path.unlink()


BROKEN = [
    pytest.param("saved_model.pb", without, "saved_model.pb is missing in {at}, which has: variables", id="no graph"),
    pytest.param("saved_model.pb", empty, "{at}/saved_model.pb is empty", id="empty graph"),
    pytest.param(WHOLE[1], without, "{at}/variables/variables.index is missing", id="no index"),
    pytest.param(WHOLE[1], empty, "{at}/variables/variables.index is empty", id="empty index"),
    pytest.param(WHOLE[2], without, "variables.data-00000-of-00001 is missing", id="no data"),
    pytest.param(WHOLE[2], empty, "the data of the checkpoint in {at}/variables is empty", id="empty data"),
]


@pytest.mark.parametrize(("file", "damage", "found"), BROKEN)
def test_damaged(tmp_path: Path, file: str, damage: Callable[[Path], None], found: str) -> None:
    """The one file is named."""
    damage(whole(tmp_path) / file)
    row = only(version(tmp_path).wrong())
    assert row.what == "model m version 3"
    assert found.format(at=tmp_path) in row.found
    assert row.advice


ZIP = b"PK\5\6" + bytes(18)
"""An archive without files."""

OTHERS = [
    pytest.param(("net.keras",), "the Keras file net.keras", "model.keras", id="keras"),
    pytest.param(("model.h5",), "the Keras file model.h5", '.export("{at}")', id="h5"),
    pytest.param(("checkpoint", "c.index"), "a checkpoint", 'tf.saved_model.save(model, "{at}")', id="checkpoint"),
    pytest.param(("model.tflite",), "which has model.tflite", "--prefer_tflite_model=true", id="tflite"),
    pytest.param(("saved/saved_model.pb",), "one directory further down, in saved", "mv {at}/saved/*", id="below"),
    pytest.param((), "which has: nothing in it", "Copy the whole directory", id="nothing"),
]


@pytest.mark.parametrize(("files", "found", "advice"), OTHERS)
def test_no_saved_model(tmp_path: Path, files: tuple[str, ...], found: str, advice: str) -> None:
    """What is there instead, and how it becomes one."""
    row = only(version(fill(tmp_path, *files)).wrong())
    assert found.format(at=tmp_path) in row.found
    assert advice.format(at=tmp_path) in row.advice


def test_parts_of_a_checkpoint(tmp_path: Path) -> None:
    """Those that were not copied are counted and named."""
    (whole(tmp_path) / WHOLE[2]).rename(tmp_path / "variables/variables.data-00001-of-00003")
    found = only(version(tmp_path).wrong()).found
    assert "lacks 2 of 3 parts" in found
    assert "variables.data-00000-of-00003, variables.data-00002-of-00003" in found


@pytest.mark.parametrize("files", [WHOLE[:1], ("saved_model.pbtxt",)])
def test_whole(tmp_path: Path, files: tuple[str, ...]) -> None:
    """With a checkpoint and without one: nothing is wrong."""
    assert version(fill(tmp_path / "without", *files)).wrong() == []
    assert version(whole(tmp_path / "with")).wrong() == []


def test_part_that_is_cut_off(tmp_path: Path) -> None:
    """A copy that has not come to its end: how much of it is there."""
    at = whole(tmp_path, {0: 7000})
    assert only(version(at).wrong()).found == f"{at}/{WHOLE[2]} is cut off: it has 1 bytes of 7000"
    (at / WHOLE[2]).write_bytes(bytes(7000))
    assert version(at).wrong() == []


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_index_that_is_cut_off(tmp_path: Path, cut: int) -> None:
    """By a byte or by most of it: it is damaged."""
    at = whole(tmp_path)
    (at / WHOLE[1]).write_bytes((at / WHOLE[1]).read_bytes()[:-cut])
    assert "variables.index is damaged" in only(version(at).wrong()).found


@given(st.binary(max_size=200))
def test_any_index(data: bytes) -> None:
    """Whatever stands before a footer, it is a table or a ValueError."""
    with suppress(ValueError):
        expected_bytes(data + bytes.fromhex("57fb808b247547db"))


def test_file_in_place_of_a_directory(tmp_path: Path) -> None:
    """A version is a directory."""
    assert "is a file" in only(version(fill(tmp_path, "3") / "3").wrong()).found


@pytest.mark.parametrize(
    ("data", "found"), [(b"", "is empty"), (b"\x1c\0\0\0TFL2", "lacks the mark TFL3"), (b"\x1c\0\0\0TFL3", "")]
)
def test_tflite(tmp_path: Path, data: bytes, found: str) -> None:
    """With --prefer_tflite_model its file counts."""
    (tmp_path / "model.tflite").write_bytes(data)
    rows = version(tmp_path, prefer_tflite=True).wrong()
    assert [found in row.found for row in rows] == [True] * bool(found)


@pytest.mark.parametrize(("data", "found"), [(b"", "is empty"), (b"PK\3\4", "is no Keras model"), (ZIP, "")])
def test_keras(tmp_path: Path, data: bytes, found: str) -> None:
    """A file that Keras converts is an archive."""
    (tmp_path / "model.keras").write_bytes(data)
    rows = version(tmp_path).wrong()
    assert [found in row.found for row in rows] == [True] * bool(found)


def test_sizes(tmp_path: Path) -> None:
    """Bytes of all files, and of the weights among them."""
    fill(tmp_path, *WHOLE)
    (tmp_path / WHOLE[2]).write_bytes(b"x" * 1000)
    assert (version(tmp_path).bytes, version(tmp_path).weights) == (1002, 1000)
