"""The Keras MLP: what is served is the network, to the accuracy that the training printed."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest

from tests.support.server_process import ServerProcess
from tests.walks.walk import Walk

pytestmark = pytest.mark.timeout(300)

FEATURES = ("sepal_length", "sepal_width", "petal_length", "petal_width")
SPECIES = ("setosa", "versicolor", "virginica")

ACCURACY = re.compile(r"Accuracy on 50 flowers held out: (\d+\.\d)%")

ASK_KERAS = """
import json, os, sys
import keras, tensorflow
network = keras.models.load_model(sys.argv[1])
tensorflow.saved_model.save(network, sys.argv[2] + "/1")
os.chdir(sys.argv[2])
exec(sys.argv[3])
module = tensorflow.Module()
module.call = tensorflow.function(lambda x: {"x": x})
try:
    tensorflow.saved_model.save(module, "none", signatures={"serving_default": module.call})
except ValueError as error:
    assert "input signature" in str(error), error
else:
    raise AssertionError("saved a function without an input signature")
print(json.dumps(network.predict(keras.ops.array(json.load(sys.stdin)), verbose=0).tolist()))
"""


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    """The page, walked through; its server is still up."""
    with Walk("keras_mlp", tmp_path_factory.mktemp("keras_mlp")) as walk:
        walk.run()
        yield walk


@pytest.fixture(scope="module")
def flowers() -> np.ndarray:
    """All 150 flowers, float [150, 4], in the order of ``FEATURES``."""
    from sklearn.datasets import load_iris

    features: np.ndarray = load_iris().data.astype(np.float32)
    return features


@pytest.fixture(scope="module")
def as_it_is(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model directory for the network itself; ``probabilities`` saves it there.

    Its ``models/iris`` gets the version that the page's lines with ``network.export`` make.
    """
    directory = tmp_path_factory.mktemp("as_it_is")
    (directory / "models" / "iris").mkdir(parents=True)
    return directory


@pytest.fixture(scope="module")
def probabilities(walk: Walk, flowers: np.ndarray, as_it_is: Path) -> np.ndarray:
    """What Keras itself says of the flowers, in a process of its own: float [150, 3].

    It also sees that TensorFlow saves no function without an input signature, as the page says.
    """
    page = (walk.directory / "examples" / "keras_mlp" / "README.md").read_text()
    (export,) = re.findall(r"^```python\n(network\.export.*?)^```$", page, re.MULTILINE | re.DOTALL)
    command = [sys.executable, "-c", ASK_KERAS, str(walk.directory / "models" / "iris.keras"), str(as_it_is), export]
    done = subprocess.run(command, input=json.dumps(flowers.tolist()), capture_output=True, text=True, check=True)
    return np.array(json.loads(done.stdout.splitlines()[-1]))


def ask(walk: Walk, body: Mapping[str, object]) -> dict[str, list[object]]:
    """The decoded answer to a Predict over REST."""
    status, answer = walk.server.rest("POST", "/v1/models/iris:predict", json.dumps(body))
    assert status == 200, answer
    decoded: dict[str, list[object]] = json.loads(answer)
    return decoded


def test_columns_are_answered_as_keras_does(walk: Walk, flowers: np.ndarray, probabilities: np.ndarray) -> None:
    """Every flower, sent by columns, gets Keras's own probabilities and the most probable species."""
    inputs = {name: column.tolist() for name, column in zip(FEATURES, flowers.T, strict=True)}
    outputs: dict[str, list[object]] = ask(walk, {"inputs": inputs})["outputs"]  # type: ignore[assignment]
    np.testing.assert_allclose(np.array(outputs["probabilities"], float), probabilities, atol=1e-5)
    assert outputs["species"] == [SPECIES[index] for index in probabilities.argmax(axis=1)]


def test_rows_are_answered_as_keras_does(walk: Walk, flowers: np.ndarray, probabilities: np.ndarray) -> None:
    """Flowers sent by rows get an object each, with the same probabilities."""
    instances = [dict(zip(FEATURES, row, strict=True)) for row in flowers[::10].tolist()]
    predictions: list[dict[str, list[float]]] = ask(walk, {"instances": instances})["predictions"]  # type: ignore[assignment]
    found = [prediction["probabilities"] for prediction in predictions]
    np.testing.assert_allclose(found, probabilities[::10], atol=1e-5)


def test_accuracy_is_the_models_own(walk: Walk, flowers: np.ndarray, probabilities: np.ndarray) -> None:
    """The client counts what the training printed, and what Keras gets right of the same 50 flowers."""
    from sklearn.datasets import load_iris
    from sklearn.model_selection import train_test_split

    truth = load_iris().target
    held_out = train_test_split(np.arange(150), test_size=50, stratify=truth, random_state=7)[1]
    own = 100 * float((probabilities.argmax(axis=1) == truth)[held_out].mean())
    printed = [ACCURACY.findall(walk.output(script)) for script in ("train_and_export.py", "rest_client.py")]
    assert printed == [[f"{own:.1f}"]] * 2
    assert own >= 90


def test_client_prints_class_names(walk: Walk) -> None:
    """Three flowers come with the species that the model says and the true one."""
    names = "|".join(SPECIES)
    lines = re.findall(rf": ({names}) \([01]\.\d+\), is ({names})$", walk.output("rest_client.py"), re.MULTILINE)
    assert len(lines) == 3


def test_signature_has_the_names_on_the_page(walk: Walk) -> None:
    """saved_model_cli lists the inputs and outputs that the page names."""
    shown = walk.output("saved_model_cli")
    assert sorted(re.findall(r"inputs\['(\w+)'\]", shown)) == sorted(FEATURES)
    assert sorted(re.findall(r"outputs\['(\w+)'\]", shown)) == ["probabilities", "species"]


def test_one_flower_by_curl(walk: Walk) -> None:
    """The page's curl call is answered with setosa, as the data set has that flower."""
    (prediction,) = json.loads(walk.output("curl"))["predictions"]
    assert prediction["species"] == "setosa"


def test_version_that_is_there_is_kept(walk: Walk) -> None:
    """A second export of the same version fails before it trains, and says what to do."""
    saved = walk.directory / "models" / "iris" / "1" / "saved_model.pb"
    before = saved.stat().st_mtime_ns
    with pytest.raises(AssertionError, match="is there already: remove it, or give another --model_version"):
        walk.shell("python examples/keras_mlp/train_and_export.py models/iris")
    assert saved.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        pytest.param("localhost:8501/nothing", "/v1/models/iris:predict answered 404", id="refused"),
        pytest.param("localhost:1", "no answer from http://localhost:1/v1/models/iris:predict", id="nobody there"),
        pytest.param("localhost:8500", "expected --server=host:port of the REST API", id="gRPC's port"),
        pytest.param("http://localhost:8501", "expected --server=host:port of the REST API", id="http"),
        pytest.param("localhost:port", "expected --server=host:port of the REST API", id="no port"),
    ],
)
def test_client_says_what_went_wrong(walk: Walk, server: str, expected: str) -> None:
    """The client ends with status 1 and a sentence, and without a stack trace."""
    with pytest.raises(AssertionError, match=r"^status 1:") as failed:
        walk.shell(f"python examples/keras_mlp/rest_client.py --server={server}")
    assert "\nerror: " in str(failed.value)
    assert expected in str(failed.value)
    assert "Traceback" not in str(failed.value)


def test_export_of_keras(as_it_is: Path, flowers: np.ndarray, probabilities: np.ndarray) -> None:
    """The page's lines leave a whole version 2 and nothing else, and it answers as Keras does."""
    models = as_it_is / "models"
    assert [str(path.relative_to(models)) for path in [*models.iterdir(), *(models / "iris").iterdir()]] == [
        "iris",
        "iris/2",
    ]
    with ServerProcess(["--model_name=iris", f"--model_base_path={models / 'iris'}"]) as server:
        body = json.dumps({"instances": flowers.tolist()})
        status, answer = server.rest("POST", "/v1/models/iris:predict", body)
    assert status == 200, answer
    np.testing.assert_allclose(json.loads(answer)["predictions"], probabilities, atol=1e-5)


@pytest.mark.usefixtures("probabilities")
def test_network_saved_as_it_is_cannot_be_served(as_it_is: Path) -> None:
    """The page's reason for exporting the variables: with tf.saved_model.save the network loads and cannot answer."""
    with ServerProcess(["--model_name=iris", f"--model_base_path={as_it_is}"]) as server:
        status, answer = server.rest("POST", "/v1/models/iris:predict", '{"instances": [[5.1, 3.5, 1.4, 0.2]]}')
    assert status == 400
    assert b"Could not find variable" in answer
