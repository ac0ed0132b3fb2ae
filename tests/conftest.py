"""What holds for all tests: their tiers, which of them stay together, and the models that they run on.

The models are written once by the scripts that make them, then kept between test runs.
"""

import fcntl
import hashlib
import os
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from tests.support import properties, workers

properties.load_profile(os.environ)

# gRPC and curl would ask a proxy for servers of this machine. Before anything reads them, for children too.
for _name in ("no_proxy", "NO_PROXY"):
    os.environ[_name] = ",".join(filter(None, [os.environ.get(_name), "localhost", "127.0.0.1"]))

HERE = Path(__file__).parent
SAVED_MODELS = HERE / "parity" / "make_models.py"
OTHER_KINDS = HERE / "server" / "tensorflow" / "make_models.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with its tier, which is the folder that it is in."""
    for item in items:
        item.add_marker(item.path.relative_to(HERE).parts[0])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> workers.Together:
    """Tests that share a server run on the same worker."""
    return workers.Together(config, log)


def key(script: Path) -> str:
    """What the models depend on: the script and TensorFlow."""
    versions = [
        f"{name} {distribution.version}"
        for distribution in metadata.distributions()
        if (name := distribution.metadata["Name"]) in ("tensorflow", "tensorflow-cpu", "tensorflow_cpu")
    ]
    return hashlib.sha256(script.read_bytes() + "\n".join(sorted(versions)).encode()).hexdigest()[:16]


def make(script: Path, directory: Path) -> None:
    """Fill ``directory``, all of it or not at all, for a test run may end in between."""
    with tempfile.TemporaryDirectory(dir=directory.parent) as unfinished:
        result = subprocess.run(
            [sys.executable, str(script), f"{unfinished}/models"], capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stderr
        Path(unfinished, "models").rename(directory)


def made_by(script: Path, pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory that a script fills, from an earlier run if there was one."""
    cache: pytest.Cache | None = getattr(pytestconfig, "cache", None)  # absent with -p no:cacheprovider
    parent = tmp_path_factory.mktemp("models") if cache is None else cache.mkdir("models")
    directory = parent / key(script)
    with (parent / f"{directory.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the other workers wait instead of making them too
        if not directory.is_dir():
            make(script, directory)
    return directory


@pytest.fixture(scope="session")
def models(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of SavedModels, ``{name}/{version}``, to read only. Making it takes some seconds, once."""
    return made_by(SAVED_MODELS, pytestconfig, tmp_path_factory)


@pytest.fixture(scope="session")
def other_kinds(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of models that are no SavedModels, to read only: ``tests/server/tensorflow/make_models.py``."""
    return made_by(OTHER_KINDS, pytestconfig, tmp_path_factory)
