"""The SavedModels that tests run on: written once by ``tests/parity/make_models.py``, then kept between test runs."""

import hashlib
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "parity" / "make_models.py"


def key() -> str:
    """What the models depend on: the script and TensorFlow."""
    versions = [
        f"{name} {distribution.version}"
        for distribution in metadata.distributions()
        if (name := distribution.metadata["Name"]) in ("tensorflow", "tensorflow-cpu", "tensorflow_cpu")
    ]
    return hashlib.sha256(SCRIPT.read_bytes() + "\n".join(sorted(versions)).encode()).hexdigest()[:16]


def make(directory: Path) -> None:
    """Fill ``directory``, all of it or not at all, for another test run may be looking."""
    with tempfile.TemporaryDirectory(dir=directory.parent) as unfinished:
        result = subprocess.run(
            [sys.executable, str(SCRIPT), f"{unfinished}/models"], capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stderr
        try:
            Path(unfinished, "models").rename(directory)
        except OSError:
            assert directory.is_dir()  # another run was first


@pytest.fixture(scope="session")
def models(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of models, ``{name}/{version}``, to read only. Making it takes some seconds, once."""
    cache: pytest.Cache | None = getattr(pytestconfig, "cache", None)  # absent with -p no:cacheprovider
    parent = tmp_path_factory.mktemp("models") if cache is None else cache.mkdir("models")
    directory = parent / key()
    if not directory.is_dir():
        make(directory)
    return directory
