"""What the builder's tests share: a small source tree of the project's form."""

import os
import shutil
import tomllib
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[2]

_PINNED = tomllib.loads((ROOT / "build" / "pins.toml").read_text())["base"]
BASE = os.environ.get("BASE_IMAGE") or f"{_PINNED['image']}:{_PINNED['tag']}@{_PINNED['digest']}"
"""The base of the images that are built here: BASE_IMAGE where none can be pulled, or the pinned one."""


def make_tree(directory: Path) -> Path:
    """A copy of the small tree, with the project's own Dockerfile for carrying a wheel."""
    shutil.copytree(HERE / "fixtures" / "tree", directory)
    shutil.copy(ROOT / "build" / "images" / "wheels.Dockerfile", directory / "build" / "images")
    return directory


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small source tree that can be planned and built."""
    return make_tree(tmp_path / "tree")
