"""The init container's script: it leaves a whole model, or nothing and a reason."""

import functools
import hashlib
import http.server
import os
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.deploy.manifests import OVERLAYS

SCRIPT = OVERLAYS / "init-container" / "fetch.py"


@pytest.fixture
def archive(models: Path, tmp_path: Path) -> Path:
    """A model's version as an archive that has it at its top."""
    path = tmp_path / "served" / "model.tar.gz"
    path.parent.mkdir()
    with tarfile.open(path, "w:gz") as file:
        for member in (models / "half_plus_two" / "123").iterdir():
            file.add(member, member.name)
    return path


@pytest.fixture
def url(archive: Path) -> Iterator[str]:
    """Where it can be fetched."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=archive.parent)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/model.tar.gz"
        server.shutdown()


def fetched(url: str, digest: str, directory: Path) -> "subprocess.CompletedProcess[str]":
    """The script, run as the pod does, without proxies."""
    environment = {"URL": url, "SHA256": digest, "DIRECTORY": str(directory), "PATH": os.environ["PATH"]}
    command = [sys.executable, "-I", str(SCRIPT)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def digest(archive: Path) -> str:
    return hashlib.sha256(archive.read_bytes()).hexdigest()


def test_model_is_put_in_place(url: str, archive: Path, models: Path, tmp_path: Path) -> None:
    """With the files that it had, and nothing beside them; a second start of the pod leaves it."""
    place = tmp_path / "models" / "model" / "1"
    first = fetched(url, digest(archive), place)
    assert (first.returncode, first.stderr) == (0, "")
    original = models / "half_plus_two" / "123"
    for path in (each for each in original.rglob("*") if each.is_file()):
        assert (place / path.relative_to(original)).read_bytes() == path.read_bytes()
    assert list(place.parent.iterdir()) == [place]
    archive.unlink()
    assert "is there already" in fetched(url, "", place).stdout


def test_another_archive_is_refused(url: str, archive: Path, tmp_path: Path) -> None:
    """The reason names both hashes; a later attempt is not hindered by what the first left."""
    place = tmp_path / "models" / "1"
    refused = fetched(url, "0" * 64, place)
    assert refused.returncode == 1
    assert digest(archive) in refused.stderr
    assert not place.exists()
    assert fetched(url, digest(archive), place).returncode == 0


def test_archive_without_a_model_is_refused(url: str, archive: Path, tmp_path: Path) -> None:
    """As one with a directory around it."""
    with tarfile.open(archive, "w:gz") as file:
        file.add(SCRIPT, "model/saved_model.pb")
    refused = fetched(url, digest(archive), tmp_path / "1")
    assert refused.returncode == 1
    assert "has no saved_model.pb at its top: ['model']" in refused.stderr
    assert not (tmp_path / "1").exists()
