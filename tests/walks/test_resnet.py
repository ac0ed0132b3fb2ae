"""ResNet-50: both clients print what TensorFlow itself says of the picture; weights and models of others are taken."""

import base64
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.walks.test_resnet_weights import SCRIPTS, export
from tests.walks.walk import Walk

pytestmark = pytest.mark.timeout(300)

PICTURE = SCRIPTS / "flower.jpg"
TOLERANCE = 1e-4
"""What optimisation at load may change, docs/performance.md."""

CLIENTS = [pytest.param("rest_client.py", id="rest"), pytest.param("grpc_client.py", id="grpc")]

FILES = ("new.weights.h5", "old.h5", "whole.keras")
"""What Keras writes weights to: its present format, the one before, and with the network."""

ASK_TENSORFLOW = """
import json, sys
from pathlib import Path
import keras, numpy as np, tensorflow as tf
scripts, version, directory, *pictures = map(Path, sys.argv[1:])
model = tf.saved_model.load(str(version)).signatures["serving_default"]
probabilities = model(tf.constant([path.read_bytes() for path in pictures]))["probabilities"]

keras.utils.set_random_seed(7)
network = keras.applications.ResNet50(weights=None)
picture = tf.io.decode_jpeg(pictures[0].read_bytes()).numpy()
assert picture.shape == (320, 480, 3)
middle = tf.image.resize(picture, [256, 384]).numpy()[16:240, 80:304]
prepared = middle[..., ::-1] - np.float32([103.939, 116.779, 123.68])
by_hand = network(prepared[None], training=False)

sys.path.insert(0, str(scripts))
import export
def same(name):
    (network.save_weights if ".weights." in name else network.save)(directory / name)
    pairs = list(zip(network.get_weights(), export.network(directory / name).get_weights(), strict=True))
    return len(pairs) == 320 and all((one == other).all() for one, other in pairs)
answer = {"probabilities": np.array(probabilities).tolist(), "by_hand": np.array(by_hand)[0].tolist()}
print(json.dumps({**answer, "same": {name: same(name) for name in sys.stdin.read().split()}}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What TensorFlow says, in a process of its own.

    ``probabilities``: of the pictures, by the version that the page made, float [2, 1000]; ``by_hand``: of the first
    picture, prepared step by step, by Keras's network, float [1000]; ``same``: whether export.py reads a file's weights
    back.
    """

    probabilities: np.ndarray
    by_hand: np.ndarray
    same: Mapping[str, bool]


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    """The page, walked through; its server is still up."""
    with Walk("resnet", tmp_path_factory.mktemp("resnet")) as walk:
        walk.run()
        yield walk
    # pytest keeps temporary directories of three runs, and this one has 100 MB.
    shutil.rmtree(walk.directory / "models")


@pytest.fixture(scope="module")
def version(walk: Walk) -> Path:
    """The version that the page made."""
    return walk.directory / "models" / "resnet" / "1"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The picture of the example, and a PNG that is higher than it is wide."""
    noise = np.random.default_rng(1).integers(0, 256, (311, 157, 3), dtype=np.uint8)
    png = tmp_path_factory.mktemp("pictures") / "noise.png"
    Image.fromarray(noise).save(png)
    return [PICTURE, png]


@pytest.fixture(scope="module")
def reference(version: Path, pictures: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """One process for all that is asked of TensorFlow, for each would import it."""
    directory = tmp_path_factory.mktemp("weights")
    arguments = map(str, (SCRIPTS, version, directory, *pictures))
    command = [sys.executable, "-c", ASK_TENSORFLOW, *arguments]
    done = subprocess.run(command, input=" ".join(FILES), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    shutil.rmtree(directory)
    answer = json.loads(done.stdout.splitlines()[-1])
    probabilities, by_hand = np.array(answer["probabilities"]), np.array(answer["by_hand"])
    return Reference(probabilities=probabilities, by_hand=by_hand, same=answer["same"])


def test_export_warns_of_random_weights(walk: Walk) -> None:
    """Without weights it is said that the labels mean nothing."""
    assert "the labels mean nothing" in walk.output("export.py")


def test_saved_model_cli_shows_the_input(walk: Walk) -> None:
    """The page quotes what is printed."""
    quoted = re.findall(r"^```text\n(.*?)^```$", (SCRIPTS / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert [text for text in quoted if text not in walk.output("saved_model_cli")] == []
    assert quoted


@pytest.mark.parametrize("client", CLIENTS)
def test_clients_print_the_best_five(walk: Walk, reference: Reference, client: str) -> None:
    """Classes in TensorFlow's order, by their names, with its probabilities."""
    labels = (SCRIPTS / "labels.txt").read_text().splitlines()
    printed = re.findall(r"^(0\.\d{6})  ( *\d+)  (.+)$", walk.output(client), re.MULTILINE)
    probabilities = reference.probabilities[0]
    expected = np.argsort(-probabilities)[:5]
    assert [int(index) for _, index, _ in printed] == expected.tolist()
    assert [label for _, _, label in printed] == [labels[index] for index in expected]
    np.testing.assert_allclose([float(each) for each, _, _ in printed], probabilities[expected], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("client", CLIENTS)
def test_clients_print_the_latency(walk: Walk, client: str) -> None:
    """Six lines, and the last one tells of the 100 requests that were asked for."""
    lines = walk.output(client).splitlines()
    assert len(lines) == 6
    assert re.fullmatch(r"100 requests: mean \d+\.\d ms, p99 \d+\.\d ms", lines[-1])


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        pytest.param(
            "rest_client.py --server=localhost:8501 --image=examples/resnet/labels.txt",
            "Unknown image file format",
            id="rest, no picture",
        ),
        pytest.param(
            "grpc_client.py --server=localhost:8500 --image=examples/resnet/labels.txt",
            "Unknown image file format",
            id="grpc, no picture",
        ),
        pytest.param(
            "rest_client.py --server=localhost:8500",
            "expected --server=host:port of the REST API",
            id="rest, gRPC's port",
        ),
        pytest.param("grpc_client.py --server=localhost:8501", "UNAVAILABLE", id="grpc, REST's port"),
    ],
)
def test_clients_tell_what_was_wrong(walk: Walk, command: str, expected: str) -> None:
    """A client ends with a sentence: the server's words on a file that is no picture, its own on the other port."""
    printed = walk.shell(f"! python examples/resnet/{command}")
    assert printed.startswith("error: ")
    assert expected in printed
    assert "Traceback" not in printed


def test_batches_of_files(walk: Walk, pictures: list[Path], reference: Reference) -> None:
    """JPEG and PNG in one request, of any proportions: all probabilities are TensorFlow's."""
    instances = [{"b64": base64.b64encode(path.read_bytes()).decode()} for path in pictures]
    status, body = walk.server.rest("POST", "/v1/models/resnet:predict", json.dumps({"instances": instances}))
    assert status == 200, body
    rows = json.loads(body)["predictions"]
    assert [row["classes"] for row in rows] == np.argmax(reference.probabilities, axis=-1).tolist()
    np.testing.assert_allclose([row["probabilities"] for row in rows], reference.probabilities, rtol=0, atol=TOLERANCE)


def test_pictures_are_prepared_as_keras_wants_them(reference: Reference) -> None:
    """The middle at the right size, blue first, the means of ImageNet taken off: worked out by hand."""
    np.testing.assert_allclose(reference.probabilities[0], reference.by_hand, rtol=0, atol=TOLERANCE)


def test_the_version_is_warm_and_can_be_optimised(walk: Walk) -> None:
    """The warm-up request is made, and gives optimisation what it needs; what comes of that depends on the machine."""
    log = "".join(walk.server.output)
    assert "Number of warmup records read: 1." in log
    assert re.search(r"resnet version: 1\}: trying faster ways to run it", log), log
    assert "there is nothing to compare its answers on" not in log


@pytest.mark.parametrize("file", FILES)
def test_weights_of_keras_are_read(reference: Reference, file: str) -> None:
    """Each kind of file that Keras writes gives the network its weights back."""
    assert reference.same[file] is True


def test_a_saved_model_is_copied(version: Path, tmp_path: Path) -> None:
    """A SavedModel with the right input and output becomes the version as it is."""
    status, printed, found = export(tmp_path / "copy", f"--weights={version}")
    assert (status, found) == (0, ["1"]), printed
    names = sorted(path.relative_to(version) for path in version.rglob("*") if path.is_file())
    assert sorted(p.relative_to(tmp_path / "copy/1") for p in (tmp_path / "copy/1").rglob("*") if p.is_file()) == names
    assert all((tmp_path / "copy/1" / name).read_bytes() == (version / name).read_bytes() for name in names)
    shutil.rmtree(tmp_path / "copy")
