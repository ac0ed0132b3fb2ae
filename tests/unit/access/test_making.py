"""Making a key: random, with a prefix, its entry in the file or on the terminal, and itself nowhere."""

import base64
import errno
import json
import tempfile
from pathlib import Path

import pytest

from serving import cli
from serving.access import key_file
from serving.access.making import PREFIX, make_key
from serving.errors import ConfigurationError


def test_a_key_is_random_and_known_by_its_prefix() -> None:
    """256 bits, and what the entry says of them is their hash."""
    made, other = (make_key("a", "predict,read", "", "") for _ in range(2))
    assert made.key.startswith(PREFIX)
    assert len(base64.urlsafe_b64decode(made.key.removeprefix(PREFIX) + "=")) == 32
    assert made.key != other.key
    keys = key_file.parse(f"[{made.entry}]".encode(), "F")
    assert keys.of_key(made.key) is keys.holders["a"]
    assert keys.of_key(other.key) is None


def test_entries_are_appended(tmp_path: Path) -> None:
    """What is there stays; a new file is for its owner alone, an older one keeps its mode."""
    path = tmp_path / "keys.json"
    first = make_key("a", "predict", "m, n*", str(path))
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    second = make_key("b", "admin", "", str(path))
    assert path.stat().st_mode & 0o777 == 0o640
    keys = key_file.parse(path.read_bytes(), "F")
    assert keys.of_key(first.key) is keys.holders["a"]
    assert keys.of_key(second.key) is keys.holders["b"]
    assert keys.holders["a"].principal.models == ("m", "n*")
    assert [each.name for each in tmp_path.iterdir()] == ["keys.json"]
    assert first.key not in path.read_text()


def test_an_empty_file_is_an_empty_list(tmp_path: Path) -> None:
    """As ``touch`` makes one before it is mounted into a container."""
    path = tmp_path / "keys.json"
    path.touch()
    make_key("a", "read", "", str(path))
    assert [entry["name"] for entry in json.loads(path.read_text())] == ["a"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """What it leads to is replaced."""
    link, path = tmp_path / "link", tmp_path / "keys.json"
    path.write_text("[]")
    link.symlink_to(path)
    make_key("a", "read", "", str(link))
    assert link.is_symlink()
    assert "sha256" in path.read_text()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param("[", "line 1, column 2", id="broken"),
        pytest.param('[{"name": "a", "certificate": "c", "rights": ["read"]}]', r"entry 2 \(a\): name", id="taken"),
    ],
)
def test_a_file_that_cannot_be_used_stays(tmp_path: Path, content: str, expected: str) -> None:
    """No key is made for it."""
    path = tmp_path / "keys.json"
    path.write_text(content)
    with pytest.raises(ConfigurationError, match=f"--api_keys_file={path}: {expected}"):
        make_key("a", "read", "", str(path))
    assert path.read_text() == content


def test_a_directory_that_is_missing(tmp_path: Path) -> None:
    """A sentence, not a traceback."""
    with pytest.raises(ConfigurationError, match=r"keys\.json: No such file or directory"):
        make_key("a", "read", "", str(tmp_path / "none" / "keys.json"))


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Standard output has the key and its entry, or with a file the key alone; the rest is for people."""
    assert cli.main(["--make_api_key=a", "--api_key_rights=metrics"]) == 0
    printed = capsys.readouterr()
    key, entry = printed.out.splitlines()
    assert key_file.parse(f"[{entry}]".encode(), "F").of_key(key) is not None
    assert key not in printed.err
    path = tmp_path / "keys.json"
    assert cli.main(["--make_api_key=a", f"--api_keys_file={path}"]) == 0
    printed = capsys.readouterr()
    (key,) = printed.out.splitlines()
    assert key_file.parse(path.read_bytes(), "F").of_key(key) is not None
    assert printed.err == f"The key of a is shown this once. Its entry is in {path}.\n"


def test_a_name_behind_a_blank(capsys: pytest.CaptureFixture[str]) -> None:
    """Other programs take it; here no server must start instead."""
    assert cli.main(["--make_api_key", "a"]) == 255
    assert "expected --make_api_key=name" in capsys.readouterr().err


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EBUSY])
def test_a_file_that_is_mounted_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Nothing can be made beside it, or it cannot be replaced: it is written where it is."""
    path = tmp_path / "keys.json"
    path.write_text("[]")
    inode = path.stat().st_ino

    def fail(*args: object, **more: object) -> None:
        raise OSError(number, "no")

    monkeypatch.setattr(*((Path, "replace", fail) if number == errno.EBUSY else (tempfile, "mkstemp", fail)))
    make_key("a", "read", "", str(path))
    assert [entry["name"] for entry in json.loads(path.read_text())] == ["a"]
    assert path.stat().st_ino == inode
    assert [each.name for each in tmp_path.iterdir()] == ["keys.json"]


def test_a_full_disk_leaves_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not cut off by writing where there is no room."""
    path = tmp_path / "keys.json"
    path.write_text("[]")

    def fail(*args: object, **more: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "mkstemp", fail)
    with pytest.raises(ConfigurationError, match="No space left on device"):
        make_key("a", "read", "", str(path))
    assert path.read_text() == "[]"


@pytest.mark.parametrize("flags", [["--make_api_key="], ["--make_api_key=a", "--api_key_rights=all"]])
def test_the_command_refuses(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Status 255, no key, and what was expected."""
    assert cli.main(flags) == 255
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("No key was made. Error: INVALID_ARGUMENT: --make_api_key: entry 1")
