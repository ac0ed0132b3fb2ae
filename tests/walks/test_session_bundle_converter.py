"""The converter of SessionBundles on every kind that there is: checkpoints, variables, assets, and what is broken."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pytest

from serving.client import Client
from serving.protos import MetaGraphDef
from tests.server.tensorflow.test_session_bundle import (
    SIBLING_MODELS,
    SIBLINGS,
    drop_signatures,
    initialise_twice,
    name_an_unknown_tensor,
    use_an_unknown_operation,
)
from tests.support.server_process import REPOSITORY, ServerProcess, write_model_config

pytestmark = pytest.mark.timeout(300)

SIBLING = SIBLING_MODELS / "session_bundle_half_plus_two" / "00000123"
CHECKPOINT = "export-00000-of-00001"

KINDS = ("tutorial", "file", "new", "resources")
"""A checkpoint in shards, in one file, with an index; and a resource variable."""

Edit = Callable[[Path], object]


def edited(edit: Callable[[Any], None]) -> Edit:
    """An edit of a MetaGraphDef as one of the directory that it is in."""

    def apply(path: Path) -> None:
        meta_graph = MetaGraphDef.FromString((path / "export.meta").read_bytes())
        edit(meta_graph)
        (path / "export.meta").write_bytes(meta_graph.SerializeToString())

    return apply


BROKEN: Mapping[str, tuple[Edit, str]] = MappingProxyType(
    {
        "no bundle": (lambda path: (path / "export.meta").unlink(), "is no session bundle: it has no export.meta"),
        "no message": (
            lambda path: (path / "export.meta").write_bytes(b"\xff\xff"),
            "export.meta as binary proto (MetaGraphDef)",
        ),
        "no graph": (lambda path: (path / "export.meta").write_bytes(b""), "has no graph; expected a MetaGraphDef"),
        "no signatures": (edited(drop_signatures), "export.meta lacks the collection serving_signatures"),
        "no checkpoint": (lambda path: (path / CHECKPOINT).unlink(), "has no checkpoint: expected export, export-???"),
        "damaged checkpoint": (lambda path: (path / CHECKPOINT).write_bytes(b"damaged"), "cannot be converted: "),
        "no asset": (lambda path: (path / "assets/text.txt").unlink(), "text.txt is missing, which export.meta names"),
        "init operations": (edited(initialise_twice), "export.meta, found 3"),
        "unknown operation": (edited(use_an_unknown_operation), "UnheardOf"),
        "unknown tensor": (edited(name_an_unknown_tensor), "'nowhere:0'"),
    }
)
"""What is done to a copy of the bundle ``tutorial`` before it is converted, and what the converter then says."""


class Converted(NamedTuple):
    """SavedModels at directory/NAME/1, and by NAME the converter's status and what it printed."""

    directory: Path
    outcomes: Mapping[str, tuple[int, str]]


@pytest.fixture(scope="module")
def converted(other_kinds: Path, tmp_path_factory: pytest.TempPathFactory) -> Converted:
    """Every bundle that the tests have, and the broken ones, converted in one process: TensorFlow starts slowly."""
    scratch = tmp_path_factory.mktemp("bundles")
    sources = {name: other_kinds / name / "1" for name in KINDS} | {"resources": scratch / "resources"}
    for name, (damage, _) in BROKEN.items():
        sources[name] = shutil.copytree(other_kinds / "tutorial" / "1", scratch / name)
        damage(sources[name])
    if SIBLING.is_dir():
        sources["sibling"] = SIBLING
    sources["existing"] = sources["file"]
    (scratch / "converted" / "existing" / "1").mkdir(parents=True)
    commands = [
        [f"--session_bundle={source}", f"--saved_model={scratch / 'converted' / name / '1'}"]
        # Its assets are not beside it.
        + ["--allow_missing_assets"] * (name == "sibling")
        for name, source in sources.items()
    ]
    script = [sys.executable, str(Path(__file__).with_name("convert_many.py")), str(scratch)]
    done = subprocess.run(
        script, input=json.dumps(commands), cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    outcomes = ((status, printed) for status, printed in json.loads(done.stdout.splitlines()[-1]))
    return Converted(scratch / "converted", dict(zip(sources, outcomes, strict=True)))


@pytest.fixture(scope="module")
def client(converted: Converted, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A server with everything that could be converted."""
    names = [name for name, (status, _) in converted.outcomes.items() if status == 0]
    config = write_model_config(
        tmp_path_factory.mktemp("config") / "models.config", {name: converted.directory / name for name in names}
    )
    with (
        ServerProcess([f"--model_config_file={config}"]) as server,
        Client(f"localhost:{server.grpc_port}") as client,
    ):
        yield client


@pytest.mark.parametrize(
    ("name", "signature", "expected"),
    [
        pytest.param("tutorial", "predict", [2.5, 3.0, 4.5], id="shards"),
        pytest.param("file", "", [2.5, 3.0, 4.5], id="one file"),
        pytest.param("resources", "", [3.0, 6.0, 15.0], id="resource variable"),
        pytest.param("sibling", "predict", [2.5, 3.0, 4.5], id="TensorFlow Serving's own", marks=SIBLINGS),
    ],
)
def test_predict(client: Client, name: str, signature: str, expected: list[float]) -> None:
    """The conversion has the values of the variables, and a signature for Predict."""
    assert client.predict(name, {"x": [1.0, 2.0, 5.0]}, signature=signature)["y"].tolist() == expected


@pytest.mark.parametrize("name", ["tutorial", "new", pytest.param("sibling", marks=SIBLINGS)])
def test_regress(client: Client, name: str) -> None:
    """A default regression signature is what Regress calls by default."""
    np.testing.assert_array_equal(client.regress(name, [{"x": 1.0}, {"x": 5.0}]), [2.5, 4.5])


def test_init_operation_reads_the_asset(client: Client) -> None:
    """The init operation runs when the SavedModel is loaded, with the file that is in it."""
    answer = client.predict("tutorial", {"x": [1.0]}, signature="everything")
    assert answer["text"].item() == b"an asset"


@pytest.mark.parametrize("name", KINDS)
def test_success_is_told(converted: Converted, name: str) -> None:
    """The converter ends with 0 and says where the SavedModel is."""
    status, printed = converted.outcomes[name]
    assert status == 0
    assert f"Wrote {converted.directory / name / '1'}: variables " in printed


@pytest.mark.parametrize("name", BROKEN)
def test_broken_bundles(converted: Converted, name: str) -> None:
    """What cannot be converted ends with status 1 and a sentence."""
    status, printed = converted.outcomes[name]
    assert status == 1
    assert printed.startswith("error: ")
    assert BROKEN[name][1] in printed


@pytest.mark.parametrize("name", [*KINDS, *BROKEN])
def test_nothing_else_is_left(converted: Converted, name: str) -> None:
    """After a conversion there is the SavedModel, after a failure nothing, and never a half."""
    left = [path.name for path in (converted.directory / name).glob("*")]
    assert left == ([] if name in BROKEN else ["1"])


def test_existing_targets_are_kept(converted: Converted) -> None:
    """What is there already is not written over."""
    status, printed = converted.outcomes["existing"]
    assert (status, "existing/1 is there already" in printed) == (1, True)
    assert list((converted.directory / "existing" / "1").iterdir()) == []
