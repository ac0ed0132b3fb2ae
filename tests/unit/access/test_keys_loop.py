"""Following the file of keys: one turn at a time, and the loop's own thread."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.access.keys import digest_of
from serving.access.keys_loop import KeysLoop
from serving.errors import ConfigurationError
from tests.support.server_process import wait_until

HOUR = 3600.0


def ignore(death: BaseException) -> None:
    """Nobody is told of the loop's end."""


def content(*names: str, right: str = "read") -> str:
    """A file in which each has the key ``key-of-NAME``."""
    entries = [{"name": name, "sha256": digest_of(f"key-of-{name}").hex(), "rights": [right]} for name in names]
    return json.dumps(entries)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with the key of ``a``, for its owner alone."""
    path = tmp_path / "keys.json"
    path.write_text(content("a"))
    path.chmod(0o600)
    return path


@pytest.fixture
def loop(file: Path) -> Iterator[KeysLoop]:
    """What follows the file, in turns."""
    loop = KeysLoop(str(file), ignore, wait_seconds=HOUR)
    yield loop
    loop.close(HOUR)


def known(loop: KeysLoop) -> list[str]:
    """Who has a key now, of those that the tests know."""
    return [name for name in "abc" if loop.policy.keys.of_key(f"key-of-{name}") is not None]


def messages(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == level]


def test_changes_are_told_by_name(loop: KeysLoop, file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Added, removed, changed; a file that says the same in other words is no change."""
    caplog.set_level(logging.INFO, "serving")
    loop.run_once()
    assert not caplog.records
    file.write_text(content("a", "b"))
    loop.run_once()
    file.write_text(content("b", "c", right="predict"))
    loop.run_once()
    file.write_text(content("b", "c", right="predict") + "\n")
    loop.run_once()
    place = f"--api_keys_file={file} has changed: "
    assert messages(caplog, logging.INFO) == [
        f"{place}added b",
        f"{place}added c; removed a; changed b",
        f"{place}nothing that counts",
    ]
    assert known(loop) == ["b", "c"]


@pytest.mark.parametrize("swap", ["rename", "link", "in place"])
def test_however_it_is_replaced(loop: KeysLoop, file: Path, swap: str) -> None:
    """By a rename, by turning a link, as Kubernetes does, or by writing over it, with the same size and times."""
    other = file.with_name("other.json")
    other.write_text(content("b"))
    if swap == "rename":
        other.rename(file)
    elif swap == "link":
        file.unlink()
        file.symlink_to(other)
    else:
        file.write_text(content("b"))
    loop.run_once()
    assert known(loop) == ["b"]


@pytest.mark.parametrize("broken", ['[{"name": "a"', "", "{}"])
def test_a_broken_file_changes_nothing(
    loop: KeysLoop, file: Path, broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The former keys stay, a line says so once, and another when it is good again."""
    caplog.set_level(logging.INFO, "serving")
    file.write_text(broken)
    loop.run_once()
    loop.run_once()
    assert known(loop) == ["a"]
    (line,) = messages(caplog, logging.ERROR)
    assert line.startswith(f"--api_keys_file={file}")
    assert line.endswith(". The former keys stay in effect")
    file.write_text(content("a"))
    loop.run_once()
    assert messages(caplog, logging.INFO)[-1] == f"--api_keys_file={file} can be used again"


def test_a_missing_file_changes_nothing(loop: KeysLoop, file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It may be on its way."""
    file.unlink()
    loop.run_once()
    assert known(loop) == ["a"]
    assert "No such file or directory. The former keys stay in effect" in messages(caplog, logging.ERROR)[0]


def test_a_start_needs_a_file(tmp_path: Path) -> None:
    """What is none, or no regular one, is an error."""
    with pytest.raises(ConfigurationError, match=r"--api_keys_file=.*: No such file or directory"):
        KeysLoop(str(tmp_path / "none"), ignore)
    with pytest.raises(ConfigurationError, match=r"--api_keys_file=.*: expected a regular file"):
        KeysLoop(str(tmp_path), ignore)


def test_a_file_for_everybody_is_warned_of_once(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One line, though it is read again and again."""
    file.chmod(0o644)
    loop = KeysLoop(str(file), ignore)
    loop.run_once()
    assert messages(caplog, logging.WARNING) == [
        f"--api_keys_file={file} can be read by every user of this machine; chmod o-r keeps it from them"
    ]


def test_the_loop_follows_and_ends(file: Path) -> None:
    """By itself, until it is closed."""
    loop = KeysLoop(str(file), ignore, wait_seconds=0.01)
    loop.start()
    file.write_text(content("b"))
    wait_until("b is known", lambda: known(loop) == ["b"])
    loop.close(HOUR)
    file.write_text(content("c"))
    assert known(loop) == ["b"]


def test_a_death_is_told(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever kills the loop, for then nobody follows the file."""
    told: list[BaseException] = []
    loop = KeysLoop(str(file), told.append, wait_seconds=0.0)

    def die() -> None:
        raise MemoryError

    monkeypatch.setattr(loop, "run_once", die)
    loop.start()
    wait_until("the death is told", lambda: len(told) == 1)
    loop.close(HOUR)
    assert isinstance(told[0], MemoryError)
