"""Archives that somebody has made to do harm, or made wrongly."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from serving.stores import archive
from serving.stores.values import StoppedError, StoreError
from tests.unit.stores import followed

ROOM = 1 << 40


def never() -> bool:
    return False


def special(**fields: object) -> bytes:
    """A tar with one member that is no file."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as opened:
        info = tarfile.TarInfo("1/link")
        for name, value in fields.items():
            setattr(info, name, value)
        opened.addfile(info)
    return out.getvalue()


def zipped(name: str, mode: int = 0o100644, data: bytes = b"x") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as opened:
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        info.compress_type = zipfile.ZIP_DEFLATED
        opened.writestr(info, data)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "wrong"),
    [
        pytest.param("m.tar.gz", followed.archive({"../evil": b"x"}), "leads out of it", id="up"),
        pytest.param("m.tar.gz", followed.archive({"1/../../evil": b"x"}), "leads out of it", id="up within"),
        pytest.param("m.tar", followed.archive({"/tmp/evil": b"x"}, "w"), "leads out of it", id="absolute"),
        pytest.param("m.zip", zipped("../evil"), "leads out of it", id="zip, up"),
        pytest.param("m.zip", zipped("..\\evil"), "leads out of it", id="zip, up by another slash"),
        pytest.param("m.zip", zipped("1/link", 0o120777), "neither a file nor a directory", id="zip, link"),
        pytest.param("m.tgz", special(type=tarfile.SYMTYPE, linkname="/etc"), "neither a file nor", id="link"),
        pytest.param("m.tgz", special(type=tarfile.LNKTYPE, linkname="/x"), "neither a file nor", id="hard link"),
        pytest.param("m.tgz", special(type=tarfile.CHRTYPE), "neither a file nor a directory", id="device"),
        pytest.param("m.tar.gz", b"<html></html>", "cannot be read", id="a page"),
        pytest.param("m.tar.gz", followed.archive({"1/x": bytes(range(256)) * 99})[:-60], "cannot be read", id="cut"),
        pytest.param("m.zip", b"PK", "cannot be read", id="no zip"),
    ],
)  # fmt: skip
def test_refused(tmp_path: Path, name: str, data: bytes, wrong: str) -> None:
    """Nothing gets out of the directory that it is unpacked to, whatever is said in the archive."""
    packed, to = tmp_path / name, tmp_path / "in" / "to"
    packed.write_bytes(data)
    to.mkdir(parents=True)
    with pytest.raises(StoreError, match=wrong):
        archive.unpack(packed, name, to, ROOM, never)
    assert sorted(each.name for each in (tmp_path / "in").iterdir()) == ["to"]
    assert not Path("/tmp/evil").exists()


@pytest.mark.parametrize("name", ["m.tar.gz", "m.zip"])
def test_one_that_grows_is_stopped(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At a hundred times its size, beyond a bound that small ones may use."""
    monkeypatch.setattr(archive, "_LEAST_BOUND_BYTES", 1000)
    zeros = bytes(3_000_000)
    (tmp_path / name).write_bytes(followed.archive({"1/x": zeros}) if name != "m.zip" else zipped("1/x", data=zeros))
    (tmp_path / "to").mkdir()
    with pytest.raises(StoreError, match="unpacks to more than 0"):
        archive.unpack(tmp_path / name, name, tmp_path / "to", ROOM, never)
    assert (tmp_path / "to" / "1" / "x").stat().st_size < len(zeros)


def test_what_the_disk_has_no_room_for(tmp_path: Path) -> None:
    (tmp_path / "m.tar").write_bytes(followed.archive({"1/x": bytes(5000)}, "w"))
    (tmp_path / "to").mkdir()
    with pytest.raises(StoreError, match=r"unpacks to more than 0\.0 MB"):
        archive.unpack(tmp_path / "m.tar", "m.tar", tmp_path / "to", 1000, never)


def test_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_MOST_FILES", 2)
    (tmp_path / "m.tar").write_bytes(followed.archive({f"1/{each}": b"" for each in range(3)}, "w"))
    (tmp_path / "to").mkdir()
    with pytest.raises(StoreError, match="has more than 2 files"):
        archive.unpack(tmp_path / "m.tar", "m.tar", tmp_path / "to", ROOM, never)


def test_a_stop_ends_it(tmp_path: Path) -> None:
    (tmp_path / "m.tar").write_bytes(followed.archive({"1/x": b"x"}, "w"))
    (tmp_path / "to").mkdir()
    with pytest.raises(StoppedError):
        archive.unpack(tmp_path / "m.tar", "m.tar", tmp_path / "to", ROOM, lambda: True)


def test_one_without_a_model_is_told(tmp_path: Path) -> None:
    """With what it has, and what was expected."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with pytest.raises(StoreError, match=r"has a, b in it; expected version directories such as 1/, or the files"):
        archive.arranged(tmp_path)


def test_a_zip_is_unpacked(tmp_path: Path) -> None:
    (tmp_path / "m.zip").write_bytes(zipped("1/saved_model.pb"))
    (tmp_path / "to").mkdir()
    archive.unpack(tmp_path / "m.zip", "m.zip", tmp_path / "to", ROOM, never)
    assert (archive.arranged(tmp_path / "to") / "1" / "saved_model.pb").read_bytes() == b"x"
