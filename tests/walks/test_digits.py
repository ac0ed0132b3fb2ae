"""The digits tutorial: clients count the model's own error rate, with no more calls under way than asked for."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import numpy as np
import pytest
from sklearn.datasets import load_digits

from serving.client import Client
from serving.core.tensor import DataType
from serving.protos import Message, PredictRequest, PredictResponse
from tests.walks.walk import EXAMPLES, Walk

pytestmark = pytest.mark.timeout(300)

DIGITS = EXAMPLES / "digits"
WORST = 5.0
"""The error rate, in per cent, below which the page's training must end."""
CALLS = 40
"""How many calls the client makes of a server of the test."""
TOGETHER_SECONDS = 60.0

OWN_ERROR_RATES = """
import sys
import numpy as np, tensorflow as tf
sys.path.insert(0, sys.argv[1])
from digits_data import load
_, tests = load()
for version in sys.argv[2:]:
    predict_images = tf.saved_model.load(version).signatures["predict_images"]
    scores = predict_images(images=tf.constant(tests.images))["scores"].numpy()
    print(f"{100 * np.mean(np.argmax(scores, axis=1) != tests.labels):g}%")
"""
SPLIT = """
import sys
import numpy as np
sys.path.insert(0, sys.argv[1])
from digits_data import load
np.savez(sys.argv[2], **{f"{name}_{what}": getattr(split, what)
    for name, split in zip(("train", "test"), load()) for what in ("images", "labels")})
"""


def run(code: str, *arguments: object) -> str:
    """What a Python process prints; TensorFlow's own talk goes to standard error."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def error_rate(output: str) -> str:
    """The percentage that a script has printed."""
    found = re.search(r"^(?:Inference error rate|Error rate on the 1000 test images): (\S+%)$", output, re.MULTILINE)
    assert found is not None, output
    return found[1]


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    """The page was walked through; version 2 is served."""
    with Walk("digits", tmp_path_factory.mktemp("digits")) as walk:
        walk.run()
        yield walk


@pytest.fixture(scope="module")
def own(walk: Walk) -> dict[int, str]:
    """The error rate of each exported version, counted by TensorFlow without a server."""
    versions = [walk.directory / "models" / "digits" / str(version) for version in (1, 2)]
    return dict(enumerate(run(OWN_ERROR_RATES, DIGITS, *versions).split(), 1))


def test_split_holds_out_1000_images(tmp_path: Path) -> None:
    """Training and test images are all of scikit-learn's, each in one of the two; ink is from 0 to 1."""
    run(SPLIT, DIGITS, tmp_path / "split.npz")
    split = np.load(tmp_path / "split.npz")
    digits = load_digits()
    rows = np.column_stack(
        [
            np.concatenate([split["train_images"], split["test_images"]]) * 16,
            [*split["train_labels"], *split["test_labels"]],
        ]
    )
    assert len(split["test_images"]) == 1000
    assert sorted(map(tuple, rows)) == sorted(map(tuple, np.column_stack([digits.data, digits.target])))


def test_training_prints_the_models_own_error_rate(walk: Walk, own: dict[int, str]) -> None:
    """What the training says of version 1 is what the exported version does, and it has learned something."""
    assert error_rate(walk.output("--model_version=1")) == own[1]
    assert 0.0 < float(own[1].removesuffix("%")) < WORST


def test_client_counts_the_models_own_error_rate(walk: Walk, own: dict[int, str]) -> None:
    """1000 calls, ten at a time, are wrong exactly as often as the model, and there is a dot for each."""
    output = walk.output("client.py --num_tests=1000 --concurrency=10")
    assert error_rate(output) == own[1]
    assert output.startswith("." * 1000 + "\n")
    assert output.endswith("Answered by version: 1\n")


def test_classify_counts_the_models_own_error_rate(walk: Walk, own: dict[int, str]) -> None:
    """The same images as tf.Examples are classified exactly as well."""
    assert error_rate(walk.output("classify_client.py")) == own[1]


def test_second_version_is_picked_up(walk: Walk, own: dict[int, str]) -> None:
    """A version that is exported while the server runs answers then, with its own error rate."""
    output = walk.output("versions/2")
    assert error_rate(output) == own[2] == error_rate(walk.output("--model_version=2"))
    assert output.endswith("Answered by version: 2\n")


def test_versions_are_not_written_over(walk: Walk) -> None:
    """A version that is there already is kept, and the script says so before it trains."""
    script = walk.directory / "examples" / "digits" / "train_and_export.py"
    done = subprocess.run(
        [sys.executable, script, walk.directory / "models" / "digits"], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "is there already" in done.stderr
    assert "Training" not in done.stdout


def test_classes_are_the_digits_best_first(walk: Walk) -> None:
    """An image of a 0 is classified as one, and the others follow by score."""
    with Client(f"127.0.0.1:{walk.server.grpc_port}") as client:
        (classes,) = client.classify("digits", [{"x": load_digits().data[0].astype(np.float32) / 16}])
    assert classes[0].label == "0"
    assert sorted(each.label for each in classes) == list("0123456789")
    assert [each.score for each in classes] == sorted((each.score for each in classes), reverse=True)


def test_signatures_say_their_methods(walk: Walk) -> None:
    """The metadata says which call each signature is for."""
    with Client(f"127.0.0.1:{walk.server.grpc_port}") as client:
        signatures = client.metadata("digits").signatures
    methods = {name: signatures[name].method for name in ("predict_images", "serving_default")}
    assert methods == {
        "predict_images": "tensorflow/serving/predict",
        "serving_default": "tensorflow/serving/classify",
    }


class Together:
    """A server that answers Predict when ``group`` calls are there, and refuses the calls with these numbers."""

    def __init__(self, group: int, refused: Collection[int] = ()) -> None:
        self.most_at_a_time = 0
        self._here = self._number = 0
        self._refused = refused
        self._lock = threading.Lock()
        self._group = threading.Barrier(group, timeout=TOGETHER_SECONDS)
        self._answer = PredictResponse()
        self._answer.model_spec.version.value = 1
        scores = self._answer.outputs["scores"]
        scores.dtype = DataType.FLOAT
        for size in (1, 10):
            scores.tensor_shape.dim.add().size = size
        scores.float_val.extend([0.0] * 10)

    def predict(self, _request: Message, context: grpc.ServicerContext) -> Message:
        with self._lock:
            number, self._number = self._number, self._number + 1
            self._here += 1
            self.most_at_a_time = max(self.most_at_a_time, self._here)
        self._group.wait()
        with self._lock:
            self._here -= 1
        if number in self._refused:
            context.abort(grpc.StatusCode.OUT_OF_RANGE, f"call {number} is refused")
        return self._answer

    @contextmanager
    def serving(self) -> Iterator[int]:
        """The port, while the server is up. It has a thread for every call of a test."""
        handler = grpc.unary_unary_rpc_method_handler(
            self.predict, PredictRequest.FromString, PredictResponse.SerializeToString
        )
        server = grpc.server(ThreadPoolExecutor(CALLS))
        service = grpc.method_handlers_generic_handler("tensorflow.serving.PredictionService", {"Predict": handler})
        server.add_generic_rpc_handlers((service,))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield port
        finally:
            server.stop(None).wait()


def client(port: int, *flags: str, stdout: int = subprocess.PIPE) -> "subprocess.CompletedProcess[str]":
    """The client of the page, on a server of the test."""
    command = [sys.executable, str(DIGITS / "client.py"), f"--server=127.0.0.1:{port}", *flags]
    return subprocess.run(
        command, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False, timeout=TOGETHER_SECONDS
    )


@pytest.mark.parametrize("concurrency", [1, 4, 10])
def test_client_throttles(concurrency: int) -> None:
    """As many calls as asked for are under way at a time, and never more."""
    server = Together(concurrency)
    with server.serving() as port:
        done = client(port, f"--num_tests={CALLS}", f"--concurrency={concurrency}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("." * CALLS + "\n")
    assert server.most_at_a_time == concurrency


def test_failed_calls_are_told() -> None:
    """With failed calls there is no error rate; their number and the first error are told, with status 1."""
    with Together(1, refused=(1, 3)).serving() as port:
        done = client(port, "--num_tests=5")
    assert done.returncode == 1
    assert done.stdout == ".E.E.\n"
    assert done.stderr.startswith("error: 2 of 5 calls failed; the first: OUT_OF_RANGE: call 1 is refused")


def test_client_ends_when_nobody_reads() -> None:
    """Where the output has gone away, as with `| head -c 3`, the client ends, and quietly."""
    nobody, stdout = os.pipe()
    os.close(nobody)
    try:
        with Together(1).serving() as port:
            done = client(port, "--num_tests=5", stdout=stdout)
    finally:
        os.close(stdout)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize("script", ["client.py", "classify_client.py"])
def test_addresses_that_are_none(script: str) -> None:
    """What looks like an address of REST is refused with a sentence."""
    command = [sys.executable, str(DIGITS / script), "--server=http://localhost:8501"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: expected host:port, as in localhost:8500, got 'http://localhost:8501'\n"
