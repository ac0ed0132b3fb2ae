"""The flags of the request log: a directory that can be written to, or a start that says why not."""

from pathlib import Path

import pytest

from serving.core.request_logging import RequestLogging
from serving.errors import ConfigurationError
from serving.request_log.opening import open_request_log
from serving.settings import Settings

ALWAYS = {"m": RequestLogging(filename_prefix="m", rate=1.0)}


def test_directory_is_made(tmp_path: Path) -> None:
    """A directory that is missing is made, with those above it."""
    directory = tmp_path / "a" / "b"
    open_request_log(Settings(request_log_directory=str(directory)), ()).check(ALWAYS)
    assert directory.is_dir()


def test_no_directory_is_no_log() -> None:
    """Without the flag no model can be logged."""
    with pytest.raises(ConfigurationError):
        open_request_log(Settings(), ()).check(ALWAYS)


@pytest.mark.parametrize("below", ["", "/below"], ids=["a file", "below a file"])
def test_file_in_the_way(below: str, tmp_path: Path) -> None:
    """A start fails at once, and names the flag."""
    (tmp_path / "file").write_bytes(b"")
    directory = f"{tmp_path}/file{below}"
    with pytest.raises(ConfigurationError, match=f"--request_log_directory={directory}: "):
        open_request_log(Settings(request_log_directory=directory), ())
