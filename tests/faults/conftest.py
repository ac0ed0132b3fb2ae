"""What the faults share: where a server's models stand, and the healthy one."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import made_by
from tests.faults.under_load import FLAGS
from tests.soak.many_models import MAKE_WEIGHTS
from tests.support.server_process import ServerProcess, write_model_config

if not Path("/proc/self/task").is_dir():
    collect_ignore_glob = ["test_*.py"]  # what a process holds is read in /proc

LONG = os.environ.get("FAULTS") == "long"
"""Whether this is `make faults`, which takes its time."""


def served(models: Path, folder: Path) -> tuple[Path, str]:
    """A base path with the healthy version 1, half_plus_three, and the flag for it as ``m`` and another ``healthy``."""
    shutil.copytree(models / "half_plus_three" / "1", folder / "base" / "1")
    base_paths = {"healthy": models / "half_plus_three", "m": folder / "base"}
    return folder / "base", f"--model_config_file={write_model_config(folder / 'models.config', base_paths)}"


@pytest.fixture
def base(models: Path, tmp_path: Path) -> Path:
    """A base path of a model to come to harm."""
    return served(models, tmp_path)[0]


@pytest.fixture
def config(base: Path) -> str:
    """The flag for two models, ``healthy`` and ``m``, the latter with all its versions."""
    return f"--model_config_file={base.parent / 'models.config'}"


@pytest.fixture
def server(config: str) -> Iterator[ServerProcess]:
    """A server of both."""
    with ServerProcess((config, *FLAGS)) as server:
        yield server


@pytest.fixture(scope="session")
def heavy(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base path of a model with 16 MiB of weights, which adds 5."""
    return made_by(MAKE_WEIGHTS, pytestconfig, tmp_path_factory) / "heavy"
