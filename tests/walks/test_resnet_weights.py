"""What ResNet-50's export refuses, and its clients: files with no weights for it, and models with other classes."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.server_process import ServerProcess
from tests.walks.walk import EXAMPLES

pytestmark = pytest.mark.timeout(300)

SCRIPTS = EXAMPLES / "resnet"

UNFIT = """
import json, sys
from pathlib import Path
import keras, tensorflow as tf
scripts, directory = map(Path, sys.argv[1:])
sys.path.insert(0, str(scripts))
import export

def network(colours, classes):
    layers = keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(classes)
    return keras.Sequential([keras.Input([224, 224, colours]), *layers])
(directory / "empty.h5").touch()
(directory / "empty.keras").touch()
network(3, 1000).save_weights(directory / "other.weights.h5")
network(1, 1000).save(directory / "grey.keras")
network(3, 10).save(directory / "ten.keras")
said = {}
for file in sorted(path.name for path in directory.iterdir()):
    try:
        export.network(directory / file)
    except SystemExit as ended:
        said[file] = ended.code

def classify(image_bytes):
    return {"probabilities": tf.fill([tf.size(image_bytes), 10], 0.1)}
signature = tf.function(classify, input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
tf.saved_model.save(tf.Module(), str(directory / "ten" / "1"), signatures={"serving_default": signature})
print(json.dumps(said))
"""


class Unfit(NamedTuple):
    """``said``: the last words of export.py on each file in ``directory``, which also has ``ten/1``.

    That is a SavedModel with ten classes, and without another output.
    """

    directory: Path
    said: Mapping[str, str]


def export(directory: Path, *arguments: str) -> tuple[int, str, list[str]]:
    """The status of export.py for the model ``directory``, what it printed, and the versions that are there then."""
    command = [sys.executable, str(SCRIPTS / "export.py"), str(directory), *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    found = sorted(path.name for path in directory.iterdir()) if directory.exists() else []
    return done.returncode, done.stdout, found


@pytest.fixture(scope="module")
def unfit(tmp_path_factory: pytest.TempPathFactory) -> Unfit:
    """All that needs Keras to be made or refused, in one process, for each would import it."""
    directory = tmp_path_factory.mktemp("unfit")
    command = [sys.executable, "-c", UNFIT, str(SCRIPTS), str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return Unfit(directory, json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture(scope="module")
def ten_classes(unfit: Unfit) -> Iterator[ServerProcess]:
    """A server that has a model with ten classes under the name that the clients ask for."""
    with ServerProcess(["--model_name=resnet", f"--model_base_path={unfit.directory / 'ten'}"]) as server:
        yield server


def test_another_saved_model_is_refused(models: Path, tmp_path: Path) -> None:
    """A SavedModel that the clients could not ask is not copied, and what it has is named."""
    status, printed, found = export(tmp_path / "copy", f"--weights={models / 'half_plus_two' / '123'}")
    assert (status, found) == (1, [])
    assert "expected a serving_default of image_bytes to probabilities; found: x to y" in printed


@pytest.mark.parametrize(
    ("files", "weights", "expected"),
    [
        pytest.param([], "none", "not there", id="missing"),
        pytest.param(["readme.txt"], "", "found: none", id="none"),
        pytest.param(["a.h5", "b.keras"], "", "found: a.h5, b.keras", id="two"),
        pytest.param(["a.ckpt"], "a.ckpt", "found: a.ckpt", id="another kind"),
    ],
)
def test_weights_that_are_none(tmp_path: Path, files: list[str], weights: str, expected: str) -> None:
    """Where there is nothing to read, the program says so at once, and leaves nothing behind."""
    (tmp_path / "weights").mkdir()
    for file in files:
        (tmp_path / "weights" / file).touch()
    status, printed, found = export(tmp_path / "model", f"--weights={tmp_path / 'weights' / weights}")
    assert (status, found) == (1, [])
    assert expected in printed


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        pytest.param("empty.h5", "Keras cannot use it as a ResNet50: Unable to", id="empty"),
        pytest.param("empty.keras", "Keras cannot use it as a ResNet50: File not found", id="empty network"),
        pytest.param("other.weights.h5", "Keras cannot use it as a ResNet50: A total of", id="another network's"),
        pytest.param("grey.keras", "Keras cannot use it as a ResNet50: Exception encountered", id="other pictures"),
        pytest.param("ten.keras", "expected probabilities of the 1000 classes of labels.txt", id="other classes"),
    ],
)
def test_weights_that_do_not_fit(unfit: Unfit, file: str, expected: str) -> None:
    """What Keras cannot use, or what has no name in labels.txt, is told in a sentence that names the file."""
    assert unfit.said[file].startswith(f"error: --weights={unfit.directory / file}: {expected}")
    assert "\n" not in unfit.said[file]
    assert len(unfit.said[file]) < 400 + len(str(unfit.directory))


def test_refused_weights_leave_nothing(unfit: Unfit, tmp_path: Path) -> None:
    """After a refusal there is no version, nor a part of one, and no stack trace was printed."""
    status, printed, found = export(tmp_path / "model", f"--weights={unfit.directory / 'empty.h5'}")
    assert (status, found) == (1, [])
    assert "Traceback" not in printed


def test_a_saved_model_with_other_classes_is_refused(unfit: Unfit, tmp_path: Path) -> None:
    """A SavedModel whose classes have no names is not copied, and the shape that it has is told."""
    status, printed, found = export(tmp_path / "model", f"--weights={unfit.directory / 'ten' / '1'}")
    assert (status, found) == (1, [])
    assert "or of 1001 with a background in front; found: the shape [-1, 10]" in printed


def test_a_damaged_saved_model_is_refused(tmp_path: Path) -> None:
    """A saved_model.pb that is none is told."""
    (tmp_path / "saved_model.pb").write_bytes(b"\xff\xff")
    status, printed, _ = export(tmp_path / "model", f"--weights={tmp_path}")
    assert status == 1
    assert "saved_model.pb is damaged" in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize("client", ["rest_client.py", "grpc_client.py"])
def test_clients_tell_of_other_classes(ten_classes: ServerProcess, client: str) -> None:
    """A client of a model with other classes says how many there are, and how many it has names for."""
    port = ten_classes.rest_port if client == "rest_client.py" else ten_classes.grpc_port
    command = [sys.executable, str(SCRIPTS / client), f"--server=localhost:{port}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "error: expected probabilities of the 1000 classes of labels.txt, or of 1001 with a background in front; "
        "the model has 10\n"
    )


def test_a_version_is_never_overwritten(tmp_path: Path) -> None:
    """What is served stays as it is."""
    (tmp_path / "1").mkdir()
    status, printed, _ = export(tmp_path)
    assert (status, "is there already" in printed) == (1, True)
