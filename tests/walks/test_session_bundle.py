"""The export of TensorFlow 0.x: what is served from it and from its conversion is what its weights say."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import grpc
import numpy as np
import pytest

from serving.client import Client, Prediction, ServingError
from tests.support.server_process import ServerProcess, write_model_config
from tests.walks.walk import Walk

pytestmark = pytest.mark.timeout(300)

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
ACCURACY = re.compile(r"[Aa]ccuracy (?:on 597 digits held out:? )?(\d+\.\d)%")

READ_WEIGHTS = """
import json, sys
import tensorflow as tf
reader = tf.compat.v1.train.NewCheckpointReader(sys.argv[1])
print(json.dumps([reader.get_tensor(name).tolist() for name in ("weights", "bias")]))
"""


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    """The page, walked through; its server is still up."""
    with Walk("session_bundle", tmp_path_factory.mktemp("session_bundle")) as walk:
        walk.run()
        yield walk


@pytest.fixture(scope="module")
def versions(walk: Walk) -> Path:
    """The directory of the model: the bundle is version 00000001, its conversion version 2."""
    return walk.directory / "models" / "old_digits"


class HeldOut(NamedTuple):
    """images: float32 [597, 64]; labels: int64 [597]; scores: what numpy makes of the trained weights, [597, 10]."""

    images: np.ndarray
    labels: np.ndarray
    scores: np.ndarray


@pytest.fixture(scope="module")
def held_out(versions: Path) -> HeldOut:
    """The digits that the training did not see, and the answers by arithmetic on what is in the checkpoint."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    command = [sys.executable, "-c", READ_WEIGHTS, str(versions / "00000001" / "export-00000-of-00001")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    weights, bias = (np.array(value) for value in json.loads(done.stdout))
    pixels, labels = load_digits(return_X_y=True)
    _, images, _, truth = train_test_split(pixels / 16, labels, test_size=597, random_state=7)
    powers = np.exp(images @ weights + bias)
    return HeldOut(images.astype(np.float32), truth, powers / powers.sum(axis=1, keepdims=True))


@pytest.fixture(scope="module")
def client(versions: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A server with the models ``bundle``, ``saved_model``, and ``moved``: a copy whose asset has other words."""
    directory = tmp_path_factory.mktemp("both")
    for name, version in (("bundle", "00000001"), ("saved_model", "2"), ("moved", "2")):
        shutil.copytree(versions / version, directory / name / "1")
    (directory / "moved" / "1" / "assets" / "names.txt").write_text("".join(f"{name.upper()}\n" for name in NAMES))
    config = write_model_config(
        directory / "models.config", {name: directory / name for name in ("bundle", "saved_model", "moved")}
    )
    with (
        ServerProcess([f"--model_config_file={config}"]) as server,
        Client(f"localhost:{server.grpc_port}") as client,
    ):
        yield client


def client_outputs(walk: Walk) -> list[str]:
    """What the page's two runs of the client printed."""
    return [ran.output for ran in walk.ran if "client.py" in ran.block]


def predicted(client: Client, model: str, held_out: HeldOut, signature: str = "predict") -> Prediction:
    """What Predict makes of the digits held out."""
    return client.predict(model, {"images": held_out.images}, signature=signature)


@pytest.mark.parametrize("model", ["bundle", "saved_model"])
def test_scores_are_those_of_the_weights(client: Client, held_out: HeldOut, model: str) -> None:
    """Predict's scores are softmax(images @ weights + bias), of the bundle as of its conversion."""
    np.testing.assert_allclose(predicted(client, model, held_out)["scores"], held_out.scores, atol=1e-5)


def test_conversion_predicts_the_same(client: Client, held_out: HeldOut) -> None:
    """Both give the same scores."""
    bundle, saved_model = (predicted(client, model, held_out)["scores"] for model in ("bundle", "saved_model"))
    np.testing.assert_allclose(saved_model, bundle, rtol=1e-6)


@pytest.mark.parametrize("model", ["bundle", "saved_model"])
def test_classes_are_those_of_the_weights(client: Client, held_out: HeldOut, model: str) -> None:
    """Classify gives all classes by name, the most probable one first, with their scores."""
    for classes, scores in zip(
        client.classify(model, [{"x": image} for image in held_out.images]), held_out.scores, strict=True
    ):
        assert classes[0].label == NAMES[scores.argmax()]
        assert {each.label: each.score for each in classes} == pytest.approx(
            dict(zip(NAMES, scores, strict=True)), abs=1e-5
        )


def test_conversion_has_its_own_asset(client: Client, held_out: HeldOut) -> None:
    """The names come from the file in the SavedModel, wherever that is, and not from the bundle's."""
    ((first, *_),) = client.classify("moved", [{"x": held_out.images[0]}])
    assert first.label == NAMES[held_out.scores[0].argmax()].upper()


def test_bundle_predicts_by_default(client: Client, held_out: HeldOut) -> None:
    """As the page says, Predict without a signature name takes pixels."""
    scores = predicted(client, "bundle", held_out, signature="")["scores"]
    np.testing.assert_array_equal(scores, predicted(client, "bundle", held_out)["scores"])


def test_conversion_classifies_by_default(client: Client, held_out: HeldOut) -> None:
    """As the page says, Predict without a signature name is refused: the default one takes examples."""
    with pytest.raises(ServingError) as refused:
        predicted(client, "saved_model", held_out, signature="")
    assert refused.value.code is grpc.StatusCode.INVALID_ARGUMENT


def test_conversion_is_described_like_the_bundle(client: Client) -> None:
    """Names, methods, types and shapes of the signatures are the same, and those that the page lists."""
    bundle, saved_model = (client.metadata(model).signatures for model in ("bundle", "saved_model"))
    assert {name: (signature.method, list(signature.inputs)) for name, signature in saved_model.items()} == {
        "serving_default": ("tensorflow/serving/classify", ["inputs"]),
        "predict": ("tensorflow/serving/predict", ["images"]),
    }
    assert saved_model == bundle


def test_accuracy_is_the_models_own(walk: Walk, held_out: HeldOut) -> None:
    """The training and the client, twice by either call, print what the weights get right of the digits held out."""
    own = f"{100 * (held_out.scores.argmax(axis=1) == held_out.labels).mean():.1f}"
    assert ACCURACY.findall(walk.output("write_bundle.py")) == [own]
    assert [ACCURACY.findall(output) for output in client_outputs(walk)] == [[own, own], [own, own]]
    assert float(own) >= 90


def test_training_prints_two_lines(walk: Walk) -> None:
    """The page's first command says how good the model is and where, and nothing of what TensorFlow would rather do."""
    accuracy, wrote = walk.output("write_bundle.py").splitlines()
    assert ACCURACY.search(accuracy)
    assert wrote == "Wrote models/old_digits/00000001"


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        pytest.param("localhost:1", "error: UNAVAILABLE: ", id="nobody there"),
        pytest.param("http://localhost:8501", "error: expected host:port, as in localhost:8500, got ", id="REST's"),
    ],
)
def test_client_says_what_went_wrong(walk: Walk, server: str, expected: str) -> None:
    """The client ends with status 1 and a sentence, and without a stack trace."""
    with pytest.raises(AssertionError, match=r"^status 1:") as failed:
        walk.shell(f"python examples/session_bundle/client.py --server={server}")
    assert expected in str(failed.value)
    assert "Traceback" not in str(failed.value)


def test_both_versions_answer(walk: Walk) -> None:
    """The client talks to the bundle first, and to the conversion after the running server has found it."""
    bundle, saved_model = client_outputs(walk)
    assert bundle.startswith("Version 1, Predict: ")
    assert saved_model.startswith("Version 2, Predict: ")


def test_converter_prints_what_is_on_the_page(walk: Walk) -> None:
    """The lines on the page are those of the converter, all of them."""
    page = (walk.directory / "examples" / "session_bundle" / "README.md").read_text()
    (expected,) = re.findall(r"^```text\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert walk.output("convert.py") == expected
