"""Each file of a SavedModel cut, emptied or gone, in a new version beside a healthy one."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from tests.faults.conftest import served
from tests.faults.light_load import healthy
from tests.faults.under_load import FLAGS, fault
from tests.support.server_process import ServerProcess

VERSION = count(2)


def cut(path: Path) -> None:
    """Half of it is there, as of a copy that ended."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def emptied(path: Path) -> None:
    """As of a copy to a full disk."""
    path.write_bytes(b"")


def gone(path: Path) -> None:
    """As of a copy that forgot it."""
    path.unlink()


FILES = ("saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001")
"""What a version cannot do without."""
Harm = Callable[[Path], None]

SAYS: dict[tuple[str, Harm], str] = {
    (FILES[0], cut): "the SavedModel cannot be parsed",
    (FILES[0], emptied): "saved_model.pb is empty",
    (FILES[0], gone): "saved_model.pb is missing in",
    (FILES[1], cut): "variables.index is damaged",
    (FILES[1], emptied): "variables.index is empty",
    (FILES[1], gone): "variables.index is missing",
    (FILES[2], cut): "variables.data-00000-of-00001 is cut off",
    (FILES[2], emptied): "the data of the checkpoint in ",
    (FILES[2], gone): "variables.data-00000-of-00001 is missing",
}
"""Of each harm, in the log; TensorFlow's own words name a file in three of the nine."""
NOT_NEEDED = ("fingerprint.pb", "assets/asset.txt")


@dataclass(frozen=True, slots=True)
class Serving:
    """A server, and the base path of its model ``m``."""

    server: ServerProcess
    base: Path


@pytest.fixture(scope="module")
def serving(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    base, config = served(models, tmp_path_factory.mktemp("served"))
    with ServerProcess((config, *FLAGS)) as server:
        yield Serving(server, base)


@pytest.fixture
def incoming(models: Path, tmp_path: Path) -> Path:
    """A version of a real model, to be broken and then renamed into its place."""
    shutil.copytree(models / "half_plus_two" / "123", tmp_path / "incoming")
    shutil.copy(models / "half_plus_three" / "1" / "fingerprint.pb", tmp_path / "incoming")
    return tmp_path / "incoming"


def states(server: ServerProcess) -> dict[str, str]:
    """The state of each version of ``m``."""
    versions = json.loads(server.rest("GET", "/v1/models/m")[1])["model_version_status"]
    return {each["version"]: each["state"] for each in versions}


@pytest.mark.parametrize("harm", [cut, emptied, gone])
@pytest.mark.parametrize("file", FILES)
def test_the_old_version_goes_on(serving: Serving, incoming: Path, file: str, harm: Harm) -> None:
    """The version does not load, the log says what is wrong with which file, and nothing is held for it."""
    harm(incoming / file)
    server, version = serving.server, next(VERSION)
    with fault(server), healthy(server, "m").running() as old:
        incoming.rename(serving.base / str(version))
        server.wait_for(re.escape(f"Servable {{name: m version: {version}}} cannot be loaded"))
        said = server.wait_for(rf"--doctor says: model m version {version}: (.*)")[1]
        old.is_answered()
    assert old.trouble == []
    assert states(server)["1"] == "AVAILABLE"
    assert states(server)[str(version)] == "END"
    assert SAYS[file, harm] in said


@pytest.mark.parametrize("harm", [cut, emptied, gone])
@pytest.mark.parametrize("file", NOT_NEEDED)
def test_what_is_not_needed(serving: Serving, incoming: Path, file: str, harm: Harm) -> None:
    """Files that say nothing about how to answer keep no version from loading."""
    harm(incoming / file)
    server, version = serving.server, next(VERSION)
    with fault(server):
        incoming.rename(serving.base / str(version))
        server.wait_for(re.escape(f"Successfully loaded servable version {{name: m version: {version}}}"))
        shutil.rmtree(serving.base / str(version))
        server.wait_for(re.escape(f"Done unloading servable version {{name: m version: {version}}}"))
